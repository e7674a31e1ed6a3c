//! A server on loopback that speaks as much of OpenAI's protocol as is needed, does what is wrong as it is told, and
//! keeps a record of all that reaches it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod batches;
pub mod faults;
pub mod http;
pub mod model;
pub mod tuples;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
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
    /// Its complete answer was written.
    pub answered: bool,
    /// And for the first time under its key.
    pub billed: bool,
    /// Tokens of a complete answer, whatever the answer says of them.
    pub tokens: u64,
    /// What its 429 asks for.
    pub pause: Option<Duration>,
}

#[derive(Default)]
pub struct Record {
    /// Every request to any path.
    pub received: Vec<Received>,
    pub calls: Vec<Call>,
    /// Answers under their key.
    stored: HashMap<String, Value>,
    /// The latest content.
    latest: Value,
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

    /// By how much calls, or what `cost` says of each, were above `rate` a second, over all windows: the most of
    /// `sum - rate * seconds`, which a smooth limit holds below its burst.
    pub fn worst_burst(&self, rate: f64, cost: impl Fn(&Call) -> u64) -> f64 {
        let mut worst = f64::MIN;
        for (first, start) in self.calls.iter().enumerate() {
            let mut sum = 0.0;
            for end in &self.calls[first..] {
                sum += cost(end) as f64;
                let seconds = end.arrived.duration_since(start.arrived).as_secs_f64();
                worst = worst.max(sum - rate * seconds);
            }
        }
        worst
    }

    /// The most calls under way at once, by trying every arrival. A client leaves a call after `timeout`, even where
    /// the server goes on.
    pub fn most_at_once(&self, timeout: Duration) -> usize {
        let under_way = |now: &Call| {
            let at = |call: &&Call| {
                let end = call.arrived + timeout;
                let end = call.ended.map_or(end, |ended| ended.min(end));
                call.arrived <= now.arrived && end > now.arrived
            };
            self.calls.iter().filter(at).count()
        };
        self.calls.iter().map(under_way).max().unwrap_or(0)
    }
}

/// The server; it runs as long as this lives.
pub struct Server {
    pub record: Arc<Mutex<Record>>,
    pub base: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// The record once every call has ended: a client may know of an end a little before the server has noted it.
    pub fn at_rest(&self) -> MutexGuard<'_, Record> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let record = self.record.lock().unwrap();
            let open = record.calls.iter().any(|call| call.ended.is_none());
            if !open || Instant::now() > end {
                return record;
            }
            drop(record);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

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
            record.calls[number].ended.get_or_insert(Instant::now());
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
    record.calls.push(Call {
        key: key.to_owned(),
        fault: schedule(number as u64, before),
        arrived: Instant::now(),
        ended: None,
        answered: false,
        billed: false,
        tokens: 0,
        pause: None,
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
    if let Some((bytes, pause)) = fault.and_then(Fault::failure) {
        stream.write_all(&bytes).await?;
        record.lock().unwrap().calls[number].pause = pause;
        return Ok(fault != Some(Fault::TooLong));
    }
    tokio::time::sleep(delay).await;
    let honest = model::answer(&body);
    let tokens = honest["usage"]["total_tokens"].as_u64().unwrap_or(0);
    let answer = {
        let mut record = record.lock().unwrap();
        let before = std::mem::replace(
            &mut record.latest,
            honest["choices"][0]["message"]["content"].clone(),
        );
        record.stored.get(&key).cloned().unwrap_or_else(|| {
            let mut answer = honest;
            fault.into_iter().for_each(|fault| fault.spoil(&mut answer));
            if fault == Some(Fault::OfAnother) && before.is_string() {
                answer["choices"][0]["message"]["content"] = before;
            }
            answer
        })
    };
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
            let mut nothing = [0];
            for _ in 0..600 {
                stream.write_all(b" ").await?;
                tokio::select! {
                    // Nothing to read: the client has gone.
                    _ = stream.peek(&mut nothing) => return Ok(false),
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            }
            return Ok(false);
        }
        Some(Fault::Huge) => {
            let body = vec![b' '; 5 << 20];
            let bytes = reply(200, &[], &body);
            let (most, rest) = bytes.split_at(4 << 20);
            stream.write_all(most).await?;
            // Enough for a client to see that it is too much.
            record.lock().unwrap().calls[number].ended = Some(Instant::now());
            stream.write_all(rest).await?;
            return Ok(false);
        }
        Some(Fault::Drip) => {
            for piece in whole.chunks(whole.len() / 8 + 1) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                stream.write_all(piece).await?;
            }
        }
        _ => stream.write_all(&whole).await?,
    }
    let mut record = record.lock().unwrap();
    let old = !key.is_empty() && record.stored.insert(key, answer).is_some();
    let call = &mut record.calls[number];
    call.tokens = tokens;
    call.answered = true;
    call.billed = !old;
    Ok(true)
}
