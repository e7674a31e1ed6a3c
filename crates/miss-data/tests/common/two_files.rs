//! A dataset of two files, on a server.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use miss_data::Manifest;
use miss_data::fetch::{FetchError, Fetched, Mirror, Options, fetch};
use miss_data::manifest::FileEntry;

use crate::server::Server;

/// Where the large one lies on the server.
pub const BIG: &str = "/data/tiny/images/%C3%A4%20b.bin";

/// Large enough for several pieces.
pub const LARGE: usize = 300_000;

pub fn large() -> Vec<u8> {
    (0..LARGE).map(|at| (at * at / 7 % 251) as u8).collect()
}

/// A manifest of two files and the files.
pub fn tiny() -> (Manifest, BTreeMap<&'static str, Vec<u8>>) {
    let files = BTreeMap::from([("images/ä b.bin", large()), ("rows.json", b"[1]".to_vec())]);
    let text = r#"
name = "tiny"
title = "Two files"
version = "1"
format = "questions-jsonl"
licence = "CC0-1.0"
licence_note = "Ours."
homepage = "https://example.org/tiny"
citation = "None."
mirror = "tiny"
counts_verified = false
"#;
    let mut manifest = Manifest::parse(text, Path::new("tiny.toml")).unwrap();
    let entries = files
        .iter()
        .map(|(path, content)| FileEntry::of(path, content));
    manifest.files = entries.collect();
    (manifest, files)
}

pub fn options(mirror: Option<Mirror>) -> Options {
    Options {
        mirror,
        offline: false,
        accept_licence: true,
        pause: Duration::from_millis(1),
    }
}

pub fn serve() -> (Manifest, Server, Options) {
    let (manifest, files) = tiny();
    let files = files.into_iter().map(|(path, content)| {
        let path = path.replace("ä b", "%C3%A4%20b");
        (format!("/data/tiny/{path}"), content)
    });
    let server = Server::start(files);
    let options = options(Some(Mirror::Url(format!("{}/data/", server.address))));
    (manifest, server, options)
}

pub fn run(manifest: &Manifest, root: &Path, options: &Options) -> Result<Fetched, FetchError> {
    fetch(manifest, root, options, &|_| {})
}

pub fn failed(manifest: &Manifest, root: &Path, options: &Options) -> String {
    run(manifest, root, options).unwrap_err().to_string()
}
