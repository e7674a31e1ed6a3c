//! Killed at any instant, or out of disk, and run again: the same captions, and no answer lost or paid twice.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod run_common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use miss_transcap::journal::Journal;
use miss_transcap::llm::{Answer, Failure, Request};
use miss_transcap::run::{Job, Options, RunError};
use miss_transcap::write_caption_file;
use run_common::{checks, hash, labelled, model_says, options, prompt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KILLS: usize = 50;
const TUPLES: usize = 120;

/// What the server has seen of each `Idempotency-Key`: how often it was asked, and billed once if ever.
type Seen = Arc<Mutex<BTreeMap<String, usize>>>;

/// A server that takes 2 to 8 ms to answer.
fn serve() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            // A killed client resets its connections: that is no failure of the server.
            std::thread::spawn(move || stream.and_then(|stream| answer(stream, &seen)));
        }
    });
    (address, kept)
}

fn answer(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let (key, body) = loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
                .trim()
                .to_owned()
        };
        if body.len() >= header("Content-Length:").parse().unwrap() {
            break (header("Idempotency-Key:"), body.to_owned());
        }
    };
    let times = {
        let mut seen = seen.lock().unwrap();
        let times = seen.entry(key).or_default();
        *times += 1;
        *times as u64
    };
    let body: serde_json::Value = serde_json::from_str(&body)?;
    let micros = 2_000 + hash(&format!("{body}{times}")) % 6_000;
    std::thread::sleep(Duration::from_micros(micros));
    let text = serde_json::to_string(&model_says(&body))?;
    let length = text.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}"
    )
}

async fn ask(address: SocketAddr, request: Request) -> Result<Answer, Failure> {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let body = request.body().to_string();
        let (key, length) = (request.key().0, body.len());
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nIdempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        Ok::<_, std::io::Error>(serde_json::from_str(body)?)
    };
    exchange
        .await
        .map_err(|error| Failure::Transport(error.to_string()))
}

fn job_options() -> Options {
    let mut options = options();
    options.limits.concurrency = 6;
    options
}

/// What the child does; a test that passes at once where nobody asks for it.
#[test]
fn child() {
    let (Ok(address), Ok(folder)) = (std::env::var("RUN_SERVER"), std::env::var("RUN_FOLDER"))
    else {
        return;
    };
    let address: SocketAddr = address.parse().unwrap();
    let folder = Path::new(&folder);
    let (images, options, prompt) = (labelled(TUPLES), job_options(), prompt());
    let job = Job {
        labelled: &images,
        options: &options,
        prompt: &prompt,
        checks: checks(),
    };
    let mut journal = Journal::open(&folder.join("journal.jsonl")).unwrap();
    let send = |request| ask(address, request);
    match job.run_blocking(&mut journal, send, || false, |_| {}) {
        Ok(outcome) => {
            write_caption_file(&folder.join("captions.jsonl"), &outcome.file).unwrap();
        }
        Err(error) => {
            assert!(matches!(error, RunError::Journal(_)), "{error}");
            assert!(
                error.to_string().contains("make room on the disk"),
                "{error}"
            );
            // Broken, it takes nothing more.
            let key = miss_transcap::llm::Key("x".into());
            assert!(journal.sync().is_err() && journal.failed(&key, "", false).is_err());
            std::process::exit(77);
        }
    }
}

fn spawn(command: &mut Command, address: SocketAddr, folder: &Path) -> Child {
    command
        .env("RUN_SERVER", address.to_string())
        .env("RUN_FOLDER", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn start(address: SocketAddr, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    spawn(command.args(["child", "--exact"]), address, folder)
}

/// The keys of a journal's whole lines, read apart from the library: (started, answered or failed), in order.
fn keys(path: &Path) -> (Vec<String>, Vec<String>) {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let (mut started, mut answered) = (Vec::new(), Vec::new());
    for line in text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
    {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry = &value["entry"];
        let key = |name: &str| entry[name]["key"].as_str().map(str::to_owned);
        started.extend(key("started"));
        answered.extend(key("answered"));
        assert!(key("failed").is_none(), "{line}");
    }
    (started, answered)
}

/// The caption file of a run that nobody disturbs, and how long it takes.
fn undisturbed() -> (Vec<u8>, Duration) {
    let (address, seen) = serve();
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    assert!(start(address, folder.path()).wait().unwrap().success());
    let took = begun.elapsed();
    assert!(seen.lock().unwrap().values().all(|&times| times == 1));
    (
        std::fs::read(folder.path().join("captions.jsonl")).unwrap(),
        took,
    )
}

/// All that must hold at the end of a run, whatever happened in it.
fn check_end(folder: &Path, seen: &Seen, expected: &[u8]) {
    assert!(std::fs::read(folder.join("captions.jsonl")).unwrap() == expected);
    let (_, answered) = keys(&folder.join("journal.jsonl"));
    let distinct: BTreeSet<&String> = answered.iter().collect();
    assert_eq!(distinct.len(), answered.len(), "a key is answered twice");
    // What the server has billed is what the journal has: nothing that was paid for is lost.
    let seen = seen.lock().unwrap();
    let billed: BTreeSet<&String> = seen.keys().collect();
    assert_eq!(billed, distinct);
}

#[test]
fn killed_at_fifty_instants_the_captions_are_the_same_and_only_what_was_in_flight_is_asked_again() {
    let (expected, took) = undisturbed();
    let (mut kills, mut rounds, mut again, mut in_flight, mut random) = (0, 0, 0, 0, 0);
    while kills < KILLS {
        rounds += 1;
        assert!(rounds < 200, "{kills} kills only");
        let (address, seen) = serve();
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.jsonl");
        loop {
            let before = std::fs::read(&journal).unwrap_or_default();
            let mut child = start(address, folder.path());
            random += 1;
            let micros = miss_data::mix(&[7, random]) % took.as_micros() as u64;
            std::thread::sleep(Duration::from_micros(micros));
            if kills == KILLS {
                assert!(child.wait().unwrap().success());
                break;
            }
            // SIGKILL, unless it is at its end already.
            child.kill().unwrap();
            let status = child.wait().unwrap();
            let after = std::fs::read(&journal).unwrap_or_default();
            let whole = before
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |end| end + 1);
            assert!(
                after.starts_with(&before[..whole]),
                "the journal lost a line"
            );
            if status.success() {
                break;
            }
            kills += 1;
            let (started, answered) = keys(&journal);
            let answered: BTreeSet<String> = answered.into_iter().collect();
            let open: BTreeSet<String> = started.into_iter().collect();
            let open = open.difference(&answered).count();
            assert!(open <= 6, "{open} in flight, of 6 at once");
            in_flight += open;
        }
        check_end(folder.path(), &seen, &expected);
        again += seen
            .lock()
            .unwrap()
            .values()
            .map(|times| times - 1)
            .sum::<usize>();
    }
    writeln!(
        std::io::stderr(),
        "{kills} kills in {rounds} runs: {in_flight} requests in flight at them, {again} asked again"
    )
    .unwrap();
    assert!(again <= in_flight);
    assert!(in_flight > KILLS / 5, "the kills hit nothing");
}

#[test]
fn out_of_disk_the_run_ends_with_an_error_and_goes_on_when_there_is_room() {
    let (expected, _) = undisturbed();
    let (address, seen) = serve();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let mut ends = 0;
    for blocks in [1, 7, 20, 41, 83, 150] {
        // A file may not grow beyond so many blocks of 512 bytes; the write that would is cut, and the next fails.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" child --exact");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(script)
            .arg(std::env::current_exe().unwrap());
        let status = spawn(&mut command, address, folder.path()).wait().unwrap();
        assert_eq!(status.code(), Some(77), "{blocks} blocks");
        let text = std::fs::read(&journal).unwrap();
        assert!(text.len() as u64 <= blocks * 1024);
        ends += usize::from(text.last() != Some(&b'\n'));
        // It can be read, and holds what its whole lines hold.
        let (_, answered) = keys(&journal);
        assert_eq!(Journal::open(&journal).unwrap().answered(), answered.len());
    }
    assert!(ends > 2, "hardly a line was cut");
    assert!(start(address, folder.path()).wait().unwrap().success());
    check_end(folder.path(), &seen, &expected);
}
