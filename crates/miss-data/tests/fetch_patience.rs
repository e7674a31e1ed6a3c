//! Fetching: how long a server is waited for, through whom it is asked, and who else is at it.

#![cfg(feature = "fetch")]
#![allow(clippy::unwrap_used)]

#[path = "common/server.rs"]
mod server;
#[path = "common/two_files.rs"]
mod two_files;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use miss_data::fetch::{FetchError, Mirror};
use miss_data::manifest::FileEntry;
use server::{Fault, Server};
use two_files::{BIG, failed, options, run, serve, tiny};

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let (manifest, server, options) = serve();
    server.fault(BIG, [Fault::Busy(1)]);
    let root = tempfile::tempdir().unwrap();
    let start = Instant::now();
    run(&manifest, root.path(), &options).unwrap();
    // Its own pause is a millisecond.
    assert!(start.elapsed() >= Duration::from_secs(1));

    let (manifest, server, options) = serve();
    server.fault(BIG, vec![Fault::Busy(3600); 20]);
    let root = tempfile::tempdir().unwrap();
    let message = failed(&manifest, root.path(), &options);
    assert!(message.contains("for 3600 seconds"), "{message}");
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|ask| ask.path == BIG).count(), 1);
}

#[test]
fn a_dead_server_is_not_asked_for_thousands_of_files() {
    let (mut manifest, _) = tiny();
    let paths: Vec<String> = (0..100).map(|index| format!("{index}.json")).collect();
    manifest.files = paths
        .iter()
        .map(|path| FileEntry::of(path, b"[1]"))
        .collect();
    let address = |path: &String| format!("/tiny/{path}");
    let server = Server::start(paths.iter().map(|path| (address(path), b"[1]".to_vec())));
    for path in &paths {
        server.fault(&address(path), vec![Fault::Status(503); 20]);
    }
    let options = options(Some(Mirror::Url(server.address.clone())));
    let root = tempfile::tempdir().unwrap();
    let error = run(&manifest, root.path(), &options).unwrap_err();
    let FetchError::Files { problems, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(problems.len(), 100, "all are named");
    // Four that failed five times each, and what three other threads were about.
    assert!(server.asked().len() <= 35, "{}", server.asked().len());
}

#[test]
fn two_runs_do_not_write_into_one_folder() {
    let (manifest, server, options) = serve();
    let root = tempfile::tempdir().unwrap();
    let other = fs::File::open(root.path()).unwrap();
    other.lock().unwrap();
    let error = run(&manifest, root.path(), &options).unwrap_err();
    assert!(matches!(error, FetchError::Locked { .. }), "{error}");
    assert!(server.asked().is_empty());
    drop(other);
    run(&manifest, root.path(), &options).unwrap();
}

/// A proxy is taken from the environment, which a test cannot change for itself.
#[test]
#[ignore = "the child of `proxies_of_the_environment_are_respected`"]
fn fetches_from_a_host_that_does_not_exist() {
    let (manifest, _) = tiny();
    let options = options(Some(Mirror::Url("http://data.invalid/".into())));
    let root = tempfile::tempdir().unwrap();
    assert!(failed(&manifest, root.path(), &options).contains("rows.json"));
}

#[test]
fn proxies_of_the_environment_are_respected() {
    let asked = |no_proxy: &str| {
        let proxy = Server::start([]);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored"])
            .arg("fetches_from_a_host_that_does_not_exist")
            .env("ALL_PROXY", &proxy.address)
            .env("NO_PROXY", no_proxy)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(output.contains("1 passed"), "{output}");
        proxy.asked()
    };
    let through = asked("other.invalid");
    assert!(
        through.iter().any(|ask| ask.path.contains("data.invalid")),
        "{through:?}"
    );
    assert!(asked("data.invalid").is_empty());
}
