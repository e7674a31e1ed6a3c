//! Where the data of a test lies.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Write as _;
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
    let Some(folder) = std::env::var_os("MISS_PARITY_DIR").map(PathBuf::from) else {
        return present(workspace().join("../shared/parity").join(name));
    };
    assert!(
        folder.is_dir(),
        "MISS_PARITY_DIR is {}, which is no folder",
        folder.display()
    );
    present(folder.join(name))
}

pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Says that nothing was tested, to the handle, which the test runner does not capture.
fn skip(path: &Path) {
    let _ = writeln!(std::io::stderr(), "skipped: {} not found", path.display());
}

fn present(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    skip(&path);
    None
}
