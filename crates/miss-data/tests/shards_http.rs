//! Shards over a network: ranges, servers without them or that die, and the cache.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "fetch")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miss_data::file::{sha256_file, sha256_hex};
use miss_data::shard::{Cache, ReadSample, Set, ShardError, Shards, WriteOptions, write};
use miss_data::{Question, vqa_rad};
use tempfile::TempDir;

/// What a server does, and what it was asked.
#[derive(Default)]
struct Server {
    folder: PathBuf,
    without_ranges: AtomicBool,
    /// Answers to break off half-way.
    deaths: AtomicUsize,
    /// Answers to give as "busy".
    busy: AtomicUsize,
    slow: AtomicBool,
    /// File and whether a range was asked for.
    asked: Mutex<Vec<(String, bool)>>,
}

struct Running {
    server: Arc<Server>,
    address: String,
    /// The set it serves.
    set: Set,
    _folder: TempDir,
}

impl Running {
    /// Serves the embedded copy in shards of 16 images.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = common::embedded();
        let questions = vqa_rad::read(&root).unwrap().records;
        let options = WriteOptions {
            max_samples: 16,
            ..WriteOptions::default()
        };
        let images = root.join(vqa_rad::IMAGES_DIR);
        let set = write(&questions, &images, folder.path(), &options).unwrap();
        let server = Arc::new(Server {
            folder: folder.path().into(),
            ..Server::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let shared = Arc::clone(&server);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&shared);
                // A client that hangs up is none of the server's business.
                std::thread::spawn(move || drop(server.answer(&stream)));
            }
        });
        Self {
            server,
            address,
            set,
            _folder: folder,
        }
    }

    fn open(&self, cache: Option<Cache>) -> Shards {
        Shards::open(&self.address, cache).unwrap()
    }

    fn local(&self) -> Shards {
        Shards::open(self.server.folder.to_str().unwrap(), None).unwrap()
    }

    /// Requests for shards since the last call: of ranges, of whole files.
    fn asked(&self) -> (usize, usize) {
        let asked = std::mem::take(&mut *self.server.asked.lock().unwrap());
        let shards = asked.iter().filter(|(file, _)| file.ends_with(".tar"));
        let (ranges, whole): (Vec<_>, Vec<_>) = shards.partition(|(_, range)| *range);
        (ranges.len(), whole.len())
    }

    fn largest(&self) -> u64 {
        self.set
            .shards
            .iter()
            .map(|shard| shard.bytes)
            .max()
            .unwrap()
    }
}

impl Server {
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let file = request.split(' ').nth(1).unwrap_or("/")[1..].to_owned();
        let mut range = None;
        for line in lines {
            let line = line?.to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bounds) = line.strip_prefix("range: bytes=") {
                let (first, last) = bounds.split_once('-').unwrap();
                range = Some((first.parse().unwrap(), last.parse::<usize>().unwrap()));
            }
        }
        self.asked
            .lock()
            .unwrap()
            .push((file.clone(), range.is_some()));
        if one_less(&self.busy) {
            return write!(
                stream,
                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        let Ok(bytes) = fs::read(self.folder.join(&file)) else {
            return write!(
                stream,
                "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        };
        let range = range.filter(|_| !self.without_ranges.load(SeqCst));
        let (status, part) = match range {
            None => ("200 OK".to_owned(), &bytes[..]),
            Some((first, last)) => {
                let last = last.min(bytes.len() - 1);
                let total = bytes.len();
                let head = format!("206 Part\r\nContent-Range: bytes {first}-{last}/{total}");
                (head, &bytes[first..=last])
            }
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            part.len()
        )?;
        let dies = file.ends_with(".tar") && one_less(&self.deaths);
        let part = if dies { &part[..part.len() / 2] } else { part };
        for piece in part.chunks(16 << 10) {
            stream.write_all(piece)?;
            if self.slow.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

fn one_less(count: &AtomicUsize) -> bool {
    count
        .fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1))
        .is_ok()
}

fn cache(folder: &TempDir, max_bytes: u64) -> Option<Cache> {
    let dir = folder.path().join("cache");
    Some(Cache { dir, max_bytes })
}

/// Bytes of all files of the cache.
fn held(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder.join("cache")) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| entry.metadata().map_or(0, |data| data.len());
    entries.flatten().map(size).sum()
}

fn all(shards: &Shards) -> Vec<ReadSample> {
    (0..shards.len())
        .map(|index| shards.get(index).unwrap())
        .collect()
}

#[test]
fn a_sample_is_one_range_and_equals_the_file() {
    let running = Running::start();
    let remote = running.open(None);
    assert_eq!(all(&remote), all(&running.local()));
    assert_eq!(running.asked(), (remote.len(), 0));
    assert!(
        !remote
            .get(0)
            .unwrap()
            .records::<Question>()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_shard_read_time_and_again_is_brought_once() {
    let running = Running::start();
    let folder = tempfile::tempdir().unwrap();
    let remote = running.open(cache(&folder, u64::MAX));
    assert_eq!(all(&remote), all(&running.local()));
    // Two samples by range, then the whole shard in one piece (it has less than 8 MiB).
    assert_eq!(running.asked(), (3 * running.set.shards.len(), 0));
    assert_eq!(all(&remote).len(), remote.len());
    assert_eq!(running.asked(), (0, 0));
    // Another reader, as another run would be, finds the shards there.
    assert_eq!(
        all(&running.open(cache(&folder, u64::MAX))).len(),
        remote.len()
    );
    assert_eq!(running.asked(), (0, 0));
    for shard in &running.set.shards {
        let path = folder
            .path()
            .join("cache")
            .join(format!("{}.tar", shard.sha256));
        assert_eq!(sha256_file(&path).unwrap(), shard.sha256);
    }
}

#[test]
fn the_cache_never_exceeds_its_limit_and_evicts_what_was_used_longest_ago() {
    let running = Running::start();
    let folder = tempfile::tempdir().unwrap();
    let limit = 3 * running.largest();
    let done = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !done.load(SeqCst) {
                most = most.max(held(folder.path()));
            }
            most
        });
        let remote = running.open(cache(&folder, limit));
        assert_eq!(all(&remote), all(&running.local()));
        done.store(true, SeqCst);
        watcher.join().unwrap()
    });
    assert!(most <= limit, "{most} > {limit}");
    assert!(most > running.largest(), "more than one shard is kept");
    // The last shards read are the ones that are left.
    let last = &running.set.shards[running.set.shards.len() - 1];
    let path = |sha: &str| folder.path().join("cache").join(format!("{sha}.tar"));
    assert!(path(&last.sha256).exists());
    assert!(!path(&running.set.shards[0].sha256).exists());
}

/// Threads and two readers with one cache folder (locks do not tell threads from processes), far
/// too small for what they read.
#[test]
fn readers_that_share_a_cache_do_not_disturb_each_other() {
    let running = Running::start();
    let folder = tempfile::tempdir().unwrap();
    let limit = 2 * running.largest();
    let expected = all(&running.local());
    let readers = [(); 2].map(|()| running.open(cache(&folder, limit)));
    std::thread::scope(|scope| {
        for (number, remote) in readers.iter().chain(&readers).enumerate() {
            let (expected, folder) = (&expected, &folder);
            scope.spawn(move || {
                let order = remote.order(1, number as u64 / 2).epoch(0);
                for position in 0..remote.len() {
                    let index = order.index(position);
                    assert_eq!(remote.get(index).unwrap(), expected[index]);
                    assert!(held(folder.path()) <= limit);
                }
            });
        }
    });
}

#[test]
fn threads_that_want_one_shard_bring_it_once() {
    let running = Running::start();
    running.server.slow.store(true, SeqCst);
    running.server.without_ranges.store(true, SeqCst);
    let folder = tempfile::tempdir().unwrap();
    let remote = running.open(cache(&folder, u64::MAX));
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for index in 0..4 {
            let (remote, start) = (&remote, &start);
            scope.spawn(move || {
                start.wait();
                remote.get(index).unwrap();
            });
        }
    });
    let (_, whole) = running.asked();
    assert_eq!(whole, 1);
}

#[test]
fn a_server_without_ranges_needs_a_cache() {
    let running = Running::start();
    running.server.without_ranges.store(true, SeqCst);
    let error = running.open(None).get(0).unwrap_err();
    assert!(matches!(error, ShardError::NoRanges { .. }), "{error}");
    assert!(error.to_string().contains("give a cache"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    // Room for one shard: the threads wait for each other.
    let remote = running.open(cache(&folder, running.largest()));
    let expected = all(&running.local());
    std::thread::scope(|scope| {
        for first in 0..2 {
            let (remote, expected) = (&remote, &expected);
            scope.spawn(move || {
                for index in (first..expected.len()).step_by(20) {
                    assert_eq!(remote.get(index).unwrap(), expected[index]);
                }
            });
        }
    });
    assert!(held(folder.path()) <= running.largest());
    let small = running.open(cache(&folder, running.largest() / 4));
    let error = small.get(0).unwrap_err();
    assert!(matches!(error, ShardError::NoRanges { .. }), "{error}");
}

#[test]
fn a_server_that_dies_half_way_or_is_busy_is_asked_again() {
    let running = Running::start();
    let expected = running.local().get(0).unwrap();
    running.server.deaths.store(1, SeqCst);
    assert_eq!(running.open(None).get(0).unwrap(), expected);
    running.server.busy.store(2, SeqCst);
    assert_eq!(running.open(None).get(0).unwrap(), expected);
    assert_eq!(running.asked().0, 3);
    // One that dies every time is not waited for for ever, and nothing broken is kept.
    running.server.deaths.store(usize::MAX, SeqCst);
    running.server.without_ranges.store(true, SeqCst);
    let folder = tempfile::tempdir().unwrap();
    let remote = running.open(cache(&folder, u64::MAX));
    let error = remote.get(0).unwrap_err();
    assert!(matches!(error, ShardError::Io { .. }), "{error}");
    assert!(error.to_string().contains("shard-000000.tar"), "{error}");
    assert_eq!(held(folder.path()), 0);
    running.server.deaths.store(0, SeqCst);
    assert_eq!(remote.get(0).unwrap(), expected);
}

/// What a process that was killed while it brought a shard leaves, and what a disk that lost a
/// write leaves.
#[test]
fn what_is_torn_or_left_in_the_cache_is_brought_again() {
    let running = Running::start();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes.txt"), b"not ours").unwrap();
    let shard = &running.set.shards[0];
    let left = dir.join(format!("{}.partial", running.set.shards[1].sha256));
    fs::write(&left, vec![0; running.largest() as usize]).unwrap();
    let local = running.local();
    let remote = running.open(cache(&folder, running.largest() + 100));
    (0..4).for_each(|index| assert_eq!(remote.get(index).unwrap(), local.get(index).unwrap()));
    let whole = dir.join(format!("{}.tar", shard.sha256));
    assert!(whole.exists() && !left.exists());
    assert!(dir.join("notes.txt").exists());

    let bytes = fs::read(&whole).unwrap();
    for torn in [vec![0; bytes.len()], bytes[..bytes.len() / 2].to_vec()] {
        fs::write(&whole, torn).unwrap();
        assert_eq!(remote.get(0).unwrap(), local.get(0).unwrap());
        assert_eq!(remote.get(1).unwrap(), local.get(1).unwrap());
        assert_eq!(sha256_hex(&fs::read(&whole).unwrap()), shard.sha256);
    }
}

#[test]
fn a_shard_that_changed_on_the_server_is_found() {
    let running = Running::start();
    let path = running.server.folder.join(&running.set.shards[0].file);
    let mut bytes = fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let remotes = [running.open(None), running.open(cache(&folder, u64::MAX))];
    bytes[600] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for remote in &remotes {
        let error = remote.get(0).unwrap_err();
        assert!(matches!(error, ShardError::Changed { .. }), "{error}");
    }
    // Sample 1 is as it was; but the whole shard is not, and is never kept.
    remotes[1].get(1).unwrap();
    let error = remotes[1].get(1).unwrap_err();
    assert!(matches!(error, ShardError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("sha256"), "{error}");
    assert_eq!(held(folder.path()), 0);
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let error = remotes[0].get(1).unwrap_err();
    assert!(error.to_string().contains("not the file"), "{error}");
}

#[test]
fn addresses_that_cannot_be_meant_and_missing_sets_say_so() {
    let running = Running::start();
    let open = |location: &str| Shards::open(location, None).err().unwrap();
    let error = open(&format!("{}absent", running.address));
    assert!(matches!(error, ShardError::NoSet { .. }), "{error}");
    for wrong in [
        "http://host/a?b",
        "http://host/a b",
        "nonsense://x",
        "http://",
    ] {
        let error = open(wrong);
        assert!(matches!(error, ShardError::Io { .. }), "{error}");
    }
    fs::remove_file(running.server.folder.join("shard-000001.index.json")).unwrap();
    let error = running.open(None).get(16).unwrap_err();
    assert!(
        error.to_string().contains("shard-000001.index.json"),
        "{error}"
    );
}
