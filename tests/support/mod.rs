//! Runs the program on a small, real dataset: the embedded VQA-RAD cut down to a few images.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use miss_data::{Format, count, describe};
use serde_json::Value;
use tempfile::TempDir;

const QUESTIONS: &str = "VQA_RAD Dataset Public.json";

/// Images of the small dataset.
const IMAGES: usize = 24;

/// A folder with a small dataset and a recipe that takes seconds.
pub struct Small {
    folder: TempDir,
}

impl Small {
    pub fn new() -> Self {
        let small = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-manifests/embedded");
        fs::create_dir_all(small.data().join("images")).unwrap();
        let text = fs::read(embedded.join(QUESTIONS)).unwrap();
        let rows: Vec<Value> = serde_json::from_slice(&text).unwrap();
        let mut names: Vec<&str> = rows
            .iter()
            .map(|row| row["image_name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(IMAGES);
        for name in &names {
            let image = Path::new("images").join(name);
            fs::copy(embedded.join(&image), small.data().join(&image)).unwrap();
        }
        let kept: Vec<&Value> = rows
            .iter()
            .filter(|row| names.contains(&row["image_name"].as_str().unwrap()))
            .collect();
        let kept = serde_json::to_vec(&kept).unwrap();
        fs::write(small.data().join(QUESTIONS), kept).unwrap();
        small.write_manifest();
        fs::write(small.recipe(), RECIPE).unwrap();
        small
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn recipe(&self) -> PathBuf {
        self.folder.path().join("small.toml")
    }

    /// Where a run with `--out NAME` leaves its files.
    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, out: &str, name: &str) -> Vec<u8> {
        let path = self.out(out).join("small").join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// One of the images.
    pub fn image(&self) -> PathBuf {
        let mut images: Vec<PathBuf> = fs::read_dir(self.data().join("images"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        images.sort();
        images.swap_remove(0)
    }

    /// Declares the files to be right as they are.
    pub fn write_manifest(&self) {
        let (root, format) = (self.data(), Format::VqaRad);
        let counts = count::counts(format, &root).unwrap();
        let manifest = describe(&root, "vqa-rad-small", "CC0-1.0", format, counts).unwrap();
        manifest.write(&root.join("manifest.toml")).unwrap();
    }

    /// `cargo xtask pipeline` on the small recipe.
    pub fn pipeline(&self, out: &str, arguments: &[&str]) -> Command {
        let mut command = xtask(&["pipeline"]);
        command.arg("--config").arg(self.recipe());
        command.arg("--out").arg(self.out(out)).args(arguments);
        command
    }
}

/// The program with `arguments`.
pub fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs to a good end and returns what was printed, standard output first.
pub fn succeed(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{:?}\n{out}\n{err}", output.status);
    (out, err)
}

/// Runs to a failure and returns the exit code and the lines from `error:` on.
pub fn fail(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let (out, err) = texts(&output);
    let start = err
        .find("error: ")
        .unwrap_or_else(|| panic!("no error in\n{out}\n{err}"));
    (output.status.code().unwrap(), err[start..].to_owned())
}

pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The stages that a run did not skip, from its log on standard error.
pub fn performed(log: &str) -> Vec<&str> {
    log.lines()
        .filter_map(|line| line.trim_end().strip_suffix(" starts"))
        .map(str::trim)
        .collect()
}

const RECIPE: &str = "\
name = \"small\"
seed = 5
data.manifest = \"data/manifest.toml\"
captions.per_image = 3

[model]
projection = 16
image = { width = 32, depth = 1, heads = 2, patch = 16 }
text = { width = 32, depth = 1, heads = 2 }

[pretrain]
epochs = 6
batch = 4
image_size = 32
queue = 16
warmup_steps = 2
checkpoint_every = 3

[finetune]
epochs = 1
batch = 8
image_size = 32
checkpoint_every = 3

[predict]
beams = 2
";
