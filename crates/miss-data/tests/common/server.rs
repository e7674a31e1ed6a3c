//! A small HTTP server that misbehaves as it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is wrong with one answer.
#[derive(Clone)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Dies(usize),
    /// Ranges are ignored.
    Whole,
    /// This status instead.
    Status(u16),
    /// Busy, and to be asked again after so many seconds.
    Busy(u64),
    /// Another length is stated than comes.
    Length(usize),
    /// Other bytes.
    Bytes(Vec<u8>),
    /// Sent elsewhere.
    Redirect(String),
    /// A part that was not asked for.
    OtherPart,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Faults by path, first come first served; afterwards all is well.
    faults: BTreeMap<String, Vec<Fault>>,
    asked: Vec<Asked>,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    /// First byte asked for.
    pub start: usize,
    pub if_range: Option<String>,
}

pub struct Server {
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Serves until the test's process ends.
    pub fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            files: files.into_iter().collect(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is its own affair.
                std::thread::spawn(move || answer(&stream, &shared).ok());
            }
        });
        Self { address, state }
    }

    pub fn fault(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut state = self.state.lock().unwrap();
        state
            .faults
            .insert(path.into(), faults.into_iter().collect());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn answer(stream: &TcpStream, shared: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap()?;
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let (mut start, mut if_range) = (0, None);
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=").unwrap();
                start = range.strip_suffix('-').unwrap().parse().unwrap();
            }
            "if-range" => if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    let (fault, content) = {
        let mut state = shared.lock().unwrap();
        state.asked.push(Asked {
            path: path.clone(),
            start,
            if_range,
        });
        let faults = state
            .faults
            .get_mut(&path)
            .filter(|faults| !faults.is_empty());
        (
            faults.map(|faults| faults.remove(0)),
            state.files.get(&path).cloned(),
        )
    };
    let mut stream = stream;
    let Some(mut content) = content else {
        return plain(stream, 404, "");
    };
    let tag = format!("\"{}\"", content.len());
    let (mut dies, mut length) = (usize::MAX, None);
    match fault {
        Some(Fault::Status(status)) => return plain(stream, status, ""),
        Some(Fault::Busy(wait)) => {
            return plain(stream, 503, &format!("Retry-After: {wait}\r\n"));
        }
        Some(Fault::Redirect(to)) => return plain(stream, 302, &format!("Location: {to}\r\n")),
        Some(Fault::Whole) => start = 0,
        Some(Fault::Dies(after)) => dies = after,
        Some(Fault::Length(stated)) => length = Some(stated),
        Some(Fault::Bytes(bytes)) => content = bytes,
        Some(Fault::OtherPart) => start += 1,
        None => {}
    }
    let body = &content[start.min(content.len())..];
    let length = length.unwrap_or(body.len());
    let total = content.len();
    let head = match start {
        0 => "HTTP/1.1 200 OK\r\n".to_owned(),
        _ => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            total.saturating_sub(1)
        ),
    };
    write!(
        stream,
        "{head}Content-Length: {length}\r\nETag: {tag}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body[..dies.min(body.len())])?;
    stream.flush()
}

fn plain(mut stream: &TcpStream, status: u16, headers: &str) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} So\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
}
