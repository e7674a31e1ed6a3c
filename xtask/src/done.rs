//! The mark of a finished stage: `done.json`, written last.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

const FILE: &str = "done.json";

/// What a finished stage left behind, and what it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    pub stage: String,
    /// Hash of everything the outputs depend on.
    pub key: String,
    /// Time of the last run of this stage.
    pub seconds: f64,
    /// The stage went on from a saved state, so `seconds` is not all it took.
    pub continued: bool,
    /// Peak resident memory, where the system tells it.
    pub peak_memory_bytes: Option<u64>,
    pub outputs: Vec<Output>,
}

/// One file of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Done {
    /// The mark in `folder`, if the stage is finished and its files are still what they were.
    pub fn read(folder: &Path, key: &str) -> Option<Self> {
        let text = fs::read(folder.join(FILE)).ok()?;
        let done: Self = serde_json::from_slice(&text).ok()?;
        let intact = |output: &Output| {
            let path = folder.join(&output.file);
            let same_size = fs::metadata(&path).is_ok_and(|meta| meta.len() == output.bytes);
            same_size && miss_data::file::sha256_file(&path).is_ok_and(|hash| hash == output.sha256)
        };
        (done.key == key && done.outputs.iter().all(intact)).then_some(done)
    }

    /// Lists the files of `folder`, then writes the mark.
    pub fn write(mut self, folder: &Path) -> io::Result<()> {
        self.outputs = outputs(folder)?;
        let mut json = serde_json::to_vec_pretty(&self)?;
        json.push(b'\n');
        miss_data::write_atomic(&folder.join(FILE), &json)
    }
}

fn outputs(folder: &Path) -> io::Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && file != FILE {
            outputs.push(Output {
                bytes: entry.metadata()?.len(),
                sha256: miss_data::file::sha256_file(&entry.path())?,
                file,
            });
        }
    }
    outputs.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(folder: &Path) -> io::Result<()> {
        fs::write(folder.join("a.json"), "{}")?;
        let done = Done {
            stage: "split".into(),
            key: "k".into(),
            seconds: 1.0,
            continued: false,
            peak_memory_bytes: None,
            outputs: Vec::new(),
        };
        done.write(folder)
    }

    #[test]
    fn is_valid_only_for_its_key_and_intact_files() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        assert_eq!(Done::read(folder.path(), "k"), None);
        finished(folder.path())?;
        let done = Done::read(folder.path(), "k").expect("finished");
        assert_eq!(done.outputs.len(), 1);
        assert_eq!(Done::read(folder.path(), "other"), None);
        fs::write(folder.path().join("a.json"), "[]")?;
        assert_eq!(Done::read(folder.path(), "k"), None);
        fs::remove_file(folder.path().join("a.json"))?;
        assert_eq!(Done::read(folder.path(), "k"), None);
        Ok(())
    }
}
