//! Noise measures, against captions judged by hand and against counts made with Python's `re` and `csv`.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use miss_transcap::noise::{
    Noise, has_arrow, has_citation, has_label, has_number, has_unit, sentences, syllables, words,
};

fn shared_data(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} not found", folder.display());
    None
}

fn judge(what: &str, mark: fn(&str) -> bool, with: &[&str], without: &[&str]) {
    for caption in with {
        assert!(mark(caption), "no {what} found in {caption:?}");
    }
    for caption in without {
        assert!(!mark(caption), "a {what} found in {caption:?}");
    }
}

#[test]
fn citations_are_told_from_other_brackets() {
    judge(
        "citation",
        has_citation,
        &[
            "Chest CT [12].",
            "As shown before [3, 5–7], the mass is large.",
            "CT of the head (Smith et al., 2010).",
            "CT (Müller and Lee, 2009; Chan 2011a) of the liver.",
            "Smith et al. described this sign.",
            "Reprinted from the atlas.",
            "Adapted with permission.",
            "Image courtesy of the department.",
            "MRI, doi:10.1000/182.",
        ],
        &[
            "CT on readmission (October 26, 2020).",
            "CT on admission (May 2020).",
            "CT [arrow] of the head.",
            "CT of 2010 patients (n = 2010).",
            "Voxels of [1000] units.",
            "Signal (T2) in the metal part, et cetera.",
            "",
            "))((][",
        ],
    );
}

#[test]
fn labels_of_figures_and_panels_are_told_from_abbreviations() {
    judge(
        "label",
        has_label,
        &[
            "Fig. 2. Axial CT.",
            "Figure 1A: chest X-ray",
            "Figs. 1 and 2 show it.",
            "See Figure S3.",
            "Brain CT (A) and MRI (B, C).",
            "Axial (a–c) and coronal (d and e) CT.",
            "Metastasis (1) and stenosis.",
            "Before treatment (A1).",
            "Panel B is coronal.",
        ],
        &[
            "Computed tomography (CT).",
            "The figure is axial.",
            "In this figure a mass is seen.",
            "A group (n = 5) of patients.",
            "CT in 2010 (120 kV).",
            "A panel of experts.",
            "A lesion (arrow).",
            "()",
        ],
    );
}

#[test]
fn arrows_and_numbers_and_units() {
    judge(
        "arrow",
        has_arrow,
        &[
            "Mass (arrow).",
            "Two Arrowheads.",
            "IVC filters (stars).",
            "Embolus (white asterisk)",
            "Flow → left.",
        ],
        &["A narrow canal.", "At the start.", "A starry sky sign."],
    );
    judge(
        "number",
        has_number,
        &[
            "2 opacities.",
            "A 5-cm stricture",
            "Grade (30%)",
            "T2 image 3 of the series",
        ],
        &[
            "Fig. 2. CT.",
            "T2-weighted MRI",
            "CT [12].",
            "Mass (1) and (2).",
            "Two opacities",
            "Panel 3",
        ],
    );
    judge(
        "unit",
        has_unit,
        &[
            "A 5-cm stricture",
            "5mm nodule",
            "A large 21 × 10.9 × 16.5 cm mass",
            "Stenosis of 30%.",
            "Stenosis of 30 %.",
            "(120 kV)",
            "a 64-year-old",
            "4 years later",
            "after 3 months,",
            "at 1.5T",
            "40 HU",
        ],
        &[
            "2 opacities",
            "cm",
            "Fig. 1 mm",
            "T2 MRI",
            "3rd ventricle",
            "2 large nodules of 1",
        ],
    );
}

#[test]
fn words_sentences_and_syllables_are_counted_as_by_hand() {
    let all = |text| words(text).collect::<Vec<&str>>();
    assert_eq!(
        all("T2-weighted MRI (axial) – of 10.9 cm, \"head\"."),
        ["T2-weighted", "MRI", "axial", "of", "10.9", "cm", "head"]
    );
    for (text, count) in [
        ("", 0),
        ("…", 0),
        ("Chest X-ray", 1),
        ("Chest X-ray.", 1),
        ("Fig. 2. A mass (arrow). It is large.", 3),
        ("It measures 1.5 cm. Smith et al. saw it!", 2),
        ("One (two.) Three?", 2),
        ("One sentence. And a rest", 2),
    ] {
        assert_eq!(sentences(text), count, "{text:?}");
    }
    // As a dictionary divides them.
    for (word, count) in [
        ("chest", 1),
        ("image", 2),
        ("lung", 1),
        ("opacity", 4),
        ("pleural", 2),
        ("middle", 2),
        ("table", 2),
        ("whole", 1),
        ("the", 1),
        ("MRI", 3),
        ("CT", 2),
        ("X-ray", 2),
        ("T2-weighted", 4),
        ("see", 1),
    ] {
        assert_eq!(syllables(word), count, "{word}");
    }
}

#[test]
fn a_small_set_has_the_measures_of_a_closed_form() {
    // 10 words, 3 sentences, syllables 1+1+1+1+1+1 and 1+2+1+1.
    let set = ["The cat sat. The cat ran.", "The middle lung (A)"];
    let noise = Noise::of(set).unwrap();
    let ease = 206.835 - 1.015 * (10.0 / 3.0) - 84.6 * (11.0 / 10.0);
    assert!((noise.reading_ease.unwrap() - ease).abs() < 1e-9);
    // the cat sat ran middle lung a; the-cat twice, cat-sat, sat-the, cat-ran, the-middle, middle-lung, lung-a.
    assert_eq!((noise.distinct_1, noise.distinct_2), (0.7, 7.0 / 8.0));
    assert_eq!(noise.type_token_ratio, 0.7);
    assert_eq!(noise.labels, 0.5);
    let length = noise.length;
    assert_eq!(
        (
            length.mean,
            length.p5,
            length.median,
            length.p95,
            length.longest
        ),
        (5.0, 4, 4, 6, 6)
    );
    assert_eq!(Noise::of([]), None);
    let empty = Noise::of([""]).unwrap();
    assert_eq!(
        (empty.reading_ease, empty.distinct_1, empty.length.longest),
        (None, 0.0, 0)
    );
}

#[test]
fn percentiles_are_of_nearest_rank() {
    let captions: Vec<String> = (1..=100).map(|length| "word ".repeat(length)).collect();
    let length = Noise::of(captions.iter().map(String::as_str))
        .unwrap()
        .length;
    assert_eq!((length.p5, length.median, length.p95), (5, 50, 95));
}

/// 500 different words and then the first 500 again: every window of 500 has 500 different ones.
#[test]
fn the_windowed_ratio_does_not_fall_with_size() {
    let text: Vec<String> = (0..1000).map(|word| format!("w{}", word % 500)).collect();
    let text = text.join(" ");
    let noise = Noise::of([text.as_str()]).unwrap();
    assert_eq!((noise.type_token_ratio, noise.distinct_1), (1.0, 0.5));
}

#[test]
fn ten_captions_of_medicat_as_judged_by_hand() {
    let Some(root) = shared_data("medicat-sample") else {
        return;
    };
    let captions: Vec<String> = std::fs::read_to_string(root.join("sample.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| row["s2_caption"].as_str().unwrap().to_owned())
        .collect();
    let noise = Noise::of(captions.iter().map(String::as_str)).unwrap();
    assert_eq!(noise.captions, 10);
    assert_eq!(
        (noise.citations, noise.labels, noise.arrows),
        (0.0, 1.0, 0.1)
    );
    // "5-cm", "1 year", "4 years", "3 months".
    assert_eq!((noise.numbers, noise.units), (0.4, 0.4));
    for (which, count) in [(0, 2), (4, 4), (6, 2), (9, 2)] {
        assert_eq!(sentences(&captions[which]), count, "{}", captions[which]);
    }
    writeln!(std::io::stderr(), "MedICaT: {noise:?}").unwrap();
}

/// Counts of a second implementation, with Python's `csv`, `str.split` and regular expressions.
#[test]
fn eight_hundred_captions_of_rocov2_as_counted_elsewhere() {
    let Some(root) = shared_data("rocov2-sample") else {
        return;
    };
    let figures = miss_data::rocov2::read(&root).unwrap().records;
    let captions = || figures.iter().map(|figure| figure.captions[0].as_str());
    let noise = Noise::of(captions()).unwrap();
    let near =
        |value: f64, other: f64| assert!((value - other).abs() < 1e-9, "{value}, not {other}");
    assert_eq!(noise.captions, 800);
    let length = noise.length;
    near(length.mean, 16_484.0 / 800.0);
    assert_eq!(
        (length.p5, length.median, length.p95, length.longest),
        (5, 16, 47, 208)
    );
    near(noise.distinct_1, 3_474.0 / 16_484.0);
    near(noise.distinct_2, 10_483.0 / 15_684.0);
    near(noise.type_token_ratio, 0.578_360_463_933_969_3);
    near(noise.citations, 5.0 / 800.0);
    near(noise.labels, 31.0 / 800.0);
    near(noise.arrows, 208.0 / 800.0);
    writeln!(std::io::stderr(), "ROCOv2: {noise:?}").unwrap();
}
