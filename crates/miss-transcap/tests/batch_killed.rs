//! Killed between any two steps of a batch, or at any instant, and run again: one upload, one batch, every answer once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod run_common;
mod server;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use miss_transcap::journal::Journal;
use miss_transcap::llm::batch::{BatchServer, BatchStatus, Batches, MAX_REQUESTS};
use miss_transcap::llm::{Endpoint, Limits, Request};
use miss_transcap::price::{Caps, Prices};
use run_common::{labelled, parameters, prompt};
use server::Server;

const TUPLES: usize = 60;
const KILLS: usize = 30;

fn requests() -> Vec<Request> {
    let (prompt, parameters) = (prompt(), parameters());
    labelled(TUPLES)[..TUPLES]
        .iter()
        .map(|image| Request::new(&prompt, &parameters, &image.attributes, 3).unwrap())
        .collect()
}

/// What the child does; a test that passes at once where nobody asks for it.
#[test]
fn child() {
    let (Ok(base), Ok(folder)) = (std::env::var("BATCH_SERVER"), std::env::var("BATCH_FOLDER"))
    else {
        return;
    };
    let folder = Path::new(&folder);
    let endpoint: Endpoint = toml::from_str(&format!("base_url = {base:?}")).unwrap();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let mut journal = Journal::open(&folder.join("journal.jsonl")).unwrap();
    let batches = Batches {
        server: &BatchServer::new(&endpoint, &Limits::default()).unwrap(),
        state: &folder.join("batch.json"),
        prompt: &prompt(),
        prices: &Prices::default(),
        caps: &Caps::default(),
        most_requests: MAX_REQUESTS,
    };
    let requests = requests();
    for _ in 0..20 {
        let status = runtime.block_on(batches.advance(&requests, &mut journal));
        match status.unwrap() {
            BatchStatus::Waiting { .. } => {}
            BatchStatus::Ended(_) | BatchStatus::Nothing => return,
            status => panic!("{status:?}"),
        }
    }
    panic!("no end");
}

fn start(server: &Server, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env("BATCH_SERVER", &server.base)
        .env("BATCH_FOLDER", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn serve() -> Server {
    Server::start(Duration::ZERO, Box::new(|_, _| None))
}

/// All that must hold at the end, whatever happened before.
fn check_end(server: &Server, folder: &Path, what: &str) {
    let record = server.record.lock().unwrap();
    let uploads = record.batches.files.iter();
    let uploads = uploads
        .filter(|(name, _)| name.starts_with("miss-"))
        .count();
    assert_eq!((uploads, record.batches.batches.len()), (1, 1), "{what}");
    // The journal's lines, read apart from the library.
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let keys = |kind: &str| -> Vec<String> {
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter_map(|line| line["entry"][kind]["key"].as_str().map(str::to_owned))
            .collect()
    };
    let expected: BTreeSet<String> = requests().iter().map(|request| request.key().0).collect();
    for kind in ["started", "answered"] {
        let keys = keys(kind);
        assert_eq!(keys.len(), TUPLES, "{what}: {kind}");
        let keys: BTreeSet<String> = keys.into_iter().collect();
        assert_eq!(keys, expected, "{what}: {kind}");
    }
    assert_eq!(keys("failed").len(), 0, "{what}");
    assert!(!folder.join("batch.json").exists(), "{what}");
}

#[test]
fn killed_after_each_request_has_reached_the_server() {
    for number in 1.. {
        let (server, folder) = (serve(), tempfile::tempdir().unwrap());
        server.record.lock().unwrap().hang_at = Some(number);
        let mut child = start(&server, folder.path());
        let hung = loop {
            if server.record.lock().unwrap().hung {
                break true;
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                break false;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if hung {
            // SIGKILL: the server has done what it was asked to, and nobody knows.
            child.kill().unwrap();
            child.wait().unwrap();
            {
                let mut record = server.record.lock().unwrap();
                (record.hang_at, record.hung) = (None, false);
            }
            assert!(start(&server, folder.path()).wait().unwrap().success());
        }
        check_end(&server, folder.path(), &format!("request {number}"));
        if !hung {
            // Two lists, an upload, a creation, three polls, a download.
            assert_eq!(number, 9);
            return;
        }
    }
}

#[test]
fn killed_at_any_instant() {
    let (server, folder) = (serve(), tempfile::tempdir().unwrap());
    let begun = Instant::now();
    assert!(start(&server, folder.path()).wait().unwrap().success());
    let took = begun.elapsed();
    check_end(&server, folder.path(), "undisturbed");
    let (mut kills, mut rounds, mut with_state, mut random) = (0, 0, 0, 0);
    while kills < KILLS {
        rounds += 1;
        assert!(rounds < 200, "{kills} kills only");
        let (server, folder) = (serve(), tempfile::tempdir().unwrap());
        loop {
            let mut child = start(&server, folder.path());
            random += 1;
            let micros = miss_data::mix(&[23, random]) % took.as_micros() as u64;
            std::thread::sleep(Duration::from_micros(micros));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
            with_state += usize::from(folder.path().join("batch.json").exists());
            if kills >= KILLS {
                assert!(start(&server, folder.path()).wait().unwrap().success());
                break;
            }
        }
        check_end(&server, folder.path(), &format!("round {rounds}"));
    }
    writeln!(
        std::io::stderr(),
        "{kills} kills in {rounds} batches, {with_state} of them with a batch under way"
    )
    .unwrap();
    assert!(with_state > KILLS / 5, "the kills hit nothing");
}
