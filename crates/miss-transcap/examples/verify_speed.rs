//! Captions per second that the verifier reads: `cargo run --release -p miss-transcap --example verify_speed`.

use std::time::Instant;

use miss_transcap::attributes::{
    Attributes, Convention, Finding, Location, Modality, Organ, Pathology, Side, Third,
};
use miss_transcap::{realise, verify};

const CAPTIONS: usize = 100_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = |height, side| Location {
        height: Some(height),
        side: Some(side),
    };
    let opacities = Finding {
        count: Some(2),
        locations: vec![
            place(Third::Upper, Side::Left),
            place(Third::Middle, Side::Right),
        ],
        ..Finding::new(Pathology::find("lung-opacity")?)
    };
    let attributes = Attributes {
        modality: Some(Modality::Xray),
        organ: Some(Organ::find("chest")?),
        findings: vec![opacities, Finding::new(Pathology::find("pneumonia")?)],
        sides: Some(Convention::ImageSide),
        ..Attributes::default()
    };
    attributes.check()?;
    let captions = realise(&attributes, 200, 1);
    // The vocabulary is built once, at the first caption.
    let refused = |caption: &String| !verify(&attributes, caption).is_empty();
    captions.first().map(refused);
    let start = Instant::now();
    let wrong = captions
        .iter()
        .cycle()
        .take(CAPTIONS)
        .filter(|caption| refused(caption))
        .count();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{CAPTIONS} captions ({wrong} refused) in {seconds:.2} s: {:.0} captions/s, {:.1} µs each",
        CAPTIONS as f64 / seconds,
        1e6 * seconds / CAPTIONS as f64
    );
    Ok(())
}
