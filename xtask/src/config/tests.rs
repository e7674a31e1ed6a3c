//! What a recipe means, and what is said about a wrong one. The messages are asserted whole: they are the interface.

use std::collections::BTreeSet;
use std::path::Path;

use miss_model::{ImageWork, ItcTargets, Precision, Size};

use super::knobs::Knobs;
use super::*;

const QUICKSTART: &str = include_str!("../../../configs/quickstart.toml");

fn resolve(text: &str) -> Result<Resolved, Vec<String>> {
    let written = Written::parse(Path::new("/recipes/a.toml"), text).expect("valid TOML");
    Resolved::new(&written)
}

/// The problems of a recipe that is right but for `lines`.
fn problems(lines: &str) -> Vec<String> {
    let text = format!("name = \"a\"\ndata.manifest = \"m.toml\"\n{lines}\n");
    resolve(&text).expect_err("a wrong recipe")
}

#[test]
fn paths_are_relative_to_the_file_and_the_root_lies_beside_the_manifest() {
    let recipe = resolve("name = \"a\"\ndata.manifest = \"../data/./m.toml\"\n").expect("right");
    assert_eq!(recipe.data.manifest, Path::new("/data/m.toml"));
    assert_eq!(recipe.data.root, Path::new("/data"));
}

#[test]
fn the_seed_of_the_recipe_is_the_default_of_all_seeds() {
    let text = "name = \"a\"\ndata.manifest = \"m\"\nseed = 7\n[pretrain]\nseed = 8\n";
    let recipe = resolve(text).expect("right");
    assert_eq!((recipe.pretrain.seed, recipe.finetune.seed), (8, 7));
    assert_eq!((recipe.split.seed, recipe.captions.seed), (7, 7));
}

#[test]
fn unknown_keys_and_tables_name_the_nearest() {
    assert_eq!(
        problems("[pretrain]\nepohcs = 3\n[fintune]\n[model]\nimage = 3\n[zzz]\nq = 1"),
        [
            "/recipes/a.toml:4:1: unknown key `pretrain.epohcs`; the nearest known key is `pretrain.epochs`",
            "/recipes/a.toml:5:2: unknown key `fintune`; the nearest known key is `finetune`",
            "/recipes/a.toml:7:1: `model.image` is a table of keys, not a value; write [model.image] and its keys below",
            "/recipes/a.toml:9:1: unknown key `zzz.q`; configs/quickstart.toml shows every key",
        ]
    );
}

#[test]
fn wrong_types_and_ranges_name_what_is_allowed() {
    assert_eq!(
        problems(
            "[pretrain]\nepochs = 0\nbatch = \"many\"\nlearning_rate = 2\n\
             [predict]\nmask_question_padding = 1\n[split]\nkind = \"patient\"\nseed = -1"
        ),
        [
            "/recipes/a.toml:4:10: `pretrain.epochs` is 0; allowed: a whole number from 1 to 10000",
            "/recipes/a.toml:5:9: `pretrain.batch` is the text \"many\"; allowed: a whole number from 2 to 4096",
            "/recipes/a.toml:6:17: `pretrain.learning_rate` is 2; allowed: a number from 0 to 1",
            "/recipes/a.toml:8:25: `predict.mask_question_padding` is 1; allowed: true or false",
            "/recipes/a.toml:10:8: `split.kind` is the text \"patient\"; allowed: \"official\" or \"official-dedup\" or \"mevf\" or \"image-disjoint\" or \"random\" or \"en\" or \"zh\" or \"bilingual-safe\" or \"by-group\"",
            "/recipes/a.toml:11:8: `split.seed` is -1; allowed: a whole number from 0",
        ]
    );
}

#[test]
fn knobs_are_checked_together() {
    assert_eq!(
        problems(
            "[pretrain]\nimage_size = 100\nmin_learning_rate = 0.5\n[split]\ntest_fraction = 0.9"
        ),
        [
            "/recipes/a.toml:4:14: `pretrain.image_size`: an image of 100 px is not a whole number of 16 px patches; use a multiple of 16",
            "/recipes/a.toml:5:21: `pretrain.min_learning_rate`: 0.5 is above `pretrain.learning_rate`, which falls to it; at most 0.0003",
            "/recipes/a.toml:7:17: `split.test_fraction`: together with `split.validation_fraction` it leaves nothing to train on; make both smaller",
        ]
    );
}

#[test]
fn a_named_size_is_the_default_of_the_model_s_knobs() {
    let text = "name = \"a\"\ndata.manifest = \"m\"\n[pretrain]\nimage_size = 112\n\
                itc_targets = \"same-caption\"\n[finetune]\nimage_size = 112\n\
                [model]\nsize = \"small\"\nprecision = \"bf16\"\nimage_work = \"repeated\"\n\
                text.depth = 3\n";
    let recipe = resolve(text).expect("right");
    let mut expected = Size::Small.config();
    expected.text.depth = 3;
    expected.precision = Precision::Bf16;
    expected.image_work = ImageWork::Repeated;
    assert_eq!(recipe.model, expected);
    assert_eq!(recipe.pretrain.itc_targets, ItcTargets::SameCaption);
    let plain = resolve("name = \"a\"\ndata.manifest = \"m\"\n").expect("right");
    assert_eq!(plain.model, Size::Quickstart.config());
    assert_eq!(plain.pretrain.itc_targets, ItcTargets::Diagonal);
    assert_eq!(
        problems(
            "[model]\nsize = \"huge\"\nprecision = \"fp8\"\n[pretrain]\nitc_targets = \"soft\""
        ),
        [
            "/recipes/a.toml:4:8: `model.size` is the text \"huge\"; allowed: \"tiny\" or \"quickstart\" or \"small\" or \"base\" or \"large\"",
            "/recipes/a.toml:5:13: `model.precision` is the text \"fp8\"; allowed: \"fp32\" or \"bf16\"",
            "/recipes/a.toml:7:15: `pretrain.itc_targets` is the text \"soft\"; allowed: \"diagonal\" or \"same-caption\"",
        ]
    );
}

#[test]
fn what_has_no_default_must_be_written() {
    assert_eq!(
        resolve("seed = 1\n").expect_err("incomplete"),
        [
            "/recipes/a.toml: `data.manifest` must be given: it has no default",
            "/recipes/a.toml: `name` must be given: it has no default",
        ]
    );
}

#[test]
fn names_stay_inside_the_output_folder() {
    for name in ["../up", "a/b", "", ".hidden", "a b"] {
        let text = format!("name = \"{name}\"\ndata.manifest = \"m\"\n");
        assert_eq!(
            resolve(&text).expect_err("a wrong name"),
            [format!(
                "/recipes/a.toml:1:8: `name` is the text {name:?}; allowed: 1 to 64 letters, digits, '-', '_' or '.', not starting with '.'"
            )]
        );
    }
}

#[test]
fn a_saved_recipe_means_the_same() {
    let recipe = resolve(QUICKSTART).expect("the quickstart is right");
    let saved = recipe.to_toml().expect("TOML");
    assert_eq!(resolve(&saved).expect("right"), recipe);
    assert_eq!(
        saved.lines().nth(1),
        Some(&*format!("# sha256 {}", recipe.hash()))
    );
}

#[test]
fn the_hash_is_that_of_what_changes_predictions() {
    let hash = |lines: &str| {
        let text = format!("name = \"a\"\ndata.manifest = \"m\"\n{lines}\n");
        resolve(&text).expect("right").hash()
    };
    assert_eq!(
        hash(""),
        hash("report.caption_examples = 3\ndata.root = \"x\"")
    );
    assert_ne!(hash(""), hash("pretrain.epochs = 3"));
    assert_ne!(hash(""), hash("predict.beams = 1"));
}

#[test]
fn the_quickstart_shows_and_explains_every_knob() {
    let shown: String = QUICKSTART
        .lines()
        .map(|line| {
            let key = line
                .strip_prefix("# ")
                .and_then(|rest| rest.split_once(" = "));
            let is_key =
                key.is_some_and(|(key, _)| key.chars().all(|c| c == '_' || c.is_ascii_lowercase()));
            let line = if is_key { &line[2..] } else { line };
            let explained = line.starts_with('#') || !line.contains(" = ") || line.contains(" # ");
            assert!(explained, "not explained: {line}");
            format!("{line}\n")
        })
        .collect();
    let written = Written::parse(Path::new("quickstart.toml"), &shown).expect("valid TOML");
    let shown: BTreeSet<String> = written.entries.keys().cloned().collect();
    let known = Knobs::new(&written);
    Resolved::read(&known);
    assert_eq!(known.finish().expect("right"), shown);
}
