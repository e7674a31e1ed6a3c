//! The run against a model that is a function: what is asked, what is kept, and that a replay ends alike.
#![allow(clippy::unwrap_used)]

mod run_common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miss_transcap::journal::Journal;
use miss_transcap::llm::{Answer, Failure, Request};
use miss_transcap::map::Labelled;
use miss_transcap::run::{Job, Options, Outcome, Progress, Unfinished};
use miss_transcap::{CaptionFile, Captions, Sampler, read_caption_file, write_caption_file};
use run_common::{checks, hash, labelled, model_says, options, prompt};

/// How often each body was asked.
type Calls = Arc<Mutex<BTreeMap<String, usize>>>;

struct Server {
    calls: Calls,
    fails: fn(&str) -> Option<Failure>,
}

impl Server {
    fn new(fails: fn(&str) -> Option<Failure>) -> Self {
        let calls = Calls::default();
        Self { calls, fails }
    }

    fn send(
        &self,
        delay: u64,
    ) -> impl Fn(Request) -> std::pin::Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>
    + use<> {
        let (calls, fails) = (Arc::clone(&self.calls), self.fails);
        move |request| {
            let calls = Arc::clone(&calls);
            Box::pin(async move {
                let body = request.body();
                let text = body.to_string();
                tokio::time::sleep(Duration::from_micros((hash(&text) ^ delay) % 3_000)).await;
                *calls.lock().unwrap().entry(text.clone()).or_default() += 1;
                match fails(&text) {
                    Some(failure) => Err(failure),
                    None => Ok(model_says(&body)),
                }
            })
        }
    }

    fn asked(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }
}

fn never(_: &str) -> Option<Failure> {
    None
}

fn run(
    server: &Server,
    delay: u64,
    path: &Path,
    images: &[Labelled],
    options: &Options,
) -> Outcome {
    let mut journal = Journal::open(path).unwrap();
    let prompt = prompt();
    let job = Job {
        labelled: images,
        options,
        prompt: &prompt,
        checks: checks(),
    };
    let mut last = Progress::default();
    let outcome = job
        .run_blocking(
            &mut journal,
            server.send(delay),
            || false,
            |now| last = *now,
        )
        .unwrap();
    assert_eq!(last.under_way, 0);
    // The journal alone gives the same.
    let replayed = job.replay(Some(&journal));
    if outcome.stopped.is_none() {
        assert_eq!(last.done, last.all);
        assert_eq!(replayed.file, outcome.file);
    }
    outcome
}

fn bytes(file: &CaptionFile) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captions.jsonl");
    write_caption_file(&path, file).unwrap();
    assert_eq!(&read_caption_file(&path).unwrap(), file);
    std::fs::read(path).unwrap()
}

/// Every image has its captions, each verified or a template; every caption that is missing is explained.
fn whole(outcome: &Outcome, images: &[Labelled], options: &Options) {
    assert_eq!(outcome.file.sets.len(), images.len());
    for (set, image) in outcome.file.sets.iter().zip(images) {
        assert_eq!(
            (&set.image, &set.attributes),
            (&image.image, &image.attributes)
        );
        let captions: Vec<&str> = set.captions.texts().collect();
        assert_eq!(captions.len(), options.captions);
        for (index, caption) in captions.iter().enumerate() {
            assert!(!captions[..index].contains(caption));
            if set
                .sources
                .get(index)
                .is_some_and(|source| *source != set.realiser)
            {
                assert!((checks().verify)(&set.attributes, caption).is_empty());
            }
        }
    }
    for (_, made) in &outcome.made {
        let of_model = made
            .captions
            .iter()
            .filter(|one| one.request.is_some())
            .count();
        let explained = made.asked.iter().any(|asked| {
            asked.failure.is_some()
                || of_model + asked.rejected.len() >= options.captions
                    && asked.rejected.iter().all(|one| !one.reasons.is_empty())
        });
        assert!(
            of_model == options.captions || explained || made.unasked,
            "{made:?}"
        );
    }
}

#[test]
fn each_tuple_is_asked_once_and_any_order_of_answers_ends_alike() {
    let folder = tempfile::tempdir().unwrap();
    let images = labelled(120);
    let mut options = options();
    let mut files = BTreeSet::new();
    for (round, concurrency) in [1, 3, 8, 40].into_iter().enumerate() {
        options.limits.concurrency = concurrency;
        let server = Server::new(never);
        let path = folder.path().join(format!("{round}.jsonl"));
        let outcome = run(&server, round as u64 * 977, &path, &images, &options);
        whole(&outcome, &images, &options);
        assert_eq!(outcome.tuples, 120);
        assert!(
            server
                .calls
                .lock()
                .unwrap()
                .values()
                .all(|&times| times == 1)
        );
        // Repairs of what was unfaithful or no JSON: kinds 0, 1 and 4 of 16.
        let all = server.asked();
        assert_eq!(all, outcome.calls);
        assert!((130..160).contains(&all), "{all}");
        assert!(outcome.failed.keys().any(|why| why.starts_with("refused")));
        assert!(outcome.rejected["effusion"] > 3);
        files.insert(bytes(&outcome.file));

        // Again: nothing is asked, and the file is the same to the byte; offline too.
        let again = run(&server, 5, &path, &images, &options);
        assert_eq!((again.calls, server.asked()), (0, all));
        files.insert(bytes(&again.file));
        options.offline = true;
        files.insert(bytes(&run(&server, 5, &path, &images, &options).file));
        options.offline = false;
    }
    assert_eq!(files.len(), 1);
}

#[test]
fn requests_hold_nothing_of_the_images_but_attributes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let images = labelled(20);
    run(&Server::new(never), 0, &path, &images, &options());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"messages\""));
    assert!(!text.contains("patient-") && !text.contains(".png"));
}

#[test]
fn what_fails_falls_back_with_its_reason_and_is_asked_again_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (images, options) = (labelled(60), options());
    let server = Server::new(|body| {
        let reset = || Failure::Transport("reset".into());
        let busy = || Failure::Status {
            status: 503,
            message: "busy".into(),
        };
        match hash(body) % 3 {
            0 => Some(reset()),
            1 => Some(busy()),
            _ => None,
        }
    });
    let outcome = run(&server, 0, &path, &images, &options);
    whole(&outcome, &images, &options);
    assert!(outcome.stopped.is_none());
    let reasons: Vec<&str> = outcome.failed.keys().map(String::as_str).collect();
    assert!(reasons.contains(&"no response: reset"), "{reasons:?}");
    assert!(reasons.contains(&"status 503: busy"), "{reasons:?}");
    {
        let journal = Journal::open(&path).unwrap();
        // Of a reset nobody knows whether it was paid for; a status was not.
        assert_eq!(
            journal.in_flight().len(),
            outcome.failed["no response: reset"]
        );
    }
    let healthy = Server::new(never);
    let mended = run(&healthy, 0, &path, &images, &options);
    assert!(mended.calls > 30 && mended.calls >= outcome.failed["status 503: busy"]);
    let undisturbed = run(
        &Server::new(never),
        0,
        &folder.path().join("other"),
        &images,
        &options,
    );
    assert_eq!(bytes(&mended.file), bytes(&undisturbed.file));
}

#[test]
fn what_meets_all_requests_ends_the_run_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let images = labelled(60);
    let mut options = options();
    options.limits.concurrency = 4;
    for (name, most, fails) in [
        (
            "401",
            4,
            (|_| {
                Some(Failure::Status {
                    status: 401,
                    message: "no".into(),
                })
            }) as fn(&str) -> _,
        ),
        // At most so many more are under way when the twentieth in a row has failed.
        ("dead", 19 + 4, |_| {
            Some(Failure::Transport("refused".into()))
        }),
        ("quota", 4, |_| {
            Some(Failure::Quota("insufficient_quota".into()))
        }),
    ] {
        let server = Server::new(fails);
        let path = folder.path().join(name);
        options.unfinished = Unfinished::Template;
        let outcome = run(&server, 0, &path, &images, &options);
        assert!(
            outcome.stopped.is_some() && server.asked() <= most,
            "{}",
            server.asked()
        );
        whole(&outcome, &images, &options);
        options.unfinished = Unfinished::Leave;
        let outcome = run(&server, 0, &path, &images, &options);
        // What failed has templates and its reason, what was not asked is left.
        assert!(
            outcome.left >= 120 - 2 * 2 * most && outcome.left + outcome.file.sets.len() == 120
        );
        assert!(outcome.to_string().contains("ended early"));
    }
}

#[test]
fn caps_hold_over_concurrent_calls_and_over_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let images = labelled(120);
    let mut options = options();
    options.limits.concurrency = 16;
    options.caps.tokens = Some(9_000);
    for round in 0..3 {
        let server = Server::new(never);
        let outcome = run(&server, round, &path, &images, &options);
        assert_eq!(outcome.stopped, Some(Failure::Cap("tokens")));
        whole(&outcome, &images, &options);
        let journal = Journal::open(&path).unwrap();
        assert!(journal.paid().tokens() <= 9_000);
        assert!(
            round > 0 || journal.paid().tokens() > 6_000,
            "{:?}",
            journal.paid()
        );
        // A second run finds the account as the first has left it.
        assert!(round == 0 || server.asked() == 0);
    }
}

#[test]
fn a_stop_keeps_what_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (images, options, prompt) = (labelled(60), options(), prompt());
    let server = Server::new(never);
    let job = Job {
        labelled: &images,
        options: &options,
        prompt: &prompt,
        checks: checks(),
    };
    let mut journal = Journal::open(&path).unwrap();
    let stop = || server.asked() > 20;
    let outcome = job
        .run_blocking(&mut journal, server.send(0), stop, |_| {})
        .unwrap();
    assert_eq!(outcome.stopped, Some(Failure::Stopped));
    assert_eq!(journal.answered(), server.asked());
    assert!(journal.in_flight().is_empty() && server.asked() < 40);
    whole(&outcome, &images, &options);
}

#[test]
fn the_time_of_a_run_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (images, mut options, prompt) = (labelled(60), options(), prompt());
    options.run_seconds = Some(5);
    options.limits.timeout_seconds = 3;
    options.limits.concurrency = 2;
    let job = Job {
        labelled: &images,
        options: &options,
        prompt: &prompt,
        checks: checks(),
    };
    // Calls take a second; the fifth of each hand never ends.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut journal = Journal::open(&path).unwrap();
    let count = Arc::new(Mutex::new(0));
    let send = |request: Request| {
        let count = Arc::clone(&count);
        async move {
            *count.lock().unwrap() += 1;
            let hangs = *count.lock().unwrap() > 8;
            tokio::time::sleep(Duration::from_millis(if hangs { 1_000_000 } else { 1_000 })).await;
            Ok(model_says(&request.body()))
        }
    };
    let outcome = runtime.block_on(async {
        let start = tokio::time::Instant::now();
        let outcome = job.run(&mut journal, send, || false, |_| {}).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 8);
        outcome
    });
    assert_eq!(outcome.stopped, Some(Failure::RunTime));
    assert_eq!((journal.answered(), journal.in_flight().len()), (8, 2));
    whole(&outcome, &images, &options);
}

#[test]
fn the_plan_counts_what_the_run_then_asks_and_bounds_what_it_costs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let (images, mut options, prompt) = (labelled(90), options(), prompt());
    options.limits.requests_per_minute = Some(30);
    let job = Job {
        labelled: &images,
        options: &options,
        prompt: &prompt,
        checks: checks(),
    };
    let plan = job.plan(None);
    assert_eq!(
        (plan.images, plan.tuples, plan.requests, plan.answered),
        (180, 90, 90, 0)
    );
    assert_eq!(plan.seconds, 180.0);
    assert!(plan.expected.pico_usd < plan.at_most.pico_usd);
    let outcome = run(&Server::new(never), 0, &path, &images, &options);
    assert!(outcome.paid.tokens() > 0 && outcome.paid.tokens() <= plan.at_most.tokens());
    assert!(outcome.paid.pico_usd <= plan.at_most.pico_usd);
    let after = job.plan(Some(&Journal::open(&path).unwrap()));
    assert_eq!((after.requests, after.answered), (90, 90));
    assert_eq!(after.paid, outcome.paid);
    assert_eq!(after.expected.tokens(), 0);
    writeln!(std::io::stderr(), "{plan}\n{outcome}").unwrap();
}

#[test]
fn by_attribute_a_run_from_templates_gives_what_the_sampler_gives() {
    let images = labelled(30);
    let options = Options {
        sampler: Sampler::PerAttribute,
        captions: 4,
        seed: 5,
        ..Options::default()
    };
    let prompt = prompt();
    let job = Job {
        labelled: &images,
        options: &options,
        prompt: &prompt,
        checks: checks(),
    };
    for set in job.replay(None).file.sets {
        let Captions::Parts(parts) = &set.captions else {
            panic!("{set:?}");
        };
        assert_eq!(parts.len(), set.attributes.parts().len());
        assert!(parts.iter().all(|phrases| phrases.len() == 4));
        // Of one image however they are joined: no phrase brings another.
        let joined = set.captions.draw(1, 2, 3);
        assert!(!joined.contains(" medical image"), "{joined}");
        assert_eq!(set.unfaithful(), [], "{joined}");
    }
}
