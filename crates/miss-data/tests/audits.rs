//! Audits of small made-up sets, where it is known what leaks.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use image::RgbImage;
use miss_data::audit::{Images, PairKind, audit, audit_between, audit_figures};
use miss_data::image_hash::{Fingerprint, Index, MAX_DISTANCE, NEAR_CORRELATION};
use miss_data::{AnswerType, Audit, Language, Part, Question, mix};
use proptest::prelude::*;

fn row(id: &str, image: &str) -> Question {
    Question {
        id: id.into(),
        image: image.into(),
        question: format!("Question {id}?"),
        answer: format!("answer {id}"),
        answer_type: AnswerType::Open,
        question_types: Vec::new(),
        organ: None,
        modality: None,
        language: Language::En,
        part: Some(Part::Train),
        linked_id: None,
    }
}

/// A picture of blurred spots, another one for each seed.
fn picture(seed: u64, width: u32, height: u32) -> RgbImage {
    let spot = |number: u64| {
        let part = |place| (mix(&[seed, number, place]) % 1000) as f64 / 1000.0;
        (
            part(0),
            part(1),
            0.02 + 0.1 * part(2),
            60.0 + 120.0 * part(3),
        )
    };
    let spots: Vec<_> = (0..40).map(spot).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (
            f64::from(x) / f64::from(width),
            f64::from(y) / f64::from(height),
        );
        let light: f64 = spots
            .iter()
            .map(|(left, top, size, light)| {
                let away = ((x - left).powi(2) + (y - top).powi(2)) / size.powi(2);
                light * (-away).exp()
            })
            .sum();
        image::Rgb([light.min(255.0) as u8; 3])
    })
}

fn kinds(audit: &Audit) -> Vec<PairKind> {
    audit.pairs.iter().map(|pair| pair.kind).collect()
}

#[test]
fn a_picture_in_another_file_is_seen_and_a_blank_one_is_like_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, image: &RgbImage| image.save(folder.path().join(name)).unwrap();
    save("a.png", &picture(1, 300, 240));
    save("a-small.jpg", &picture(1, 150, 120));
    save("b.png", &picture(2, 300, 240));
    save("black.png", &RgbImage::new(64, 64));
    save("black-too.png", &RgbImage::new(65, 64));
    std::fs::copy(
        folder.path().join("b.png"),
        folder.path().join("b-copy.png"),
    )
    .unwrap();
    std::fs::write(folder.path().join("broken.png"), b"no image").unwrap();
    let names = [
        "a.png",
        "a-small.jpg",
        "b.png",
        "b-copy.png",
        "black.png",
        "black-too.png",
        "broken.png",
        "missing.png",
    ];
    let images = Images::load(folder.path(), names);
    assert_eq!((images.fingerprints.len(), images.unread.len()), (6, 2));
    // Of what is no image at least the bytes are known.
    assert_eq!(images.sha256.len(), 7);

    let train = [row("0", "a.png"), row("1", "b.png"), row("2", "black.png")];
    let train: Vec<&Question> = train.iter().collect();
    let found = |image: &str| audit(&train, &[&row("9", image)], &images);
    let near = found("a-small.jpg");
    assert_eq!(kinds(&near), [PairKind::NearIdenticalImage]);
    assert_eq!(
        (
            near.near_identical_images,
            near.test_questions_on_train_images
        ),
        (1, 1)
    );
    assert!(near.leaks() && near.pairs[0].correlation.unwrap() >= NEAR_CORRELATION);
    assert_eq!(near.unread_images, 2);
    let table = near.to_string();
    for part in [
        "same picture: a-small.jpg and a.png",
        "LEAKS",
        "could not be read",
    ] {
        assert!(table.contains(part), "{table}");
    }
    // Bytes go before pictures.
    let copied = found("b-copy.png");
    assert_eq!(kinds(&copied), [PairKind::ImageBytes]);
    assert_eq!(copied.near_identical_images, 0);
    for other in ["black-too.png", "broken.png", "missing.png"] {
        let found = found(other);
        assert!(!found.leaks() && found.pairs.is_empty(), "{found}");
        let told = found.to_string();
        assert!(
            told.contains("no leak found among the images that could be read"),
            "{told}"
        );
    }
    // As JSON it comes back whole.
    let text = serde_json::to_string(&near).unwrap();
    assert_eq!(serde_json::from_str::<Audit>(&text).unwrap(), near);
    assert!(text.contains("near-identical-image"), "{text}");
}

#[test]
fn names_are_the_same_image_in_one_folder_only() {
    let hashes = |hash: &str| BTreeMap::from([("1.jpg".to_owned(), hash.to_owned())]);
    let here = Images::of_hashes(Path::new("here"), hashes("aa"));
    let there = Images::of_hashes(Path::new("there"), hashes("bb"));
    let copy = Images::of_hashes(Path::new("copy"), hashes("aa"));
    let (train, test) = (row("0", "1.jpg"), row("0", "1.jpg"));
    let found = |images| audit_between(&[&train], &here, &[&test], images);
    assert_eq!(
        kinds(&found(&here)),
        [PairKind::ImageName, PairKind::Triple]
    );
    assert!(found(&there).pairs.is_empty() && !found(&there).leaks());
    assert_eq!(
        kinds(&found(&copy)),
        [PairKind::ImageBytes, PairKind::Triple]
    );
    let other = Question {
        answer: "another".into(),
        ..test.clone()
    };
    let found_other = audit_between(&[&train], &here, &[&other], &copy);
    assert_eq!(kinds(&found_other), [PairKind::ImageBytes]);

    let seen = [("f/7", "1.jpg"), ("f/8", "1.jpg")];
    let found = |images| audit_figures(seen, &here, &[&test], images);
    assert_eq!((found(&here).figures, found(&here).figure_images), (2, 1));
    assert_eq!(found(&here).shared_images, 1);
    assert_eq!(found(&copy).shared_image_bytes, 1);
    assert!(!found(&there).leaks());
    assert_eq!(found(&copy).pairs[0].train, "f/7");
    assert!(
        found(&copy)
            .to_string()
            .contains("test images also in pretraining")
    );
}

/// A folder is one folder however it is written; another copy of it is another.
#[cfg(unix)]
#[test]
fn a_folder_is_the_same_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&here, &link).unwrap();
    let [here, link] = [here, link].map(|path| Images::of_hashes(&path, BTreeMap::new()));
    let (train, test) = (row("0", "1.jpg"), row("1", "1.jpg"));
    let found = audit_between(&[&train], &here, &[&test], &link);
    assert_eq!(kinds(&found), [PairKind::ImageName]);
}

#[test]
fn languages_are_crossed_where_training_asks_in_another_one() {
    let zh = |id: &str, image: &str| Question {
        language: Language::Zh,
        ..row(id, image)
    };
    let train = [row("0", "a"), zh("1", "b"), row("2", "c"), zh("3", "c")];
    let test = [row("4", "a"), row("5", "b"), zh("6", "c"), row("7", "d")];
    let (train, test): (Vec<&Question>, Vec<&Question>) =
        (train.iter().collect(), test.iter().collect());
    let found = audit(&train, &test, &Images::default());
    assert_eq!((found.shared_images, found.shared_across_languages), (3, 2));
}

#[test]
fn pairs_name_the_first_of_each_and_the_table_shows_a_few() {
    let linked = |id: String| Question {
        linked_id: Some("one".into()),
        ..row(&id, &format!("{id}.jpg"))
    };
    let train: Vec<Question> = (0..3).map(|id| linked(format!("train/{id}"))).collect();
    let test: Vec<Question> = (0..9).map(|id| linked(format!("test/{id}"))).collect();
    let (train, test): (Vec<&Question>, Vec<&Question>) =
        (train.iter().collect(), test.iter().collect());
    let found = audit(&train, &test, &Images::default());
    assert_eq!((found.shared_linked_ids, found.pairs.len()), (1, 9));
    assert!(found.pairs.iter().all(|pair| pair.train == "train/0"));
    let table = found.to_string();
    assert!(table.contains("rephrased: test/4 and train/0"), "{table}");
    assert!(
        table.contains("and 4 more") && !table.contains("test/5"),
        "{table}"
    );
}

/// Counts of two small sets by comparing each with each.
fn expected(train: &[Question], test: &[Question]) -> [usize; 6] {
    let count = |wanted: &dyn Fn(&Question, &Question) -> bool| {
        let has = |row: &&Question| train.iter().any(|other| wanted(other, row));
        test.iter().filter(has).count()
    };
    let lower = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    let texts = |a: &Question, b: &Question| lower(&a.question, &b.question);
    [
        count(&|a, b| a.image == b.image),
        count(&|a, b| a.image == b.image && texts(a, b) && lower(&a.answer, &b.answer)),
        count(&|a, b| texts(a, b)),
        test.len() - count(&|a, b| lower(&a.answer, &b.answer)),
        count(&|a, b| a.linked_id.is_some() && a.linked_id == b.linked_id),
        count(&|a, b| a.image == b.image && a.language != b.language),
    ]
}

fn some_rows() -> impl Strategy<Value = Vec<Question>> {
    let fields = (
        0..12_u8,
        0..4_u8,
        0..5_u8,
        0..30_u8,
        any::<bool>(),
        any::<bool>(),
    );
    let question = fields.prop_map(|(image, text, answer, link, zh, loud)| Question {
        question: if loud {
            format!("WHAT {text}")
        } else {
            format!("what {text}")
        },
        answer: format!("answer {answer}"),
        language: if zh { Language::Zh } else { Language::En },
        linked_id: (link < 10).then(|| link.to_string()),
        ..row("", &format!("{image}.jpg"))
    });
    prop::collection::vec(question, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_equal_those_of_brute_force(train in some_rows(), test in some_rows()) {
        let of = |rows: &[Question], side: &str| -> Vec<Question> {
            let numbered = rows.iter().enumerate();
            numbered.map(|(n, row)| Question { id: format!("{side}/{n}"), ..row.clone() }).collect()
        };
        let (train, test) = (of(&train, "train"), of(&test, "test"));
        let (a, b): (Vec<&Question>, Vec<&Question>) = (train.iter().collect(), test.iter().collect());
        let found = audit(&a, &b, &Images::default());
        let [on_images, triples, texts, unseen, linked, crossing] = expected(&train, &test);
        prop_assert_eq!(found.test_questions_on_train_images, on_images);
        prop_assert_eq!(found.duplicate_triples, triples);
        prop_assert_eq!(found.repeated_question_text, texts);
        prop_assert_eq!(found.test_answers_unseen, unseen);
        let pairs = |kind| found.pairs.iter().filter(|pair| pair.kind == kind).count();
        prop_assert_eq!(pairs(PairKind::LinkedId), linked);
        prop_assert_eq!(pairs(PairKind::ImageName), found.shared_images);
        prop_assert_eq!(found.shared_across_languages > 0, crossing > 0);
        prop_assert_eq!(found.leaks(), on_images + linked > 0);
    }
}

/// Pictures changed bit by bit, so that hashes at every distance occur; found are all within reach.
#[test]
fn the_index_finds_what_comparing_all_finds() {
    let mut image = picture(7, 64, 64);
    let prints: Vec<Fingerprint> = (0..400_u64)
        .map(|step| {
            let at = (mix(&[step]) % 48) as u32;
            let dark = (mix(&[step, 1]) % 200) as u8;
            for (x, y) in (0..16).flat_map(|x| (0..16).map(move |y| (x, y))) {
                image.put_pixel(at + x, (at * 7) % 48 + y, image::Rgb([dark; 3]));
            }
            Fingerprint::of(&image)
        })
        .collect();
    let index = Index::new(prints.iter().collect());
    let (mut some, mut edge) = (0, 0);
    for print in &prints {
        let away = |other: &Fingerprint| (other.hash() ^ print.hash()).count_ones();
        let within: Vec<usize> = (0..prints.len())
            .filter(|&other| away(&prints[other]) <= MAX_DISTANCE)
            .collect();
        some += within.len();
        edge += prints
            .iter()
            .filter(|other| away(other) + 1 >= MAX_DISTANCE && away(other) <= MAX_DISTANCE)
            .count();
        assert_eq!(index.within_reach(print.hash()), within);
    }
    assert!(
        some > 1_000 && edge > 50,
        "{some} within reach, {edge} just so"
    );
    // Hashes that differ in two or three bits of each band: eight bits apart and twelve.
    let print = &prints[0];
    let flipped = |bits: u64| print.hash() ^ (0..4).fold(0, |all, band| all | bits << (16 * band));
    assert!(index.within_reach(flipped(0b11)).contains(&0));
    assert!(!index.within_reach(flipped(0b111)).contains(&0));
    assert!(index.within_reach(flipped(0b111) ^ 1).contains(&0));
    assert!(Index::new(Vec::new()).nearest(print).is_none());
}
