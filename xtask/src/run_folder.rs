//! The folder of one recipe's outputs: `<out>/<recipe>/`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::{Stage, State, Step};

/// A killed process keeps its lock until the system has taken it apart, which a run that follows at once may meet.
const PATIENCE: Duration = Duration::from_secs(2);

/// An output folder that can be written and that no other run uses.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Held, and so locked, until the run ends, however it ends.
    _lock: File,
}

/// The files a person looks for, by the stage that makes them.
const PUBLISHED: [(Stage, &[&str]); 5] = [
    (Stage::Split, &["split.json", "audit.json"]),
    (Stage::Captions, &["captions.jsonl"]),
    (Stage::Predict, &["predictions.jsonl"]),
    (Stage::Evaluate, &["metrics.json"]),
    (Stage::Report, &["report.html"]),
];

impl RunFolder {
    /// Makes `path` and takes it for this run.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(path.join("stages")).map_err(|error| Failure::output(path, error))?;
        let lock_path = path.join(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|error| Failure::output(&lock_path, error))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => sleep(PATIENCE / 20),
                Err(TryLockError::WouldBlock) => {
                    let message = format!(
                        "another run is writing to {}; wait for it, or choose another folder with --out",
                        path.display()
                    );
                    return Err(Failure::new(Exit::Output, message));
                }
                Err(TryLockError::Error(error)) => return Err(Failure::output(&lock_path, error)),
            }
        }
    }

    /// Where the file `name` lies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens the log at its end.
    pub fn log(&self) -> Result<File, Failure> {
        let path = self.file("run.jsonl");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| Failure::output(&path, error))
    }

    /// Takes away the copies of what is about to be made anew, so that the folder never shows two recipes at once.
    pub fn retract<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> Result<(), Failure> {
        for step in steps.filter(|step| step.state != State::Cached) {
            for file in published(step.stage) {
                let path = self.file(file);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Failure::output(&path, error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Copies what `step` made to where a person looks for it.
    pub fn publish(&self, step: &Step) -> Result<(), Failure> {
        for file in published(step.stage) {
            let copy = self.file(file);
            let bytes = fs::read(step.folder.join(file))
                .map_err(|error| Failure::output(&step.folder.join(file), error))?;
            if fs::read(&copy).is_ok_and(|present| present == bytes) {
                continue;
            }
            miss_data::write_atomic(&copy, &bytes)
                .map_err(|error| Failure::output(&copy, error))?;
        }
        Ok(())
    }
}

fn published(stage: Stage) -> &'static [&'static str] {
    let found = PUBLISHED.iter().find(|(made_by, _)| *made_by == stage);
    found.map_or(&[], |(_, files)| files)
}
