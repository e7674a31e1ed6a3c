//! The data commands: a dataset from a mirror, and a user's own from a table to a split.

use std::fs;
use std::path::Path;

use crate::support::{Small, fail, succeed, xtask};

/// A mirror that holds the small dataset as `small/`, with a manifest that says so.
fn mirror(small: &Small) -> String {
    small.write_manifest();
    let path = small.data().join("manifest.toml");
    let mut manifest = miss_data::Manifest::read(&path).unwrap();
    manifest.mirror = Some("data".into());
    let told = small.out("small-data.toml");
    manifest.write(&told).unwrap();
    told.display().to_string()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_dataset_comes_from_a_mirror_once_its_licence_is_accepted_and_stays_right() {
    let small = Small::new();
    let manifest = mirror(&small);
    let (from, to) = (small.out(""), small.out("fetched"));
    let fetch = |more: &[&str]| {
        let mut command = xtask(&["data", "fetch", &manifest, "--mirror", path(&from)]);
        command.arg("--to").arg(&to).args(more);
        command
    };
    let (code, message) = fail(&mut fetch(&[]));
    assert_eq!(code, 2, "{message}");
    assert!(
        message.contains("CC0-1.0") && message.contains("--accept-licence"),
        "{message}"
    );
    assert!(!to.join("vqa-rad-small").exists(), "nothing was brought");

    let (out, _) = succeed(&mut fetch(&["--accept-licence"]));
    assert!(out.contains("0 files were there, 25 brought"), "{out}");
    let root = to.join("vqa-rad-small");
    let verify = || xtask(&["data", "verify", &manifest, "--root", path(&root)]);
    succeed(&mut verify());

    // A flipped byte is named, and brought again alone.
    let image = root.join("images").join(small.image().file_name().unwrap());
    let mut bytes = fs::read(&image).unwrap();
    bytes[100] ^= 1;
    fs::write(&image, bytes).unwrap();
    let (code, message) = fail(&mut verify());
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains(path(image.file_name().unwrap().as_ref())),
        "{message}"
    );
    let (out, _) = succeed(&mut fetch(&["--accept-licence", "--offline"]));
    assert!(out.contains("24 files were there, 1 brought"), "{out}");
    succeed(&mut verify());
}

#[test]
fn a_table_of_ones_own_becomes_a_dataset_with_a_split() {
    let small = Small::new();
    let own = small.out("own");
    fs::create_dir_all(&own).unwrap();
    fs::rename(small.data().join("images"), own.join("images")).unwrap();
    let images: Vec<String> = fs::read_dir(own.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut table = "img_name;Question;Answer;patient_id\n".to_owned();
    for (patient, image) in images.iter().enumerate() {
        table += &format!("{image};Is the heart enlarged?;no;p{patient}\n");
        table += &format!("{image};\"What is shown; in short?\";a chest;p{patient}\n");
    }
    table += ";Where is it?;left;p0\n";
    let source = small.out("table.csv");
    fs::write(&source, table).unwrap();

    let mut import = xtask(&["data", "import", path(&source), "--out", path(&own)]);
    let (out, _) = succeed(&mut import);
    assert!(
        out.contains("48 questions") && out.contains("line 50"),
        "{out}"
    );
    let (out, _) = succeed(&mut xtask(&["data", "doctor", path(&own)]));
    assert!(out.contains("48"), "{out}");

    // What the doctor says of a lost image names the record, and the exit code says that it matters.
    let lost = own.join("images").join(&images[0]);
    let kept = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let output = xtask(&["data", "doctor", path(&own)]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains(&images[0]) && told.contains("table/2"),
        "{told}"
    );
    fs::write(&lost, kept).unwrap();

    let manifest = small.out("own.toml");
    let mut describe = xtask(&[
        "data",
        "describe",
        "--name",
        "own",
        "--licence",
        "LicenseRef-private",
    ]);
    describe.arg("--root").arg(&own).arg("--out").arg(&manifest);
    succeed(&mut describe);
    let split = small.out("split.json");
    let mut divide = xtask(&["data", "split", path(&manifest), "--kind", "by-group"]);
    divide.arg("--root").arg(&own).arg("--out").arg(&split);
    succeed(&mut divide);
    let mut audit = xtask(&["data", "audit", path(&manifest), "--split", "by-group"]);
    audit.arg("--root").arg(&own);
    let (out, _) = succeed(&mut audit);
    assert!(out.contains("no leak found"), "{out}");

    let shards = small.out("shards");
    let mut shard = xtask(&["data", "shard", path(&manifest)]);
    shard.arg("--root").arg(&own).arg("--out").arg(&shards);
    let (out, _) = succeed(&mut shard);
    assert!(out.contains("48 records of 24 images"), "{out}");
    assert!(shards.join("index.json").is_file());
}

#[test]
fn every_manifest_of_the_checkout_is_listed_and_has_cards() {
    let (list, _) = succeed(&mut xtask(&["data", "list"]));
    for name in ["vqa-rad", "slake", "medicat", "rocov2", "rsna-pneumonia"] {
        assert!(list.contains(name), "{list}");
        let (card, _) = succeed(&mut xtask(&["data", "card", name]));
        assert!(card.contains("icen") && card.starts_with("# "), "{card}");
        let (croissant, _) = succeed(&mut xtask(&["data", "card", name, "--croissant"]));
        let croissant: serde_json::Value = serde_json::from_str(&croissant).unwrap();
        assert_eq!(croissant["@type"], "sc:Dataset", "{name}");
    }
    let (code, message) = fail(&mut xtask(&["data", "card", "slak"]));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("slake"), "{message}");
}
