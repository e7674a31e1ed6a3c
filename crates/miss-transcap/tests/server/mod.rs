//! A server on loopback that speaks as much of OpenAI's protocol as is needed, does what is wrong as it is told, and
//! keeps a record of all that reaches it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod batches;
pub mod faults;
pub mod http;
pub mod model;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use batches::Batches;
use faults::Fault;
use http::{Received, receive, reply, reply_of_length};

/// Which fault a call meets: from its number (from 0, in order of arrival) and how often its key was asked before.
pub type Schedule = Box<dyn Fn(u64, usize) -> Option<Fault> + Send + Sync>;

/// A call of `/v1/chat/completions`.
#[derive(Clone, Debug)]
pub struct Call {
    /// The `Idempotency-Key`, empty without one.
    pub key: String,
    pub fault: Option<Fault>,
    /// When it had arrived whole, and when the server was done with it.
    pub arrived: Instant,
    pub ended: Option<Instant>,
    /// Its complete answer was written, for the first time under its key.
    pub billed: bool,
    /// Tokens of a complete answer.
    pub tokens: u64,
}

#[derive(Default)]
pub struct Record {
    /// Every request to any path.
    pub received: Vec<Received>,
    pub calls: Vec<Call>,
    /// Most calls at once.
    pub most: usize,
    now: usize,
    /// Answers under their key.
    stored: HashMap<String, Value>,
    pub batches: Batches,
    /// The request (from 1) that is carried out and never replied to, outside chat; and whether it has come.
    pub hang_at: Option<usize>,
    pub hung: bool,
    /// Replies to the next requests outside chat, instead of what they ask for: statuses.
    pub refuse: Vec<u16>,
    /// The same for one request, by its number from 0.
    pub refuse_at: Option<(usize, u16)>,
}

impl Record {
    /// How often each key was billed.
    pub fn bills(&self) -> HashMap<&str, usize> {
        let mut bills = HashMap::new();
        for call in self.calls.iter().filter(|call| call.billed) {
            *bills.entry(call.key.as_str()).or_default() += 1;
        }
        bills
    }

    /// The most calls that arrived within any `window`, by trying every start.
    pub fn most_within(&self, window: Duration) -> usize {
        let times: Vec<Instant> = self.calls.iter().map(|call| call.arrived).collect();
        let within = |start: &Instant| {
            let inside = |time: &&Instant| *time >= start && time.duration_since(*start) < window;
            times.iter().filter(inside).count()
        };
        times.iter().map(within).max().unwrap_or(0)
    }
}

/// The server; it runs as long as this lives.
pub struct Server {
    pub record: Arc<Mutex<Record>>,
    pub base: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// `delay` is what a correct answer takes.
    pub fn start(delay: Duration, schedule: Schedule) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let record = Arc::new(Mutex::new(Record::default()));
        let (kept, schedule) = (Arc::clone(&record), Arc::new(schedule));
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (record, schedule) = (Arc::clone(&kept), Arc::clone(&schedule));
                // A client may go away at any time.
                tokio::spawn(async move { serve(stream, &record, &schedule, delay).await.ok() });
            }
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // Ends when the sender is dropped with the server.
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! { () = accept => {}, _ = stopped => {} }
            });
        });
        Self {
            record,
            base,
            _stop: stop,
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    record: &Mutex<Record>,
    schedule: &Schedule,
    delay: Duration,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut rest = Vec::new();
    while let Some(received) = receive(&mut stream, &mut rest).await? {
        record.lock().unwrap().received.push(received.clone());
        let path = received.target.split('?').next().unwrap_or_default();
        if path == "/v1/chat/completions" && received.method == "POST" {
            let number = enter(record, &received, schedule);
            let kept = chat(&mut stream, record, number, &received, delay).await;
            let mut record = record.lock().unwrap();
            record.now -= 1;
            record.calls[number].ended = Some(Instant::now());
            if !kept? {
                return Ok(());
            }
            continue;
        }
        let bytes = match path {
            "/v1/models" => {
                let list =
                    json!({ "object": "list", "data": [{ "id": "small", "object": "model" }] });
                reply(200, &[], list.to_string().as_bytes())
            }
            _ => {
                let mut record = record.lock().unwrap();
                let number = record.received.len() - 1;
                let at = record.refuse_at.filter(|(at, _)| *at == number);
                match record.refuse.pop().or(at.map(|(_, status)| status)) {
                    Some(status) => reply(status, &[("Retry-After", "0")], b"no"),
                    None => record.batches.answer(&received),
                }
            }
        };
        let hangs = {
            let mut record = record.lock().unwrap();
            record.hung |= record.hang_at == Some(record.received.len());
            record.hung
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        stream.write_all(&bytes).await?;
    }
    Ok(())
}

fn enter(record: &Mutex<Record>, received: &Received, schedule: &Schedule) -> usize {
    let mut record = record.lock().unwrap();
    let key = received.header("idempotency-key").unwrap_or_default();
    let before = record.calls.iter().filter(|call| call.key == key).count();
    let number = record.calls.len();
    record.now += 1;
    record.most = record.most.max(record.now);
    record.calls.push(Call {
        key: key.to_owned(),
        fault: schedule(number as u64, before),
        arrived: Instant::now(),
        ended: None,
        billed: false,
        tokens: 0,
    });
    number
}

/// Answers a call; false where the connection is over.
async fn chat(
    stream: &mut TcpStream,
    record: &Mutex<Record>,
    number: usize,
    received: &Received,
    delay: Duration,
) -> io::Result<bool> {
    let (fault, key) = {
        let record = record.lock().unwrap();
        (record.calls[number].fault, record.calls[number].key.clone())
    };
    let Ok(body) = serde_json::from_slice::<Value>(&received.body) else {
        stream.write_all(&reply(400, &[], b"no JSON")).await?;
        return Ok(true);
    };
    if let Some(bytes) = fault.and_then(Fault::failure) {
        stream.write_all(&bytes).await?;
        return Ok(fault != Some(Fault::TooLong));
    }
    tokio::time::sleep(delay).await;
    let stored = record.lock().unwrap().stored.get(&key).cloned();
    let old = stored.is_some();
    let answer = stored.unwrap_or_else(|| {
        let mut answer = model::answer(&body);
        fault.into_iter().for_each(|fault| fault.spoil(&mut answer));
        answer
    });
    let text = answer.to_string().into_bytes();
    let whole = reply(200, &[], &text);
    match fault {
        Some(Fault::Closed) => return Ok(false),
        Some(Fault::Reset) => {
            stream.write_all(&whole[..whole.len() / 2]).await?;
            // The kernel sends RST instead of FIN, and what is not yet sent is lost.
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Some(Fault::Stuck) => {
            let head = reply_of_length(200, &[], b"", text.len() + 1_000_000);
            stream.write_all(&head).await?;
            for _ in 0..600 {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            return Ok(false);
        }
        Some(Fault::Drip) => {
            for piece in whole.chunks(whole.len() / 8 + 1) {
                stream.write_all(piece).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        _ => stream.write_all(&whole).await?,
    }
    let mut record = record.lock().unwrap();
    let usage = answer["usage"]["total_tokens"].as_u64().unwrap_or(0);
    record.calls[number].tokens = usage;
    record.calls[number].billed = !old;
    if !key.is_empty() {
        record.stored.insert(key, answer);
    }
    Ok(true)
}
