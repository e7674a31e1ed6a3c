//! The tokenizer against ids and strings computed by another implementation.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use miss_data::text::{
    DEC, ENC, MAX_TEXT_BYTES, PAD, Padded, Tokenizer, TokenizerError, VOCABULARY,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Encode {
    max_length: Option<usize>,
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Decode {
    ids: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Batch {
    texts: Vec<String>,
    max_length: Option<usize>,
    ids: Vec<Vec<u32>>,
    mask: Vec<Vec<u8>>,
}

/// The rows of a fixture, or none where there is no fixture.
fn rows<Row: DeserializeOwned>(file: &str) -> Vec<Row> {
    let Some(folder) = common::parity("tokenizer") else {
        return Vec::new();
    };
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!rows.is_empty(), "{file} has no rows");
    rows
}

#[test]
fn every_text_encodes_and_decodes_as_in_the_fixture() {
    let tokenizer = Tokenizer::new().unwrap();
    for row in rows::<Encode>("encode.jsonl") {
        assert_eq!(
            tokenizer.encode(&row.text, row.max_length).unwrap(),
            row.ids,
            "{:?}",
            row.text
        );
        assert_eq!(tokenizer.decode(&row.ids), row.decoded, "{:?}", row.text);
    }
}

#[test]
fn every_generated_row_decodes_as_in_the_fixture() {
    let tokenizer = Tokenizer::new().unwrap();
    for row in rows::<Decode>("decode.jsonl") {
        assert_eq!(tokenizer.decode(&row.ids), row.decoded, "{:?}", row.ids);
    }
}

#[test]
fn every_batch_is_padded_as_in_the_fixture() {
    let tokenizer = Tokenizer::new().unwrap();
    for batch in rows::<Batch>("batch.jsonl") {
        let rows = tokenizer.encode_all(&batch.texts, batch.max_length);
        let padded = Padded::longest(&rows.unwrap());
        assert_eq!(padded.width, batch.ids[0].len());
        assert_eq!(padded.ids, batch.ids.concat());
        let expected: Vec<bool> = batch
            .mask
            .concat()
            .into_iter()
            .map(|bit| bit == 1)
            .collect();
        assert_eq!(padded.mask, expected);
    }
}

#[test]
fn hostile_texts_and_ids_are_no_trouble() {
    let tokenizer = Tokenizer::new().unwrap();
    assert_eq!(tokenizer.encode("", None).unwrap(), [101, 102]);
    assert_eq!(tokenizer.encode("heart", Some(2)).unwrap(), [101, 102]);
    assert!(matches!(
        tokenizer.encode("heart", Some(1)),
        Err(TokenizerError::MaxLength { max_length: 1 })
    ));
    let long = "a".repeat(101);
    assert_eq!(tokenizer.encode(&long, None).unwrap(), [101, 100, 102]);
    for text in [
        "\0\u{fffd}\u{202e}",
        "\u{1f600}".repeat(500).as_str(),
        "##heart [PAD][DEC][ENC]",
    ] {
        let ids = tokenizer.encode(text, Some(35)).unwrap();
        assert!(
            ids.len() <= 35 && ids.iter().all(|&id| (id as usize) < VOCABULARY),
            "{text:?}"
        );
    }
    assert_eq!(tokenizer.decode(&[]), "");
    assert_eq!(
        tokenizer.decode(&[DEC, ENC, PAD, u32::MAX, VOCABULARY as u32]),
        ""
    );
}

/// The longest text allowed is tokenised, whatever it is made of, and one byte more is refused
/// at once: ten megabytes would take a minute.
#[test]
fn a_text_without_end_is_refused() {
    let tokenizer = Tokenizer::new().unwrap();
    for unit in [".", "zqxjk", "\u{4e2d}", "[SEP]", "e\u{301}", "\0"] {
        let text = unit.repeat(MAX_TEXT_BYTES / unit.len());
        assert!(tokenizer.encode(&text, Some(35)).unwrap().len() <= 35);
    }
    let endless = "\u{e9}".repeat(5 << 20);
    let error = tokenizer.encode(&endless, Some(35)).unwrap_err();
    assert!(
        error.to_string().starts_with("a text of 10485760 bytes"),
        "{error}"
    );
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn of_many_texts_the_first_fault_is_told() {
    let tokenizer = Tokenizer::new().unwrap();
    let mut texts = vec!["heart".to_owned(); 200];
    texts[50] = "a".repeat(MAX_TEXT_BYTES + 1);
    texts[150] = "b".repeat(MAX_TEXT_BYTES + 1);
    for _ in 0..20 {
        let error = tokenizer.encode_all(&texts, None).unwrap_err();
        assert!(matches!(error, TokenizerError::TooLong { start, .. } if start.starts_with('a')));
    }
}

/// The hash under which others pin this file of the hub's `google-bert/bert-base-uncased`.
#[test]
fn the_vocabulary_is_the_published_one() {
    let path = common::workspace().join("crates/miss-data/assets/bert-base-uncased-vocab.txt");
    assert_eq!(
        miss_data::file::sha256_file(&path).unwrap(),
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    );
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), DEC as usize);
    assert_eq!((DEC, ENC, VOCABULARY), (30522, 30523, 30524));
}

#[test]
fn padding_nothing_gives_nothing() {
    let none = Padded::longest(&[]);
    assert_eq!((none.width, none.ids.len(), none.mask.len()), (0, 0, 0));
    let ragged = Padded::longest(&[vec![], vec![7, 8]]);
    assert_eq!(ragged.ids, [PAD, PAD, 7, 8]);
    assert_eq!(ragged.mask, [false, false, true, true]);
}
