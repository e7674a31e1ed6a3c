//! Captions for ten images from templates, written to `captions.jsonl` in the folder that is the argument.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use miss_transcap::{Attributes, CaptionSet, Modality, Organ, Plane, write_captions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let organs = "chest brain liver spleen abdomen pelvis neck heart stomach colon";
    let mut sets = Vec::new();
    for (index, organ) in organs.split(' ').enumerate() {
        let attributes = Attributes {
            modality: Some(Modality::Ct),
            plane: Some(Plane::Axial),
            organ: Some(Organ::find(organ)?),
            ..Attributes::default()
        };
        let set = CaptionSet::from_templates(format!("{index}.png"), attributes, 5, 7);
        println!("{}: {}", set.image, set.captions.join(" | "));
        sets.push(set);
    }
    Ok(write_captions(
        &std::path::Path::new(&folder).join("captions.jsonl"),
        &sets,
    )?)
}
