//! Writing the manifest of a user's own data.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use crate::file::sha256_file;
use crate::manifest::{Counts, FileEntry, Manifest, Source};
use crate::read::ReadError;
use crate::record::Part;
use crate::vqa_rad::{self, IMAGES_DIR, QUESTIONS_FILE};

/// Why a folder could not be described.
#[derive(Debug, Error)]
pub enum DescribeError {
    /// Its questions.
    #[error(transparent)]
    Questions(#[from] ReadError),
    /// A file that a question names, or the questions themselves.
    #[error("cannot read {path}: {source}; every image that a question names must be in `{IMAGES_DIR}/`", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// The manifest of the data in `root`, which is laid out as VQA-RAD is: the questions and the images
/// that they name, with sizes and hashes as they are now.
///
/// `name` is what the data are called, `licence` an SPDX expression. What only their owner knows,
/// such as a citation, is left empty.
///
/// # Errors
///
/// [`DescribeError`]: the questions cannot be read, or an image is missing.
pub fn describe(root: &Path, name: &str, licence: &str) -> Result<Manifest, DescribeError> {
    let questions = vqa_rad::read(root)?
        .all_or_nothing()
        .map_err(ReadError::from)?;
    let images: BTreeSet<&str> = questions.iter().map(|row| row.image.as_str()).collect();
    let mut paths = vec![QUESTIONS_FILE.to_owned()];
    paths.extend(images.iter().map(|image| format!("{IMAGES_DIR}/{image}")));
    let entries: Vec<Result<FileEntry, DescribeError>> = paths
        .par_iter()
        .map(|path| {
            let file = root.join(path);
            let failed = |source| DescribeError::File {
                path: file.clone(),
                source,
            };
            Ok(FileEntry {
                path: path.clone(),
                bytes: std::fs::metadata(&file).map_err(failed)?.len(),
                sha256: sha256_file(&file).map_err(failed)?,
            })
        })
        .collect();
    let test = questions
        .iter()
        .filter(|row| row.part == Some(Part::Test))
        .count();
    Ok(Manifest {
        name: name.into(),
        title: name.into(),
        version: String::new(),
        licence: licence.into(),
        licence_note: String::new(),
        homepage: String::new(),
        citation: String::new(),
        counts: Counts {
            questions: questions.len(),
            images: images.len(),
            train: questions.len() - test,
            test,
        },
        sources: vec![Source {
            location: root.display().to_string(),
            verified: true,
            note: "Described as found there.".into(),
        }],
        files: entries.into_iter().collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    const ROWS: &str = r#"[
        {"image_name": "a.png", "question": "Is it?", "answer": "yes", "answer_type": "CLOSED",
         "question_type": "OTHER", "phrase_type": "freeform"},
        {"image_name": "b.png", "question": "What is it?", "answer": "a heart", "answer_type": "OPEN",
         "question_type": "ORGAN", "phrase_type": "test_freeform"}
    ]"#;

    #[test]
    fn what_is_described_verifies_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join(IMAGES_DIR)).unwrap();
        fs::write(root.join(QUESTIONS_FILE), ROWS).unwrap();
        fs::write(root.join(IMAGES_DIR).join("a.png"), "a").unwrap();
        let error = describe(root, "mine", "CC0-1.0").unwrap_err().to_string();
        assert!(error.contains("b.png"), "{error}");

        fs::write(root.join(IMAGES_DIR).join("b.png"), "b").unwrap();
        let manifest = describe(root, "mine", "CC0-1.0").unwrap();
        let counts = manifest.counts;
        assert_eq!(
            (counts.questions, counts.images, counts.train, counts.test),
            (2, 2, 1, 1)
        );
        assert_eq!(manifest.verify(root).unwrap().files, 3);
        let file = root.join("mine.toml");
        manifest.write(&file).unwrap();
        assert_eq!(Manifest::read(&file).unwrap(), manifest);
    }
}
