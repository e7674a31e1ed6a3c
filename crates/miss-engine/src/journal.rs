//! A file of JSON lines, one a step, that a resumed run continues.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::EngineError;

/// An append-only file whose length in lines is known.
pub(crate) struct Journal {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl Journal {
    /// Opens `path` with its first `lines` lines; what a killed run wrote after its last state is
    /// cut off, for it will be written again.
    pub(crate) fn open(path: &Path, lines: usize) -> Result<Self, EngineError> {
        let failed = |error: std::io::Error| EngineError::at(path)(error.to_string());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut reader = BufReader::new(file);
        let (mut length, mut line) = (0, Vec::new());
        for _ in 0..lines {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
            if !line.ends_with(b"\n") {
                return Err(EngineError::at(path)(format!(
                    "it should have {lines} lines and has fewer; remove the folder it is in to begin anew"
                )));
            }
            length += read as u64;
        }
        let mut file = reader.into_inner();
        file.set_len(length).map_err(failed)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(failed)?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: BufWriter::new(file),
        })
    }

    pub(crate) fn append(&mut self, line: &impl Serialize) -> Result<(), EngineError> {
        serde_json::to_writer(&mut self.writer, line)
            .map_err(|error| EngineError::at(&self.path)(error.to_string()))?;
        self.writer
            .write_all(b"\n")
            .map_err(|error| EngineError::at(&self.path)(error.to_string()))
    }

    /// Brings everything to the disk: a state that counts these lines may be saved now.
    pub(crate) fn sync(&mut self) -> Result<(), EngineError> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_data())
            .map_err(|error| EngineError::at(&self.path)(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_after_the_state_are_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.jsonl");
        let mut journal = Journal::open(&path, 0).unwrap();
        for step in 0..4 {
            journal.append(&step).unwrap();
        }
        journal.sync().unwrap();
        let mut journal = Journal::open(&path, 2).unwrap();
        journal.append(&"two").unwrap();
        journal.sync().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n\"two\"\n");
        assert!(Journal::open(&path, 9).is_err());
    }
}
