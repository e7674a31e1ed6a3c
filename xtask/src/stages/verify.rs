//! Compares every file with the manifest, what a reader finds in them with the manifest's counts, and decodes every image:
//! a broken one is better known now than when its turn comes.

use std::collections::BTreeSet;

use miss_data::{count, image};
use serde_json::json;

use super::write_json;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::rows;
use crate::run::Run;
use crate::units;

pub fn run(run: &Run) -> Result<(), Failure> {
    let (manifest, root) = (&run.manifest, &run.config.data.root);
    let verified = manifest.verify(root).map_err(Failure::data)?;
    let questions = rows::questions(manifest.format, root)?;
    let counts = count::of_questions(&questions);
    for (what, promised) in &manifest.counts {
        if let Some(found) = counts.get(what).filter(|found| *found != promised) {
            let message = format!(
                "{} has {found} {what}, but its manifest {} promises {promised}; use the manifest of this data",
                root.display(),
                run.config.data.manifest.display()
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    let names: BTreeSet<&str> = questions.iter().map(|row| &*row.image).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let broken = image::broken(&run.images(), &names);
    if !broken.is_empty() {
        let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
        return Err(Failure::new(Exit::Data, told.join("\n")));
    }
    tracing::info!(
        "          {}: {} questions, {} images, {}, licence {}",
        manifest.title,
        questions.len(),
        names.len(),
        units::bytes(verified.bytes),
        manifest.licence
    );
    let proof = json!({
        "manifest": manifest.hash(),
        "files": verified.files,
        "bytes": verified.bytes,
        "counts": counts,
    });
    write_json(&run.folder(Stage::Verify).join("verified.json"), &proof)
}
