//! Batch mode against a server that loses, repeats, damages and delays.
#![allow(clippy::unwrap_used)]

mod run_common;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use miss_transcap::journal::Journal;
use miss_transcap::llm::batch::{
    BatchError, BatchServer, BatchStatus, Batches, Collected, MAX_REQUESTS,
};
use miss_transcap::llm::{Endpoint, Limits, Parameters, Prompt, Request};
use miss_transcap::price::{Caps, Prices};
use run_common::{labelled, parameters, prompt};
use server::Server;
use server::batches::{Work, line};
use tempfile::TempDir;

const HALF: Prices = Prices {
    input: 0.075,
    output: 0.3,
};

fn requests(count: usize) -> Vec<Request> {
    let (prompt, parameters): (Prompt, Parameters) = (prompt(), parameters());
    let mut images = labelled(count);
    images.truncate(count);
    let request = |image: &miss_transcap::map::Labelled| {
        Request::new(&prompt, &parameters, &image.attributes, 3).unwrap()
    };
    images.iter().map(request).collect()
}

fn endpoint(base: &str) -> Endpoint {
    toml::from_str(&format!("base_url = {base:?}")).unwrap()
}

fn limits() -> Limits {
    Limits {
        attempts: 3,
        backoff_milliseconds: 5,
        timeout_seconds: 10,
        ..Limits::default()
    }
}

struct Bench {
    server: Server,
    folder: TempDir,
    most: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            server: Server::start(Duration::ZERO, Box::new(|_, _| None)),
            folder: tempfile::tempdir().unwrap(),
            most: MAX_REQUESTS,
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("batch.json")
    }

    fn set(&self, ends_as: &'static str, work: Work) {
        let mut record = self.server.record.lock().unwrap();
        record.batches.ends_as = ends_as;
        record.batches.work = work;
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.folder.path().join("journal.jsonl")).unwrap()
    }

    /// One step of a process that opens everything anew and ends.
    fn step(&self, requests: &[Request], caps: &Caps) -> Result<BatchStatus, BatchError> {
        let batches = Batches {
            server: &BatchServer::new(&endpoint(&self.server.base), &limits()).unwrap(),
            state: &self.state(),
            prompt: &prompt(),
            prices: &HALF,
            caps,
            most_requests: self.most,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let mut journal = self.journal();
        runtime
            .unwrap()
            .block_on(batches.advance(requests, &mut journal))
    }

    fn end(&self, requests: &[Request]) -> Collected {
        for _ in 0..10 {
            match self.step(requests, &Caps::default()).unwrap() {
                BatchStatus::Ended(collected) => return collected,
                status => assert!(matches!(status, BatchStatus::Waiting { .. }), "{status:?}"),
            }
        }
        panic!("no end");
    }

    fn uploads_and_batches(&self) -> (usize, usize) {
        let record = self.server.record.lock().unwrap();
        let posts = |path: &str| {
            let all = record.received.iter();
            all.filter(|one| one.method == "POST" && one.target == path)
                .count()
        };
        (posts("/v1/files"), posts("/v1/batches"))
    }
}

#[test]
fn a_batch_is_uploaded_once_and_its_answers_are_in_the_journal_at_the_price_of_batches() {
    let (bench, requests) = (Bench::new(), requests(20));
    let collected = bench.end(&requests);
    assert_eq!((collected.answered, collected.missing), (20, 0));
    assert_eq!(bench.uploads_and_batches(), (1, 1));
    let journal = bench.journal();
    let (mut input, mut output) = (0, 0);
    for request in &requests {
        let said = server::model::answer(&request.body());
        let answer = journal.get(&request.key()).unwrap();
        assert_eq!(answer.content, said["choices"][0]["message"]["content"]);
        input += said["usage"]["prompt_tokens"].as_u64().unwrap();
        output += said["usage"]["completion_tokens"].as_u64().unwrap();
    }
    // Picodollars: 0.075 and 0.3 dollars a million tokens are 75,000 and 300,000 a token.
    let paid = journal.paid();
    assert_eq!(paid.pico_usd.0, input * 75_000 + output * 300_000);
    assert_eq!(journal.maybe_paid().tokens(), 0);
    drop(journal);
    assert_eq!(
        bench.step(&requests, &Caps::default()).unwrap(),
        BatchStatus::Nothing
    );
    assert_eq!(bench.uploads_and_batches(), (1, 1));
}

#[test]
fn an_expired_batch_leaves_the_rest_for_the_next_which_asks_for_that_alone() {
    let (bench, requests) = (Bench::new(), requests(12));
    let part: Work = Box::new(|lines| {
        let errors = lines[5..].iter().map(|(id, _)| {
            let error = serde_json::json!({ "code": "batch_expired", "message": "not in time" });
            format!(
                "{}\n",
                serde_json::json!({ "custom_id": id, "response": null, "error": error })
            )
        });
        // One of them is in neither file.
        (
            lines[..5].iter().map(line).collect(),
            errors.skip(1).collect(),
        )
    });
    bench.set("expired", part);
    let collected = bench.end(&requests);
    assert_eq!(
        (collected.answered, collected.failed, collected.missing),
        (5, 6, 1)
    );
    assert_eq!(bench.journal().maybe_paid().tokens(), 0);
    bench.set(
        "completed",
        Box::new(|lines| {
            assert_eq!(lines.len(), 7);
            (lines.iter().map(line).collect(), String::new())
        }),
    );
    assert_eq!(bench.end(&requests).answered, 7);
    assert_eq!(bench.journal().answered(), 12);
    assert_eq!(bench.uploads_and_batches(), (2, 2));
}

#[test]
fn lines_out_of_order_twice_damaged_or_of_others_are_told_apart() {
    let (bench, requests) = (Bench::new(), requests(6));
    let keys: Vec<String> = requests.iter().map(|request| request.key().0).collect();
    let work: Work = Box::new(|lines| {
        let good: Vec<String> = lines.iter().map(line).collect();
        let second = good[2].replace("This is", "That was");
        assert_ne!(second, good[2]);
        let other = good[0].replace(&lines[0].0, "somebody-else");
        let half = &good[1][..good[1].len() / 2];
        let odd = format!("{{\"custom_id\":\"{}\"}}", lines[3].0);
        let text = [
            &good[5], &good[2], &good[4], &second, &other, half, "\n", &odd, "\n", "[1]\n",
            &good[0],
        ];
        (text.concat(), String::new())
    });
    bench.set("completed", work);
    let collected = bench.end(&requests);
    assert_eq!((collected.answered, collected.repeated), (4, 1));
    assert_eq!(collected.unknown, ["somebody-else"]);
    let numbers: Vec<usize> = collected
        .damaged
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(numbers, [6, 7, 8]);
    assert_eq!(collected.missing, 2);
    let journal = bench.journal();
    let has = |at: usize| {
        journal
            .get(&miss_transcap::llm::Key(keys[at].clone()))
            .is_some()
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(has),
        [true, false, true, false, true, true]
    );
    // The first of two counts.
    assert!(
        !journal
            .get(&requests[2].key())
            .unwrap()
            .content
            .contains("That was")
    );
    // What came damaged may have been paid for.
    assert!(journal.maybe_paid().tokens() > 0);
}

#[test]
fn what_was_made_and_answered_with_500_is_not_made_twice() {
    for point in ["files", "batches"] {
        let (bench, requests) = (Bench::new(), requests(8));
        bench.server.record.lock().unwrap().batches.die_after = Some(point);
        // The server has it and says 500: the next attempt finds it.
        assert_eq!(bench.end(&requests).answered, 8, "{point}");
        assert_eq!(bench.uploads_and_batches(), (1, 1), "{point}");
        assert_eq!(bench.journal().maybe_paid().tokens(), 0);
    }
}

#[test]
fn a_batch_keeps_to_the_cap() {
    let (bench, requests) = (Bench::new(), requests(10));
    let three: u64 = requests[..3]
        .iter()
        .map(|request| HALF.at_most(request).tokens())
        .sum();
    let caps = Caps {
        usd: None,
        tokens: Some(three),
    };
    bench.step(&requests, &caps).unwrap();
    let record = bench.server.record.lock().unwrap();
    assert_eq!(record.batches.files[0].1.lines().count(), 3);
}
