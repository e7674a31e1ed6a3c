//! The state of a run on disk, saved whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Tensor;
use miss_model::Queues;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::EngineError;

/// Saved states of a run, in a folder of their own; only the newest is kept.
///
/// `current.json` names the folder of the newest state and holds its counters. It is replaced
/// atomically after everything it names is on disk, so that a run killed at any instant finds
/// either the old state or the new one.
pub(crate) struct States {
    folder: PathBuf,
}

/// What `current.json` holds.
#[derive(serde::Serialize, serde::Deserialize)]
struct Current<C> {
    folder: String,
    counters: C,
}

impl States {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder and the counters of the newest state, if there is one.
    pub(crate) fn newest<C: DeserializeOwned>(&self) -> Result<Option<(PathBuf, C)>, EngineError> {
        let path = self.folder.join("current.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EngineError::at(&path)(error.to_string())),
        };
        let current: Current<C> = serde_json::from_slice(&bytes).map_err(|error| {
            EngineError::at(&path)(format!(
                "{error}; remove {} to begin anew",
                self.folder.display()
            ))
        })?;
        Ok(Some((self.folder.join(current.folder), current.counters)))
    }

    /// Saves a state called `name`: `write` fills a new folder, `counters` go with it.
    pub(crate) fn save<C: Serialize>(
        &self,
        name: &str,
        counters: &C,
        write: impl FnOnce(&Path) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let folder = self.folder.join(name);
        let failed = |error: std::io::Error| EngineError::at(&folder)(error.to_string());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(failed)?;
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        write(&folder)?;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
        }
        let current = serde_json::to_vec(&Current {
            folder: name.to_string(),
            counters,
        })
        .map_err(|error| EngineError::at(&folder)(error.to_string()))?;
        miss_data::write_atomic(&self.folder.join("current.json"), &current).map_err(failed)?;
        // The state is safe now; what is older has served.
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() && path != folder {
                fs::remove_dir_all(&path).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes every state: the run is finished.
    pub(crate) fn remove(&self) -> Result<(), EngineError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::at(&self.folder)(error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a module with the identities of its parameters, which the optimiser's state refers to.
pub(crate) fn save_module<M: Module>(module: &M, path: &Path) -> Result<(), EngineError> {
    module
        .clone()
        .into_record()
        .save(path)
        .map_err(|error| EngineError::at(path)(error.to_string()))
}

/// Reads a module written by [`save_module`] into `module`, which has the same structure.
pub(crate) fn load_module<M: Module>(module: M, path: &Path) -> Result<M, EngineError> {
    ModuleRecord::load(path)
        .and_then(|record| module.try_load_record(record))
        .map_err(|error| EngineError::at(path)(error.to_string()))
}

pub(crate) fn save_optimizer(optimizer: &ModuleOptimizer, path: &Path) -> Result<(), EngineError> {
    optimizer
        .save(path)
        .map_err(|error| EngineError::at(path)(error.to_string()))
}

pub(crate) fn load_optimizer(
    optimizer: ModuleOptimizer,
    path: &Path,
) -> Result<ModuleOptimizer, EngineError> {
    optimizer
        .load(path)
        .map_err(|error| EngineError::at(path)(error.to_string()))
}

/// The queues' columns as a module, the form in which tensors are saved.
#[derive(Module, Debug)]
struct Columns {
    image: Param<Tensor<2>>,
    text: Param<Tensor<2>>,
}

impl Columns {
    fn of(queues: &Queues) -> Self {
        Self {
            image: Param::from_tensor(queues.image.clone()),
            text: Param::from_tensor(queues.text.clone()),
        }
    }
}

pub(crate) fn save_queues(queues: &Queues, path: &Path) -> Result<(), EngineError> {
    save_module(&Columns::of(queues), path)
}

/// Reads queues of the shape of `like`, with the given pointer and keys of captions.
pub(crate) fn load_queues(
    like: &Queues,
    (pointer, captions): (usize, &[Option<u64>]),
    path: &Path,
) -> Result<Queues, EngineError> {
    let columns = load_module(Columns::of(like), path)?;
    Ok(Queues {
        image: columns.image.val(),
        text: columns.text.val(),
        captions: captions.to_vec(),
        pointer,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failed_save_leaves_the_state_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::new(folder.path().join("state"));
        assert!(states.newest::<u64>().unwrap().is_none());
        let write = |value: &'static str| {
            move |folder: &Path| {
                fs::write(folder.join("x"), value)
                    .map_err(|e| EngineError::at(folder)(e.to_string()))
            }
        };
        states.save("step-1", &1u64, write("one")).unwrap();
        let broken = states.save("step-2", &2u64, |folder| {
            fs::write(folder.join("x"), "half").unwrap();
            Err(EngineError::at(folder)("disk full".to_string()))
        });
        assert!(broken.is_err());
        let (at, counters) = states.newest::<u64>().unwrap().unwrap();
        assert_eq!(
            (counters, fs::read_to_string(at.join("x")).unwrap()),
            (1, "one".to_string())
        );
        states.save("step-3", &3u64, write("three")).unwrap();
        let (at, counters) = states.newest::<u64>().unwrap().unwrap();
        assert_eq!(
            (counters, fs::read_to_string(at.join("x")).unwrap()),
            (3, "three".to_string())
        );
        let folders = fs::read_dir(folder.path().join("state"))
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().is_dir());
        assert_eq!(folders.count(), 1, "what is older is removed");
    }
}
