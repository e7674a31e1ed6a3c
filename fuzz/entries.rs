//! One entry a parser: takes any bytes, must not panic, and checks what holds for every result.
//!
//! The fuzz targets run these on bytes that a fuzzer finds, the tests of `miss-data` on the files of `corpus/`.

use std::collections::HashSet;
use std::path::Path;

use miss_data::image::{DicomFrame, DicomOptions, DicomWindow, WindowShape};
use miss_data::image::{decode_dicom, decode_rgb_bytes};
use miss_data::medicat::{self, CaptionChoice, Options, Subset};
use miss_data::record::Part;
use miss_data::shard::{self, Set, Shard, ShardIndex};
use miss_data::{Figure, Manifest, Question, Read, ReadError, rocov2, rsna, slake, vqa_rad};

/// An entry: what it is called, as target, corpus and function, and what it does.
pub type Entry = (&'static str, fn(&[u8]));

/// All entries, by name.
pub const ALL: &[Entry] = &[
    ("dicom", dicom),
    ("image", image),
    ("manifest", manifest),
    ("medicat", medicat),
    ("medicat_subfigures", medicat_subfigures),
    ("mevf", mevf),
    ("rocov2", rocov2),
    ("rsna_classes", rsna_classes),
    ("rsna_labels", rsna_labels),
    ("shard_index", shard_index),
    ("shard_set", shard_set),
    ("shard_tar", shard_tar),
    ("slake", slake),
    ("slake_boxes", slake_boxes),
    ("slake_knowledge", slake_knowledge),
    ("slake_masks", slake_masks),
    ("vqa_rad", vqa_rad),
];

/// A DICOM file, as it is and with another frame and window.
pub fn dicom(bytes: &[u8]) {
    let window = DicomWindow {
        centre: 40.0,
        width: 0.5,
        shape: WindowShape::Sigmoid,
    };
    let other = DicomOptions {
        frame: DicomFrame::Index(1),
        window: Some(window),
    };
    for options in [DicomOptions::default(), other] {
        let _ = decode_dicom(bytes, Path::new("fuzz"), &options);
    }
}

/// An image file of any kind.
pub fn image(bytes: &[u8]) {
    if let Ok(image) = decode_rgb_bytes(bytes, Path::new("fuzz")) {
        assert!(image.width() > 0 && image.height() > 0);
    }
}

/// A dataset's manifest.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(manifest) = Manifest::parse(text, Path::new("fuzz")) {
        manifest.files.iter().for_each(|file| below(&file.path));
    }
}

/// Lines of MedICaT, with all options.
pub fn medicat(bytes: &[u8]) {
    let all = Options {
        radiology_only: false,
        ..Options::default()
    };
    let few = Options {
        caption: CaptionChoice::S2orcFirst,
        references: true,
        strip_label: true,
        licences: Some(vec!["cc-by".into()]),
        subset: Some(Subset { size: 2, seed: 1 }),
        ..Options::default()
    };
    figures(medicat::parse(bytes, Path::new("fuzz"), &all));
    let few = figures(medicat::parse(bytes, Path::new("fuzz"), &few));
    assert!(few.is_none_or(|few| few.len() <= 2), "more than were to be drawn");
}

/// Parts of MedICaT's compound figures.
pub fn medicat_subfigures(bytes: &[u8]) {
    let Ok(read) = medicat::parse_subfigures(bytes, Path::new("fuzz")) else {
        return;
    };
    unique(read.records.iter().map(|figure| &figure.id));
    for figure in &read.records {
        below(&figure.image);
        assert!(!figure.parts.is_empty());
        for part in &figure.parts {
            let [left, top, right, bottom] = part.bounds();
            assert!(left <= right && top <= bottom);
            assert!(part.tokens.iter().all(|&token| token < figure.tokens.len()));
        }
    }
}

/// A file of VQA-RAD as MEVF has it.
pub fn mevf(bytes: &[u8]) {
    questions(vqa_rad::parse_mevf(bytes, Path::new("fuzz"), Part::Train));
}

/// Both tables of ROCOv2.
pub fn rocov2(bytes: &[u8]) {
    figures(rocov2::parse_captions(bytes, Path::new("fuzz"), Part::Train));
    if let Ok(read) = rocov2::parse_concepts(bytes, Path::new("fuzz"), Part::Test) {
        unique(read.records.iter().map(|concepts| &concepts.id));
        assert!(read.records.iter().all(|concepts| !concepts.cuis.is_empty()));
    }
}

/// RSNA's table of classes.
pub fn rsna_classes(bytes: &[u8]) {
    if let Ok(read) = rsna::parse_classes(bytes, Path::new("fuzz")) {
        unique(read.records.iter().map(|row| &row.patient));
        read.records.iter().for_each(|row| below(&row.patient));
    }
}

/// RSNA's table of boxes.
pub fn rsna_labels(bytes: &[u8]) {
    let Ok(read) = rsna::parse_labels(bytes, Path::new("fuzz")) else {
        return;
    };
    unique(read.records.iter().map(|row| &row.patient));
    for row in &read.records {
        below(&row.patient);
        for found in &row.boxes {
            assert!(found.x >= 0.0 && found.y >= 0.0);
            assert!(found.x + found.width <= rsna::SIDE && found.y + found.height <= rsna::SIDE);
        }
    }
}

/// The index of one shard.
pub fn shard_index(bytes: &[u8]) {
    for samples in 0..3 {
        let shard = Shard {
            file: "a-0.tar".into(),
            samples,
            bytes: 1 << 14,
            sha256: "0".repeat(64),
            index_bytes: bytes.len() as u64,
            index_sha256: "0".repeat(64),
        };
        let _ = ShardIndex::parse(bytes, &shard, "fuzz");
    }
}

/// The index of a set of shards.
pub fn shard_set(bytes: &[u8]) {
    if let Ok(set) = Set::parse(bytes, "fuzz") {
        set.shards.iter().for_each(|shard| below(&shard.file));
    }
}

/// A tar file of samples.
pub fn shard_tar(bytes: &[u8]) {
    let _ = shard::index_tar(bytes, "a-0.tar");
}

/// A file of SLAKE.
pub fn slake(bytes: &[u8]) {
    questions(slake::parse(bytes, Path::new("fuzz"), Part::Validation));
    let _ = slake::parse_entries(bytes, Path::new("fuzz"));
}

/// An image's boxes in SLAKE.
pub fn slake_boxes(bytes: &[u8]) {
    let _ = slake::parse_boxes(bytes, Path::new("fuzz"));
}

/// SLAKE's knowledge.
pub fn slake_knowledge(bytes: &[u8]) {
    let _ = slake::parse_knowledge(bytes, Path::new("fuzz"));
}

/// The names of SLAKE's mask colours.
pub fn slake_masks(bytes: &[u8]) {
    let _ = slake::parse_mask_labels(bytes, Path::new("fuzz"));
}

/// The official file of VQA-RAD.
pub fn vqa_rad(bytes: &[u8]) {
    questions(vqa_rad::parse(bytes, Path::new("fuzz")));
    let _ = vqa_rad::parse_entries(bytes, Path::new("fuzz"));
}

fn questions(read: Result<Read<Question>, ReadError>) {
    let Ok(read) = read else {
        return;
    };
    unique(read.records.iter().map(|question| &question.id));
    for question in &read.records {
        below(&question.image);
        assert!(!question.question.is_empty());
    }
}

fn figures(read: Result<Read<Figure>, ReadError>) -> Option<Vec<Figure>> {
    let records = read.ok()?.records;
    unique(records.iter().map(|figure| &figure.id));
    for figure in &records {
        below(&figure.image);
        assert!(figure.captions.iter().all(|caption| !caption.is_empty()));
        assert!(!figure.captions.is_empty());
    }
    Some(records)
}

fn unique<'a>(ids: impl Iterator<Item = &'a String>) {
    let mut seen = HashSet::new();
    ids.for_each(|id| assert!(seen.insert(id), "{id:?} twice"));
}

/// A path that a record names must not lead out of its folder, on any system.
fn below(path: &str) {
    assert!(!path.contains(['\\', ':', '\0']), "{path:?}");
    let plain = |part: &str| !part.is_empty() && part != "..";
    assert!(path.split('/').all(plain), "{path:?}");
}
