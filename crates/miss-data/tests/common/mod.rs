//! Where the data of a test lies.

#![allow(
    dead_code,
    clippy::print_stderr,
    reason = "each test file uses its part"
)]

use std::path::{Path, PathBuf};

/// The copy of VQA-RAD in the repository.
pub fn embedded() -> PathBuf {
    workspace().join("data-manifests/embedded")
}

/// A folder of the full datasets beside the checkout, or `None`, said aloud.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    present(workspace().join("../shared/data").join(name))
}

/// A folder of parity fixtures: below `MISS_PARITY_DIR`, or beside the checkout, or `None`, said aloud.
pub fn parity(name: &str) -> Option<PathBuf> {
    let fixtures = std::env::var_os("MISS_PARITY_DIR");
    let folder = fixtures.map_or_else(|| workspace().join("../shared/parity"), PathBuf::from);
    present(folder.join(name))
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} not found", path.display());
    None
}
