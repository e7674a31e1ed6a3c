//! One entry a parser: takes any bytes, must not panic, and checks what holds for every result.
//!
//! The fuzz targets run these on bytes that a fuzzer finds, the tests of `miss-data` on the files of `corpus/`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use miss_data::archive::{self, Kind};
use miss_data::image::{DicomFrame, DicomOptions, DicomWindow, WindowShape};
use miss_data::image::{decode_dicom, decode_rgb_bytes};
use miss_data::import::{Mapping, import};
use miss_data::jsonl::{
    FIGURES_FILE, parse_figures, parse_questions, read_figures, read_questions,
};
use miss_data::manifest::FileEntry;
use miss_data::medicat::{self, CaptionChoice, Options, Subset};
use miss_data::record::Part;
use miss_data::shard::{self, Set, Shard, ShardIndex};
use miss_data::{Figure, Manifest, Question, Read, ReadError, rocov2, rsna, slake, vqa_rad};

/// An entry: what it is called, as target, corpus and function, and what it does.
pub type Entry = (&'static str, fn(&[u8]));

/// All entries, by name.
pub const ALL: &[Entry] = &[
    ("archive_tar", archive_tar),
    ("archive_tar_gz", archive_tar_gz),
    ("archive_zip", archive_zip),
    ("dicom", dicom),
    ("figures_jsonl", figures_jsonl),
    ("image", image),
    ("import_csv", import_csv),
    ("import_json", import_json),
    ("manifest", manifest),
    ("medicat", medicat),
    ("medicat_subfigures", medicat_subfigures),
    ("mevf", mevf),
    ("questions_jsonl", questions_jsonl),
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

/// A tar file of a dataset.
pub fn archive_tar(bytes: &[u8]) {
    extract(bytes, Kind::Tar);
}

/// A gzipped tar file of a dataset.
pub fn archive_tar_gz(bytes: &[u8]) {
    extract(bytes, Kind::TarGz);
}

/// A zip file of a dataset.
pub fn archive_zip(bytes: &[u8]) {
    extract(bytes, Kind::Zip);
}

/// Whatever the archive holds, nothing but the wanted file appears, with the wanted content or not at all, and
/// nothing outside the folder.
fn extract(bytes: &[u8], kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let archive = folder.path().join("archive");
    fs::write(&archive, bytes).expect("room for the archive");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    let entry = FileEntry::of("a/b.txt", b"hello");
    let wanted = BTreeMap::from([("a/b.txt".to_owned(), &entry)]);
    let extracted = archive::extract(&archive, kind, &wanted, &root);
    let file = root.join("a/b.txt");
    if extracted.is_ok_and(|extracted| extracted.problems.is_empty()) {
        assert!(file.is_file(), "said to be there");
    }
    if file.exists() {
        assert_eq!(fs::read(&file).expect("it exists"), b"hello");
    }
    assert!(
        names(&root).iter().all(|name| name == "a"),
        "{:?}",
        names(&root)
    );
    assert_eq!(names(folder.path()), ["archive", "root"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder exists");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    names
}

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

/// Our own lines of JSON with figures.
pub fn figures_jsonl(bytes: &[u8]) {
    figures(parse_figures(bytes, Path::new("fuzz"), "own"));
}

/// An image file of any kind.
pub fn image(bytes: &[u8]) {
    if let Ok(image) = decode_rgb_bytes(bytes, Path::new("fuzz")) {
        assert!(image.width() > 0 && image.height() > 0);
    }
}

/// A table of somebody's own.
pub fn import_csv(bytes: &[u8]) {
    import_named("source.csv", bytes);
}

/// JSON of somebody's own.
pub fn import_json(bytes: &[u8]) {
    import_named("source.json", bytes);
}

/// What was imported can be read, all of it.
fn import_named(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let source = folder.path().join(name);
    fs::write(&source, bytes).expect("room for the source");
    let out = folder.path().join("out");
    let Ok(imported) = import(&source, &Mapping::default(), &out) else {
        assert!(
            !out.exists(),
            "nothing is written of what cannot be imported"
        );
        return;
    };
    let (records, dropped) = if imported.file.ends_with(FIGURES_FILE) {
        let read = read_figures(&out);
        let dropped = read.as_ref().map_or(1, Read::dropped);
        (figures(read).map_or(0, |records| records.len()), dropped)
    } else {
        let read = read_questions(&out);
        let dropped = read.as_ref().map_or(1, Read::dropped);
        (questions(read).map_or(0, |records| records.len()), dropped)
    };
    assert_eq!((records, dropped), (imported.records, 0));
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
    assert!(
        few.is_none_or(|few| few.len() <= 2),
        "more than were to be drawn"
    );
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

/// Our own lines of JSON with questions.
pub fn questions_jsonl(bytes: &[u8]) {
    questions(parse_questions(bytes, Path::new("fuzz"), "own"));
}

/// Both tables of ROCOv2.
pub fn rocov2(bytes: &[u8]) {
    figures(rocov2::parse_captions(
        bytes,
        Path::new("fuzz"),
        Part::Train,
    ));
    if let Ok(read) = rocov2::parse_concepts(bytes, Path::new("fuzz"), Part::Test) {
        unique(read.records.iter().map(|concepts| &concepts.id));
        assert!(
            read.records
                .iter()
                .all(|concepts| !concepts.cuis.is_empty())
        );
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

fn questions(read: Result<Read<Question>, ReadError>) -> Option<Vec<Question>> {
    let records = read.ok()?.records;
    unique(records.iter().map(|question| &question.id));
    for question in &records {
        below(&question.image);
        assert!(!question.question.is_empty());
    }
    Some(records)
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
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    assert!(path.split('/').all(plain), "{path:?}");
}
