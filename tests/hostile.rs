//! Wrong input: one clear message, and the exit code that the documentation gives.

use std::fs;
use std::path::Path;

use crate::support::{Small, fail, xtask};

#[test]
fn an_unknown_key_names_the_place_and_the_nearest_key() {
    let small = Small::new();
    let recipe = fs::read_to_string(small.recipe()).unwrap();
    let line = recipe
        .lines()
        .position(|line| line == "[pretrain]")
        .unwrap()
        + 2;
    fs::write(
        small.recipe(),
        recipe.replace("[pretrain]\n", "[pretrain]\nepohcs = 3\n"),
    )
    .unwrap();
    let expected = format!(
        "error: {}:{line}:1: unknown key `pretrain.epohcs`; the nearest known key is `pretrain.epochs`\n",
        small.recipe().display()
    );
    assert_eq!(fail(&mut small.pipeline("a", &[])), (2, expected));
    assert!(!small.out("a").exists(), "nothing was started");
}

#[test]
fn set_arguments_are_named_and_all_problems_told() {
    let small = Small::new();
    let arguments = [
        "--set",
        "predict.beams=0",
        "--set",
        "finetune.batch=big",
        "--set",
        "seed",
    ];
    assert_eq!(
        fail(&mut small.pipeline("a", &arguments)),
        (
            2,
            "error: --set seed: expected KEY=VALUE, for example --set pretrain.epochs=3\n".into()
        )
    );
    assert_eq!(
        fail(&mut small.pipeline("a", &arguments[..4])),
        (
            2,
            "error: --set finetune.batch=big: `finetune.batch` is the text \"big\"; \
             allowed: a whole number from 1 to 4096\n\
             --set predict.beams=0: `predict.beams` is 0; allowed: a whole number from 1 to 64\n"
                .into()
        )
    );
}

#[test]
fn a_missing_recipe_is_a_usage_error() {
    let (code, message) = fail(&mut xtask(&["pipeline", "--config", "no/such.toml"]));
    assert_eq!(
        (code, message.as_str()),
        (
            2,
            "error: cannot read the configuration no/such.toml: No such file or directory (os error 2); \
             name an existing file with --config\n"
        )
    );
}

#[test]
fn stages_out_of_order_are_a_usage_error() {
    let small = Small::new();
    assert_eq!(
        fail(&mut small.pipeline("a", &["--from", "predict", "--until", "split"])),
        (
            2,
            "error: --from predict comes after --until split\n".into()
        )
    );
}

#[test]
fn a_missing_image_is_named() {
    let small = Small::new();
    let image = small.image();
    fs::remove_file(&image).unwrap();
    let (code, message) = fail(&mut small.pipeline("a", &[]));
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains(image.file_name().unwrap().to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn an_image_lost_after_verification_is_noticed() {
    let small = Small::new();
    crate::support::succeed(&mut small.pipeline("a", &["--until", "split"]));
    fs::remove_file(small.image()).unwrap();
    let (code, message) = fail(&mut small.pipeline("a", &["--until", "split"]));
    assert_eq!(code, 3, "{message}");
}

#[test]
fn a_changed_image_is_named() {
    let small = Small::new();
    cut_in_half(&small.image());
    let (code, message) = fail(&mut small.pipeline("a", &[]));
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains(small.image().file_name().unwrap().to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn a_truncated_jpeg_that_the_manifest_vouches_for_is_named_before_anything_is_trained() {
    let small = Small::new();
    cut_in_half(&small.image());
    small.write_manifest();
    let (code, message) = fail(&mut small.pipeline("a", &[]));
    assert_eq!(code, 3, "{message}");
    let expected = format!(
        "error: image {} is truncated: the JPEG stops before its end; fetch it again\n",
        small.image().display()
    );
    assert!(message.ends_with(&expected), "{message}");
    assert!(!message.contains("split"), "{message}");
}

#[test]
fn one_image_under_many_names_is_a_leak() {
    let small = Small::new();
    let bytes = fs::read(small.image()).unwrap();
    for entry in fs::read_dir(small.data().join("images")).unwrap() {
        fs::write(entry.unwrap().path(), &bytes).unwrap();
    }
    small.write_manifest();
    let (code, message) = fail(&mut small.pipeline("a", &["--until", "split"]));
    assert_eq!(code, 4, "{message}");
    assert!(
        message.starts_with("error: the split is declared image-disjoint, but leaks:\n"),
        "{message}"
    );
}

#[test]
fn an_output_folder_that_cannot_be_made_is_named() {
    let small = Small::new();
    let out = small.out("file");
    fs::write(&out, "not a folder").unwrap();
    let expected = format!(
        "error: cannot write {}: Not a directory (os error 20); \
         free space, mend permissions or choose another folder with --out\n",
        out.join("below/small").display()
    );
    assert_eq!(fail(&mut small.pipeline("file/below", &[])), (5, expected));
}

#[test]
fn an_unknown_device_is_refused_before_anything_is_written() {
    let small = Small::new();
    let (code, message) = fail(&mut small.pipeline("a", &["--device", "abacus"]));
    assert_eq!(code, 7, "{message}");
    assert!(
        message.contains("abacus") && message.contains("cpu"),
        "{message}"
    );
    assert!(!small.out("a").exists());
}

fn cut_in_half(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}
