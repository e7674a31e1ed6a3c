//! Parameters in safetensors files.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn_store::{ModuleSnapshot, SafetensorsStore};

/// A weights file that could not be written or does not fit the model.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Writing failed.
    #[error("cannot write the weights to {path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the store said.
        reason: String,
    },
    /// Reading failed, or names or shapes differ.
    #[error(
        "cannot load the weights in {path}: {reason}; use the file with the model configuration it was saved with"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the store said.
        reason: String,
    },
}

/// Writes the parameters of `module` under their paths, to a new file that takes the place of
/// `path` only when it is complete.
///
/// # Errors
///
/// When the file cannot be written.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<(), WeightsError> {
    let failed = |reason: String| WeightsError::Write {
        path: path.to_path_buf(),
        reason,
    };
    let temporary = path.with_extension("safetensors.part");
    // The store writes its metadata in the order of a hash map: with one entry the same parameters
    // always give the same bytes.
    let mut store = SafetensorsStore::from_file(&temporary)
        .overwrite(true)
        .clear_metadata()
        .metadata("format", "safetensors");
    module
        .save_into(&mut store)
        .map_err(|error| failed(error.to_string()))?;
    std::fs::File::open(&temporary)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|error| failed(error.to_string()))
}

/// Fills `module` with the parameters in `path`. Every parameter must be there, with its shape, and
/// nothing else.
///
/// # Errors
///
/// When the file cannot be read or does not fit.
pub fn load<M: Module>(mut module: M, path: &Path) -> Result<M, WeightsError> {
    let failed = |reason: String| WeightsError::Read {
        path: path.to_path_buf(),
        reason,
    };
    let mut store = SafetensorsStore::from_file(path);
    let result = module
        .load_from(&mut store)
        .map_err(|error| failed(error.to_string()))?;
    if let Some(unused) = result.unused.first() {
        return Err(failed(format!(
            "{} tensors have no place in this model, {unused} the first",
            result.unused.len()
        )));
    }
    Ok(module)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn the_same_parameters_give_the_same_bytes() {
        let module = LinearConfig::new(2, 3).init(&Device::flex());
        let folder = tempfile::tempdir().unwrap();
        let bytes = |name: &str| {
            let path = folder.path().join(name);
            super::save(&module, &path).unwrap();
            std::fs::read(path).unwrap()
        };
        let first = bytes("first.safetensors");
        // A map of several entries would hide for one attempt, hardly for eight.
        for attempt in 0..8 {
            assert_eq!(bytes(&format!("{attempt}.safetensors")), first);
        }
    }
}
