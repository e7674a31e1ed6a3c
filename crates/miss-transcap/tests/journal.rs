//! The journal: cut anywhere, damaged anywhere, shuffled, locked, on a full disk.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use miss_transcap::journal::{Answered, Journal, JournalError, PromptName};
use miss_transcap::llm::{Answer, Key, Usage};
use miss_transcap::price::{Spent, Usd};

fn key(index: usize) -> Key {
    Key(format!("key-{index}"))
}

fn answered(index: usize, content: &str) -> Answered {
    Answered {
        key: key(index),
        request: serde_json::json!({"model": "m", "n": index}),
        prompt: PromptName {
            id: "p".into(),
            version: 1,
            sha256: "0".into(),
        },
        answer: Answer {
            content: content.into(),
            refusal: None,
            finish_reason: Some("stop".into()),
            model: None,
            usage: Usage::default(),
        },
        seconds: 0.1,
        when: 1_000 + index as u64,
        paid: spent(2),
    }
}

fn spent(amount: u64) -> Spent {
    Spent {
        input: amount,
        output: amount,
        pico_usd: Usd(amount),
    }
}

/// Keys 0 to 3 answered, 4 failed for sure, 5 failed perhaps, 6 in flight, 2 sent twice.
fn write(path: &Path) {
    let mut journal = Journal::open(path).unwrap();
    for index in [0, 1, 2, 4, 5, 6, 3] {
        journal.started(&key(index), spent(10)).unwrap();
    }
    journal.started(&key(2), spent(10)).unwrap();
    for index in 0..4 {
        journal
            .answer(answered(index, &format!("text \"{index}\"\n\u{1F600}")))
            .unwrap();
        assert!(
            journal.get(&key(index)).is_none(),
            "counted before it was synced"
        );
        journal.sync().unwrap();
        assert!(journal.get(&key(index)).is_some());
    }
    journal.failed(&key(4), "status 500", false).unwrap();
    journal.failed(&key(5), "reset", true).unwrap();
    journal.sync().unwrap();
}

/// Everything that a journal tells.
fn told(journal: &Journal) -> String {
    let each: Vec<_> = (0..8)
        .map(|index| (journal.get(&key(index)), journal.failure(&key(index))))
        .collect();
    let (paid, maybe) = (journal.paid(), journal.maybe_paid());
    format!("{each:?} {:?} {paid:?} {maybe:?}", journal.in_flight())
}

#[test]
fn what_is_written_is_read_again_in_any_order_of_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    write(&path);
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.cut(), None);
    assert_eq!(journal.answered(), 4);
    assert_eq!(
        journal.get(&key(3)).unwrap().content,
        "text \"3\"\n\u{1F600}"
    );
    assert_eq!(journal.in_flight(), [&key(5), &key(6)]);
    assert_eq!(journal.paid(), spent(4 * 2));
    // Sent and without an end: 5, 6 and the one of 2.
    assert_eq!(journal.maybe_paid(), spent(3 * 10));
    assert_eq!(journal.failure(&key(4)), Some("status 500"));
    let expected = told(&journal);
    drop(journal);

    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    for seed in 0..50 {
        lines.sort_by_key(|line| {
            let bytes = line.bytes().map(u64::from);
            miss_data::mix(&std::iter::once(seed).chain(bytes).collect::<Vec<_>>())
        });
        std::fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
        assert_eq!(told(&Journal::open(&path).unwrap()), expected);
    }
}

#[test]
fn of_two_answers_to_one_request_the_older_counts_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["old", "new"].map(|content| {
        let path = folder.path().join(content);
        let mut journal = Journal::open(&path).unwrap();
        let mut one = answered(0, content);
        one.when += u64::from(content == "new");
        journal.answer(one).unwrap();
        journal.sync().unwrap();
        std::fs::read_to_string(&path).unwrap()
    });
    for (name, order) in [("ab", [0, 1]), ("ba", [1, 0])] {
        let path = folder.path().join(name);
        std::fs::write(&path, order.map(|index| texts[index].as_str()).concat()).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.get(&key(0)).unwrap().content, "old");
    }
}

#[test]
fn cut_at_any_byte_the_whole_lines_are_kept_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    write(&path);
    let bytes = std::fs::read(&path).unwrap();
    // All places of the last lines, and some of the others.
    let lengths = (0..=bytes.len()).filter(|length| length % 13 == 0 || length + 300 > bytes.len());
    for length in lengths {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let whole = bytes[..length]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let answers = bytes[..whole]
            .split(|&byte| byte == b'\n')
            .filter(|line| line.windows(10).any(|part| part == b"\"answered\""))
            .count();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.answered(), answers, "cut at {length}");
        assert_eq!(
            journal.cut(),
            (whole < length).then(|| (length - whole) as u64)
        );
        if length % 5 == 0 {
            journal.answer(answered(7, "later")).unwrap();
            journal.sync().unwrap();
            drop(journal);
            let journal = Journal::open(&path).unwrap();
            assert_eq!((journal.answered(), journal.cut()), (answers + 1, None));
        }
    }
}

#[test]
fn any_damaged_byte_is_seen_and_its_line_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    write(&path);
    let bytes = std::fs::read(&path).unwrap();
    let mut line = 1;
    for index in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[index] ^= 1 << (index % 8);
        std::fs::write(&path, &damaged).unwrap();
        let last_end = index + 1 == bytes.len();
        match Journal::open(&path) {
            Err(JournalError::Damaged { line: named, .. }) => assert_eq!(named, line),
            // Without its end the last line is one that was cut.
            Ok(journal) => assert!(last_end && journal.cut().is_some(), "byte {index}"),
            Err(other) => panic!("byte {index}: {other}"),
        }
        line += usize::from(bytes[index] == b'\n');
    }
}

#[test]
fn a_second_run_is_told_that_the_journal_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let first = Journal::open(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("journal.jsonl"));
    drop(first);
    Journal::open(&path).unwrap();
    let nowhere = Journal::open(&folder.path().join("none/journal.jsonl")).unwrap_err();
    assert!(nowhere.to_string().contains("folder exists"), "{nowhere}");
}
