//! Compares every file with the manifest, what a reader finds in them with the manifest's counts, and decodes every image:
//! a broken one is better known now than when its turn comes.

use std::collections::BTreeSet;

use miss_data::{image, vqa_rad};
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
    let questions = rows::questions(root)?;
    let names: BTreeSet<&str> = questions.iter().map(|row| &*row.image).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let images = names.len();
    for (what, found, promised) in [
        ("questions", questions.len(), manifest.counts.questions),
        ("images", images, manifest.counts.images),
    ] {
        if found != promised {
            let message = format!(
                "{} has {found} {what}, but its manifest {} promises {promised}; use the manifest of this data",
                root.display(),
                run.config.data.manifest.display()
            );
            return Err(Failure::new(Exit::Data, message));
        }
    }
    let broken = image::broken(&root.join(vqa_rad::IMAGES_DIR), &names);
    if !broken.is_empty() {
        let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
        return Err(Failure::new(Exit::Data, told.join("\n")));
    }
    tracing::info!(
        "          {}: {} questions, {images} images, {}, licence {}",
        manifest.title,
        questions.len(),
        units::bytes(verified.bytes),
        manifest.licence
    );
    let proof = json!({
        "manifest": manifest.hash(),
        "files": verified.files,
        "bytes": verified.bytes,
        "questions": questions.len(),
        "images": images,
    });
    write_json(&run.folder(Stage::Verify).join("verified.json"), &proof)
}
