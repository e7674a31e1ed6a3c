//! Shards on a web server.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::time::Duration;

use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::source::{SourceError, cut_off, within};

/// Pauses before a request is made again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// No server takes so long to begin an answer, or between two parts of one.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Http {
    agent: Agent,
    /// Ends in `/`.
    base: String,
}

/// An answer to a request for a range.
enum Answer {
    Part(Vec<u8>),
    /// The server sends whole files only.
    Whole,
}

impl Http {
    pub(super) fn new(location: &str) -> io::Result<Self> {
        if location.contains(['?', '#']) || location.contains(char::is_whitespace) {
            let message = format!("`{location}` is not the address of a folder");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Offsets are those of the file as it is.
            .accept_encoding("identity")
            // Redirected to an open connection, anybody on the way could change the index.
            .https_only(location.starts_with("https://"))
            .user_agent(concat!("miss-data/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        Ok(Self {
            agent: config.into(),
            base: format!("{}/", location.trim_end_matches('/')),
        })
    }

    pub(super) fn place(&self, file: &str) -> String {
        format!("{}{file}", self.base)
    }

    pub(super) fn small(&self, file: &str, limit: u64) -> io::Result<Vec<u8>> {
        retry(|| {
            let mut response = self.get(file, None)?;
            expect(response.status(), StatusCode::OK)?;
            let expected = response.body().content_length();
            let mut bytes = Vec::new();
            let body = response.body_mut().as_reader();
            body.take(limit + 1).read_to_end(&mut bytes)?;
            let bytes = within(bytes, limit)?;
            match expected {
                Some(expected) if expected != bytes.len() as u64 => {
                    Err(cut_off(bytes.len() as u64, expected))
                }
                _ => Ok(bytes),
            }
        })
    }

    /// `range` of `file`, which has `total` bytes.
    pub(super) fn range(
        &self,
        file: &str,
        range: Range<u64>,
        total: u64,
    ) -> Result<Vec<u8>, SourceError> {
        let wanted = range.end - range.start;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let answer = retry(|| {
            let mut response = self.get(file, Some(&range))?;
            if response.status() == StatusCode::OK {
                return Ok(Answer::Whole);
            }
            expect(response.status(), StatusCode::PARTIAL_CONTENT)?;
            check_range(&response, &range, total)?;
            let mut bytes = Vec::new();
            let body = response.body_mut().as_reader();
            body.take(wanted + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != wanted {
                return Err(cut_off(bytes.len() as u64, wanted));
            }
            Ok(Answer::Part(bytes))
        })?;
        match answer {
            Answer::Part(bytes) => Ok(bytes),
            Answer::Whole => Err(SourceError::NoRanges),
        }
    }

    /// The whole of `file`, which has `total` bytes, into `out`.
    pub(super) fn stream(&self, file: &str, total: u64, out: &mut File) -> io::Result<()> {
        retry(|| {
            let mut response = self.get(file, None)?;
            expect(response.status(), StatusCode::OK)?;
            out.seek(SeekFrom::Start(0))?;
            let mut body = response.body_mut().as_reader();
            let mut piece = vec![0; 1 << 16];
            let mut found = 0;
            loop {
                let count = body.read(&mut piece)?;
                found += count as u64;
                if count == 0 || found > total {
                    break;
                }
                out.write_all(&piece[..count])?;
            }
            match found {
                found if found < total => Err(cut_off(found, total)),
                found if found > total => Err(changed(format!("it has more than {total} bytes"))),
                _ => Ok(()),
            }
        })
    }

    fn get(&self, file: &str, range: Option<&Range<u64>>) -> io::Result<Response<Body>> {
        let mut request = self.agent.get(self.place(file));
        if let Some(range) = range {
            let last = range.end - 1;
            request = request.header("Range", format!("bytes={}-{last}", range.start));
        }
        request.call().map_err(|error| match error {
            ureq::Error::Io(error) => error,
            other => io::Error::other(other),
        })
    }
}

/// Makes a request again if the connection broke or the server was busy.
fn retry<T>(mut request: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for pause in PAUSES {
        match request() {
            Err(error) if !is_final(error.kind()) => std::thread::sleep(pause),
            done => return done,
        }
    }
    request()
}

fn is_final(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, PermissionDenied, StorageFull};
    matches!(
        kind,
        InvalidData | NotFound | PermissionDenied | StorageFull
    )
}

fn expect(found: StatusCode, wanted: StatusCode) -> io::Result<()> {
    if found == wanted {
        return Ok(());
    }
    let kind = match found {
        StatusCode::NOT_FOUND | StatusCode::GONE => io::ErrorKind::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => io::ErrorKind::PermissionDenied,
        StatusCode::RANGE_NOT_SATISFIABLE => {
            return Err(changed("the server has no such bytes of it".into()));
        }
        status if status.is_server_error() => io::ErrorKind::Other,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => io::ErrorKind::Other,
        _ => io::ErrorKind::InvalidData,
    };
    Err(io::Error::new(kind, format!("the server answered {found}")))
}

/// Whether the part that comes is the one that was asked for, of a file of the right size.
fn check_range(response: &Response<Body>, range: &Range<u64>, total: u64) -> io::Result<()> {
    let header = response.headers().get("content-range");
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or("");
    let wanted = format!("bytes {}-{}/", range.start, range.end - 1);
    let size = text.strip_prefix(&wanted);
    match size.map(str::parse::<u64>) {
        Some(Ok(size)) if size == total => Ok(()),
        _ if size == Some("*") => Ok(()),
        _ => Err(changed(format!(
            "the server sent {text:?} instead of `{wanted}{total}`"
        ))),
    }
}

fn changed(what: String) -> io::Error {
    let message = format!("{what}: it is not the file the index was made from");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
