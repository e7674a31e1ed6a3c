//! A recipe, from TOML to the structs of the engine, in two steps: [`written`] → [`resolved`].

mod knobs;
mod resolved;
#[cfg(test)]
mod tests;
mod written;

use std::path::{Path, PathBuf};

pub use resolved::Resolved;
pub use written::{Written, WrittenError};

/// Why there is no recipe to run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Written(#[from] WrittenError),
    /// One line for every problem, in the order of the file.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

/// Reads the recipe in `path` with the `--set` arguments laid over it.
pub fn load(path: &Path, set: &[String]) -> Result<Resolved, ConfigError> {
    Resolved::new(&Written::read(path, set)?).map_err(ConfigError::Invalid)
}

/// Where the checkout lies: the home of the default recipe and of the default output folder.
pub fn workspace() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}
