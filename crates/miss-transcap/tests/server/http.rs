//! Just enough of HTTP/1.1 to be a server: requests with a Content-Length, keep-alive.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAX: usize = 64 << 20;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Every byte, head and body.
    pub raw: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The next request of a connection, or `None` at its end. `rest` holds what was read beyond the last one.
pub async fn receive(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Option<Received>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let end = loop {
        if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if rest.len() > MAX || stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().ok_or_else(wrong)?.split(' ');
    let mut received = Received {
        method: first.next().unwrap_or_default().into(),
        target: first.next().ok_or_else(wrong)?.into(),
        ..Received::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        received.headers.push((name, value));
    }
    assert!(received.header("transfer-encoding").is_none());
    let length: usize = match received.header("content-length") {
        Some(length) => length.parse().map_err(|_| wrong())?,
        None => 0,
    };
    if received.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while rest.len() < end + length {
        if length > MAX || stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
    received.body = rest[end..end + length].to_vec();
    received.raw = rest.drain(..end + length).collect();
    Ok(Some(received))
}

/// A reply whose length is as said.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    reply_of_length(status, headers, body, body.len())
}

/// A reply that says it has `length` bytes.
pub fn reply_of_length(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    length: usize,
) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n");
    if !headers.iter().any(|(name, _)| *name == "Content-Type") {
        head.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
