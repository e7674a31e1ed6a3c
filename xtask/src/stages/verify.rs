//! Compares every file with the manifest.

use super::write_json;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;
use crate::units;

pub fn run(run: &Run) -> Result<(), Failure> {
    let root = &run.config.data.root;
    let verified = run.manifest.verify(root).map_err(Failure::data)?;
    tracing::info!(
        "          {} {}: {} files, {}, licence {}",
        run.manifest.title,
        run.manifest.version,
        verified.files,
        units::bytes(verified.bytes),
        run.manifest.licence
    );
    write_json(&run.folder(Stage::Verify).join("verified.json"), &verified)
}
