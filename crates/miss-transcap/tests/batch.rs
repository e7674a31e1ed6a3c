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

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
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
        let mut journal = self.journal();
        runtime().block_on(batches.advance(requests, &mut journal))
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
    let nothing = Caps {
        usd: None,
        tokens: Some(0),
    };
    assert_eq!(
        bench.step(&requests, &nothing).unwrap(),
        BatchStatus::Capped("tokens")
    );
    bench.step(&requests, &caps).unwrap();
    let record = bench.server.record.lock().unwrap();
    assert_eq!(record.batches.files[0].1.lines().count(), 3);
}

#[test]
fn answers_to_what_is_no_longer_asked_are_recorded_with_what_was_asked() {
    let (bench, requests) = (Bench::new(), requests(9));
    bench.step(&requests[..6], &Caps::default()).unwrap();
    // The images, the prompt and the prices have changed.
    let other = Prices {
        input: 9.0,
        output: 9.0,
    };
    let prompt = Prompt {
        version: 4,
        sha256: "cd".repeat(32),
        ..prompt()
    };
    let mut ended = None;
    for _ in 0..10 {
        let server = BatchServer::new(&endpoint(&bench.server.base), &limits()).unwrap();
        let batches = Batches {
            server: &server,
            state: &bench.state(),
            prompt: &prompt,
            prices: &other,
            caps: &Caps::default(),
            most_requests: bench.most,
        };
        let mut journal = bench.journal();
        let status = runtime().block_on(batches.advance(&requests[7..], &mut journal));
        if let BatchStatus::Ended(collected) = status.unwrap() {
            ended = Some(collected);
            break;
        }
    }
    let collected = ended.unwrap();
    assert_eq!((collected.answered, collected.unknown.len()), (6, 0));
    assert_eq!(bench.uploads_and_batches(), (1, 1));
    // Read from the file itself: key, body and prompt are those of then.
    let text = std::fs::read_to_string(bench.folder.path().join("journal.jsonl")).unwrap();
    let mut recorded: Vec<(String, serde_json::Value)> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|mut line| line["entry"]["answered"].take())
        .filter(|answered| !answered.is_null())
        .map(|answered| {
            assert_eq!(answered["prompt"]["version"], 3);
            assert_eq!(answered["prompt"]["sha256"], "ab".repeat(32));
            let key = answered["key"].as_str().unwrap().to_owned();
            (key, answered["request"].clone())
        })
        .collect();
    let mut expected: Vec<(String, serde_json::Value)> = requests[..6]
        .iter()
        .map(|request| (request.key().0, request.body()))
        .collect();
    recorded.sort_by(|a, b| a.0.cmp(&b.0));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(recorded, expected);
    // At the prices of then: 0.075 dollars a million tokens, not 9.
    assert!(bench.journal().paid().pico_usd.0 < 6 * 1_000 * 300_000);
    assert_eq!(bench.journal().maybe_paid().tokens(), 0);
    // All files but the lock are gone.
    let mut left: Vec<String> = std::fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["batch.json.lock", "journal.jsonl"]);
}

#[test]
fn what_was_planned_and_never_made_is_dropped_when_something_else_is_asked() {
    let (bench, requests) = (Bench::new(), requests(6));
    // All attempts at the first list fail.
    bench.server.record.lock().unwrap().refuse = vec![503; 3];
    let error = bench.step(&requests[..4], &Caps::default()).unwrap_err();
    assert!(error.to_string().contains("status 503"), "{error}");
    assert!(bench.journal().maybe_paid().tokens() > 0);
    assert_eq!(bench.end(&requests[4..]).answered, 2);
    assert_eq!(bench.uploads_and_batches(), (1, 1));
    let journal = bench.journal();
    assert_eq!(journal.maybe_paid().tokens(), 0);
    assert!(journal.failure(&requests[0].key()).is_some());
}

#[test]
fn every_call_is_tried_again_after_429_and_5xx() {
    let (bench, requests) = (Bench::new(), requests(5));
    let mut ended = None;
    for round in 0..10 {
        // Two failures before each step: the third attempt is the last.
        bench.server.record.lock().unwrap().refuse = vec![[429, 500, 502, 503][round % 4]; 2];
        if let BatchStatus::Ended(collected) = bench.step(&requests, &Caps::default()).unwrap() {
            ended = Some(collected);
            break;
        }
    }
    assert_eq!(ended.unwrap().answered, 5);
    let record = bench.server.record.lock().unwrap();
    assert_eq!(record.batches.batches.len(), 1);
}

#[test]
fn a_refused_batch_leaves_nothing_under_way_and_says_why() {
    for (at, call) in [(1, "POST /files"), (3, "POST /batches")] {
        let (bench, requests) = (Bench::new(), requests(4));
        {
            let mut record = bench.server.record.lock().unwrap();
            record.refuse_at = Some((at, 413));
        }
        let error = bench.step(&requests, &Caps::default()).unwrap_err();
        assert!(matches!(error, BatchError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(call) && text.contains("status 413"), "{text}");
        assert!(!bench.state().exists());
        assert_eq!(bench.journal().maybe_paid().tokens(), 0);
        assert_eq!(bench.end(&requests).answered, 4);
    }
}

#[test]
fn more_than_a_batch_holds_goes_into_the_next() {
    let (mut bench, requests) = (Bench::new(), requests(10));
    bench.most = 4;
    let ends = [(); 3].map(|()| bench.end(&requests).answered);
    assert_eq!(ends, [4, 4, 2]);
    assert_eq!(bench.uploads_and_batches(), (3, 3));
    assert_eq!(
        bench.step(&requests, &Caps::default()).unwrap(),
        BatchStatus::Nothing
    );
    let record = bench.server.record.lock().unwrap();
    let lines = |at: usize| record.batches.files[at].1.lines().count();
    let uploads = record.batches.files.iter();
    let uploads = uploads
        .filter(|(name, _)| name.starts_with("miss-"))
        .count();
    assert_eq!((uploads, lines(0)), (3, 4));
}

#[test]
fn a_batch_in_use_elsewhere_at_another_server_or_damaged_is_left_alone() {
    let (bench, requests) = (Bench::new(), requests(3));
    bench.step(&requests, &Caps::default()).unwrap();
    let lock = std::fs::File::open(bench.folder.path().join("batch.json.lock")).unwrap();
    lock.try_lock().unwrap();
    let error = bench.step(&requests, &Caps::default()).unwrap_err();
    assert!(matches!(error, BatchError::InUse { .. }), "{error}");
    drop(lock);
    let saved = std::fs::read_to_string(bench.state()).unwrap();
    let elsewhere = saved.replace(&bench.server.base, "https://other.example/v1");
    assert_ne!(elsewhere, saved);
    std::fs::write(bench.state(), elsewhere).unwrap();
    let error = bench.step(&requests, &Caps::default()).unwrap_err();
    assert!(matches!(error, BatchError::OtherServer { .. }), "{error}");
    std::fs::write(bench.state(), &saved[..saved.len() / 2]).unwrap();
    let error = bench.step(&requests, &Caps::default()).unwrap_err();
    assert!(matches!(error, BatchError::State { .. }), "{error}");
    std::fs::write(bench.state(), &saved).unwrap();
    // Other lines under the same keys would be recorded as what was asked.
    let lines = bench.folder.path().join("batch.json.requests");
    let kept = std::fs::read_to_string(&lines).unwrap();
    std::fs::write(&lines, kept.replace("small", "large")).unwrap();
    let mut error = None;
    for _ in 0..10 {
        error = bench.step(&requests, &Caps::default()).err();
        if error.is_some() {
            break;
        }
    }
    let error = error.unwrap();
    assert!(error.to_string().contains("not the requests of this batch"));
    std::fs::write(&lines, kept).unwrap();
    assert_eq!(bench.end(&requests).answered, 3);
    assert_eq!(bench.uploads_and_batches(), (1, 1));
}

#[test]
fn the_key_goes_with_every_call_to_a_safe_address_only_and_shows_nowhere() {
    let (bench, requests) = (Bench::new(), requests(3));
    let file = bench.folder.path().join("key");
    std::fs::write(&file, "sk-batch-0042").unwrap();
    let mut with_key = endpoint(&bench.server.base);
    with_key.key_file = Some(file);
    for unsafe_base in ["http://10.0.0.1/v1", "https://u:p@a.example/v1"] {
        let mut endpoint = with_key.clone();
        endpoint.base_url = unsafe_base.into();
        assert!(BatchServer::new(&endpoint, &limits()).is_err());
    }
    // The server says the key in answers and in errors.
    bench.set(
        "completed",
        Box::new(|lines| {
            let good = line(&lines[0]).replace("This is", "sk-batch-0042 is");
            assert!(good.contains("sk-batch"));
            let error = serde_json::json!({ "message": "bad key sk-batch-0042" });
            let bad = serde_json::json!({ "custom_id": lines[1].0, "error": error });
            let odd = "{\"custom_id\":\"sk-batch-0042\"}\n";
            (format!("{good}{bad}\n{odd}"), String::new())
        }),
    );
    let server = BatchServer::new(&with_key, &limits()).unwrap();
    let batches = Batches {
        server: &server,
        state: &bench.state(),
        prompt: &prompt(),
        prices: &HALF,
        caps: &Caps::default(),
        most_requests: bench.most,
    };
    let mut journal = bench.journal();
    let mut shown = format!("{batches:?}");
    for _ in 0..10 {
        let status = runtime().block_on(batches.advance(&requests, &mut journal));
        let status = status.unwrap();
        shown.push_str(&format!("{status:?}"));
        if let BatchStatus::Ended(collected) = status {
            assert_eq!((collected.answered, collected.failed), (1, 1));
            break;
        }
        shown.push_str(&std::fs::read_to_string(bench.state()).unwrap());
    }
    let path = bench.folder.path().join("journal.jsonl");
    shown.push_str(&std::fs::read_to_string(path).unwrap());
    assert!(shown.contains("bad key [key]"));
    assert!(!shown.contains("sk-batch"));
    let record = bench.server.record.lock().unwrap();
    assert!(record.received.len() > 5);
    for received in &record.received {
        let header = received.header("authorization");
        assert_eq!(header, Some("Bearer sk-batch-0042"), "{}", received.target);
    }
}
