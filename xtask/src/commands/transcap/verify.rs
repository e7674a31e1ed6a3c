//! `cargo xtask transcap verify`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use miss_transcap::read_captions;

use crate::exit::Exit;
use crate::failure::Failure;

/// Captions told in full; the rest are counted.
const TOLD: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file of captions
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let sets = read_captions(&arguments.file).map_err(Failure::data)?;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut captions, mut refused) = (0_usize, 0_usize);
    // Images of which the same is known share their captions: each is looked at once.
    let mut seen = std::collections::HashMap::new();
    for set in &sets {
        captions += set.captions.texts().count();
        let found = seen
            .entry((&set.attributes, set.captions.texts().collect::<Vec<_>>()))
            .or_insert_with(|| set.unfaithful());
        for (caption, why) in found.iter() {
            refused += 1;
            if refused <= TOLD {
                let why: Vec<String> = why.iter().map(ToString::to_string).collect();
                println!("{}: {caption:?}: {}", set.image, why.join("; "));
            }
            for reason in why {
                *reasons.entry(reason.kind().to_owned()).or_default() += 1;
            }
        }
    }
    if refused > TOLD {
        println!("… and {} more", refused - TOLD);
    }
    println!(
        "{captions} captions of {} images: {refused} say less or more than their attributes",
        sets.len()
    );
    for (reason, count) in &reasons {
        println!("  {count:>8}  {reason}");
    }
    if refused > 0 {
        let message = format!(
            "{refused} captions of {} are not what their attributes say; make them again, or take them out",
            arguments.file.display()
        );
        return Err(Failure::new(Exit::Data, message));
    }
    Ok(Exit::Ok)
}
