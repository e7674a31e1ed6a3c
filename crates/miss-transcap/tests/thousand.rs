//! A thousand requests over a server of which three answers in ten are wrong in some way: what has to hold is measured
//! at the server.
#![allow(clippy::unwrap_used)]

mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use miss_transcap::journal::Journal;
use miss_transcap::llm::{Answer, Client, Failure, Limits, Prompt, Request};
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Job, Options, Outcome};
use miss_transcap::verify::{near_duplicates, verify};
use miss_transcap::{read_caption_file, write_caption_file};
use server::faults::random;
use server::tuples::labelled;
use server::{Record, Server};

const TIMEOUT: u64 = 1;
/// A call may be this much late at the server, for want of a processor, before it looks like one too early.
const LATE: Duration = Duration::from_millis(300);

fn options(server: &Server, limits: Limits) -> Options {
    let mut options = Options {
        captions: 3,
        seed: 4,
        limits,
        endpoint: Some(
            serde_json::from_value(serde_json::json!({ "base_url": server.base })).unwrap(),
        ),
        parameters: Some(
            serde_json::from_str(r#"{ "model": "small", "max_tokens": 300 }"#).unwrap(),
        ),
        ..Options::default()
    };
    options.prices.input = 0.15;
    options.prices.output = 0.6;
    options
}

fn limits() -> Limits {
    Limits {
        concurrency: 24,
        attempts: 2,
        timeout_seconds: TIMEOUT,
        backoff_milliseconds: 20,
        longest_pause_seconds: 2,
        ..Limits::default()
    }
}

fn run(images: &[Labelled], options: &Options, journal: &Path) -> (Outcome, Vec<u8>) {
    let client = Client::new(options.endpoint.as_ref().unwrap(), &options.limits).unwrap();
    run_with(images, options, journal, client.sender())
}

fn run_with<Sent>(
    images: &[Labelled],
    options: &Options,
    journal: &Path,
    send: impl Fn(Request) -> Sent,
) -> (Outcome, Vec<u8>)
where
    Sent: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let (prompt, mut journal) = (Prompt::built_in().unwrap(), Journal::open(journal).unwrap());
    let job = Job {
        labelled: images,
        options,
        prompt: &prompt,
        checks: Checks::default(),
    };
    let outcome = job
        .run_blocking(&mut journal, send, || false, |_| {})
        .unwrap();
    assert_eq!(job.replay(Some(&journal)).file, outcome.file);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    write_caption_file(&path, &outcome.file).unwrap();
    assert_eq!(read_caption_file(&path).unwrap(), outcome.file);
    (outcome, std::fs::read(path).unwrap())
}

/// Each caption of each image is verified here again, and each that a model did not write is explained.
fn verified_or_explained(outcome: &Outcome, images: &[Labelled]) {
    assert_eq!(outcome.file.sets.len(), images.len());
    for (set, image) in outcome.file.sets.iter().zip(images) {
        assert_eq!(
            (&set.image, &set.attributes),
            (&image.image, &image.attributes)
        );
        let texts: Vec<String> = set.captions.texts().map(str::to_owned).collect();
        assert_eq!(texts.len(), 3, "{set:?}");
        for text in &texts {
            let reasons = verify(&image.attributes, text);
            assert!(reasons.is_empty(), "{text:?}: {reasons:?}");
        }
        let by_model = |index: &usize| {
            set.sources
                .get(*index)
                .is_some_and(|source| *source != set.realiser)
        };
        let of_model: Vec<String> = (0..3)
            .filter(by_model)
            .map(|at| texts[at].clone())
            .collect();
        assert!(near_duplicates(&of_model).is_empty(), "{of_model:?}");
    }
    for (attributes, made) in &outcome.made {
        let of_model = made
            .captions
            .iter()
            .filter(|one| one.request.is_some())
            .count();
        let told: usize = made.asked.iter().map(|one| one.rejected.len()).sum();
        let failed = made.asked.iter().any(|one| one.failure.is_some());
        let reasons = made.asked.iter().flat_map(|one| &one.rejected);
        assert!(reasons.clone().all(|one| !one.reasons.is_empty()));
        assert!(
            of_model + told >= 3 || failed || made.unasked,
            "{attributes:?}: {made:?}"
        );
    }
}

/// No key is answered whole twice, let alone billed; one key is one body.
fn nothing_is_billed_twice(record: &Record) {
    let mut answered: HashMap<&str, usize> = HashMap::new();
    for call in record.calls.iter().filter(|call| call.answered) {
        assert_eq!(call.key.len(), 64);
        *answered.entry(&call.key).or_default() += 1;
    }
    assert!(answered.values().all(|times| *times == 1));
    assert!(record.bills().values().all(|times| *times == 1));
    let mut bodies: HashMap<&str, &[u8]> = HashMap::new();
    for received in &record.received {
        let key = received.header("idempotency-key").unwrap();
        assert_eq!(*bodies.entry(key).or_insert(&received.body), received.body);
    }
    let distinct: BTreeSet<&[u8]> = bodies.values().copied().collect();
    assert_eq!(distinct.len(), bodies.len());
}

/// No call arrives while a 429 holds all: how many 429s held for long enough to tell.
fn cool_downs_are_kept(record: &Record) -> usize {
    let mut told = 0;
    for limited in &record.calls {
        let (Some(pause), Some(sent)) = (limited.pause, limited.ended) else {
            continue;
        };
        if pause < 2 * LATE {
            continue;
        }
        told += 1;
        for call in &record.calls {
            let after = call.arrived.saturating_duration_since(sent);
            assert!(
                after < LATE || after >= pause,
                "a call {after:?} after a 429 that asks for {pause:?}"
            );
        }
    }
    told
}

fn counted<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

#[test]
fn a_thousand_tuples_over_a_server_of_faults_end_verified_or_explained() {
    let server = Server::start(Duration::from_millis(10), random(11, 30));
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let images = labelled(1_000, 5);
    let mut options = options(
        &server,
        Limits {
            requests_per_minute: Some(12_000),
            tokens_per_minute: Some(12_000_000),
            ..limits()
        },
    );
    options.caps.tokens = Some(3_000_000);
    let begun = Instant::now();
    let (outcome, bytes) = run(&images, &options, &journal);
    let took = begun.elapsed();
    assert_eq!(outcome.stopped, None);
    assert_eq!(outcome.tuples, 1_000);
    verified_or_explained(&outcome, &images);

    let tell = |text: String| writeln!(std::io::stderr(), "{text}").unwrap();
    let record = server.at_rest();
    nothing_is_billed_twice(&record);
    let faults = counted(record.calls.iter().filter_map(|call| call.fault));
    assert!(faults.len() > 25, "{faults:?}");
    let (calls, keys) = (
        record.calls.len(),
        counted(record.calls.iter().map(|call| &call.key)),
    );
    let share = faults.values().sum::<usize>() as f64 / calls as f64;
    assert!((0.25..0.35).contains(&share), "{share}");
    tell(format!(
        "{calls} calls of {} requests in {took:?}, {} of them again",
        keys.len(),
        calls - keys.len()
    ));
    tell(format!("faults {faults:?}"));
    tell(format!("{outcome}"));

    // Every repair is a request of its own; each request is tried at most so often.
    assert_eq!(keys.len(), outcome.calls);
    assert!(
        keys.values()
            .all(|times| *times <= options.limits.attempts as usize)
    );
    let at_once = record.most_at_once(Duration::from_secs(TIMEOUT));
    assert!(
        at_once <= options.limits.concurrency as usize,
        "{at_once} at once"
    );
    // Smooth limits hold every window to what the time allows, and a second's worth; lateness makes windows fuller.
    let late = 1.0 + LATE.as_secs_f64();
    let requests = record.worst_burst(200.0, |_| 1);
    tell(format!(
        "{at_once} at once, most requests above the rate {requests:.1} (a second allows 200)"
    ));
    assert!(requests <= 200.0 * late, "{requests}");
    let paused = cool_downs_are_kept(&record);
    tell(format!("{paused} cool-downs of half a second and more"));
    assert!(paused > 3);
    // The account: what was billed, by the server's own count.
    let billed: u64 = record
        .calls
        .iter()
        .filter(|call| call.billed)
        .map(|call| call.tokens)
        .sum();
    tell(format!(
        "billed {billed} tokens at the server, {} in the outcome",
        outcome.paid.tokens()
    ));
    assert!(billed <= 3_000_000);
    drop(record);

    // Offline, with a client that would find nobody, the file is the same to the byte.
    options.offline = true;
    options.endpoint.as_mut().unwrap().base_url = "http://127.0.0.1:1/v1".into();
    let (again, replayed) = run(&images, &options, &journal);
    assert_eq!((again.calls, again.file.sets.len()), (0, 1_000));
    assert!(replayed == bytes, "a replay differs");
    assert_eq!(server.at_rest().calls.len(), calls);
}

#[test]
fn tokens_keep_to_their_rate_at_the_server_too() {
    let server = Server::start(Duration::from_millis(10), random(12, 30));
    let folder = tempfile::tempdir().unwrap();
    let images = labelled(300, 6);
    let options = options(
        &server,
        Limits {
            tokens_per_minute: Some(3_600_000),
            ..limits()
        },
    );
    let (outcome, _) = run(&images, &options, &folder.path().join("journal.jsonl"));
    verified_or_explained(&outcome, &images);
    let record = server.at_rest();
    nothing_is_billed_twice(&record);
    let most = record.worst_burst(60_000.0, |call| call.tokens);
    writeln!(
        std::io::stderr(),
        "most tokens above the rate {most:.0} (a second allows 60000)"
    )
    .unwrap();
    // What was reserved and not used is given back when an answer comes: of those under way at most the longest answer.
    let given_back = f64::from(options.limits.concurrency) * 600.0;
    assert!(
        most <= 60_000.0 * (1.0 + LATE.as_secs_f64()) + given_back,
        "{most}"
    );
    // The rate was what held the run back.
    assert!(most > 30_000.0, "{most}");
}

#[test]
fn a_cap_holds_by_the_count_of_the_server() {
    let server = Server::start(Duration::from_millis(5), random(13, 30));
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let images = labelled(400, 7);
    let mut options = options(&server, limits());
    options.caps.tokens = Some(120_000);
    for round in 0..2 {
        let (outcome, _) = run(&images, &options, &journal);
        assert_eq!(outcome.stopped, Some(Failure::Cap("tokens")));
        verified_or_explained(&outcome, &images);
        let record = server.at_rest();
        let billed = record.calls.iter().filter(|call| call.billed);
        let billed: u64 = billed.map(|call| call.tokens).sum();
        writeln!(
            std::io::stderr(),
            "run {round}: {billed} tokens billed of 120000"
        )
        .unwrap();
        assert!((60_000..=120_000).contains(&billed), "{billed}");
    }
}

#[test]
fn clients_without_common_limits_are_found_to_break_them() {
    let server = Server::start(Duration::from_millis(5), random(14, 30));
    let folder = tempfile::tempdir().unwrap();
    let images = labelled(300, 8);
    let limits = Limits {
        requests_per_minute: Some(1_200),
        ..limits()
    };
    let options = options(&server, limits);
    let endpoint = options.endpoint.clone().unwrap();
    let limits = options.limits.clone();
    let send = move |request: Request| {
        let client = Client::new(&endpoint, &limits).unwrap();
        async move { client.send(&request).await }
    };
    run_with(
        &images,
        &options,
        &folder.path().join("journal.jsonl"),
        send,
    );
    let record = server.at_rest();
    assert!(record.worst_burst(20.0, |_| 1) > 20.0 * (1.0 + LATE.as_secs_f64()));
    let kept = std::panic::AssertUnwindSafe(|| cool_downs_are_kept(&record));
    assert!(std::panic::catch_unwind(kept).is_err());
}
