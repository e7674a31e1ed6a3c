//! A server on loopback that replies as a closure says, and what the client's tests ask it.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../server/http.rs"]
pub mod http;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use miss_transcap::llm::{Client, Endpoint, Limits, Parameters, Prompt, Request, Structured};
use miss_transcap::{Attributes, Modality, Organ};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use http::{Received, receive, reply};

/// What a server does with a request.
pub enum Reply {
    Now(Vec<u8>),
    After(Duration, Vec<u8>),
    /// Bytes one by one, so far apart.
    Drip(Duration, Vec<u8>),
    /// These bytes and the end of the connection.
    Close(Vec<u8>),
    /// These bytes, and then silence.
    Stall(Vec<u8>),
    /// These bytes and a reset.
    Reset(Vec<u8>),
    /// These bytes for ever.
    Endless(Vec<u8>, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub received: Received,
    pub arrived: Instant,
    pub ended: Option<Instant>,
}

pub struct Scripted {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    /// `script` is told the number of the request, from 0.
    pub async fn start(script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (kept, script) = (seen.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, script) = (kept.clone(), script.clone());
                tokio::spawn(async move { serve(stream, &kept, &*script).await.ok() });
            }
        });
        Self { base, seen }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn endpoint(&self) -> Endpoint {
        endpoint(&self.base)
    }

    pub fn client(&self, limits: &Limits) -> Client {
        Client::new(&self.endpoint(), limits).unwrap()
    }
}

async fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Seen>>,
    script: &(impl Fn(usize, &Received) -> Reply + ?Sized),
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut rest = Vec::new();
    while let Some(received) = receive(&mut stream, &mut rest).await? {
        let number = {
            let mut kept = kept.lock().unwrap();
            kept.push(Seen {
                received: received.clone(),
                arrived: Instant::now(),
                ended: None,
            });
            kept.len() - 1
        };
        let mut done = false;
        match script(number, &received) {
            Reply::Now(bytes) => stream.write_all(&bytes).await?,
            Reply::After(time, bytes) => {
                tokio::time::sleep(time).await;
                // Before the write, so that the next request cannot come earlier than this.
                kept.lock().unwrap()[number].ended = Some(Instant::now());
                stream.write_all(&bytes).await?;
            }
            Reply::Drip(pause, bytes) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Reply::Stall(bytes) => {
                stream.write_all(&bytes).await?;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            Reply::Close(bytes) => {
                stream.write_all(&bytes).await?;
                done = true;
            }
            Reply::Reset(bytes) => {
                stream.write_all(&bytes).await?;
                // Lets the bytes arrive; with no linger the kernel then sends RST.
                tokio::time::sleep(Duration::from_millis(20)).await;
                stream.set_zero_linger()?;
                done = true;
            }
            Reply::Endless(head, piece) => {
                stream.write_all(&head).await?;
                loop {
                    stream.write_all(&piece).await?;
                }
            }
        }
        if done {
            break;
        }
    }
    Ok(())
}

pub fn endpoint(base: &str) -> Endpoint {
    Endpoint {
        base_url: base.into(),
        key_env: None,
        key_file: None,
        azure_api_version: None,
        allow_plain_http: false,
    }
}

/// Limits that make tests short: hardly any back-off.
pub fn quick() -> Limits {
    Limits {
        attempts: 3,
        backoff_milliseconds: 10,
        timeout_seconds: 10,
        read_timeout_seconds: 10,
        ..Limits::default()
    }
}

/// A request; equal numbers make equal requests.
pub fn request(number: u64) -> Request {
    let prompt = "id='t'\nversion=1\nsystem='Write captions.'\nuser='{count} of\n{attributes}'";
    let prompt = Prompt::parse(&prompt.replace("of\n", "of ")).unwrap();
    let parameters = Parameters {
        model: "small".into(),
        temperature: None,
        seed: Some(number),
        max_tokens: 100,
        completion_tokens_field: false,
        structured: Structured::JsonSchema,
    };
    let attributes = Attributes {
        modality: Some(Modality::Ct),
        organ: Some(Organ::find("chest").unwrap()),
        ..Attributes::default()
    };
    Request::new(&prompt, &parameters, &attributes, 1).unwrap()
}

pub const CAPTION: &str = "A CT image of the chest.";

/// A response as the protocol has it.
pub fn chat() -> Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "small",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": json!({ "captions": [CAPTION] }).to_string()},
        }],
        "usage": {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32},
    })
}

pub fn ok() -> Vec<u8> {
    reply(200, &[], chat().to_string().as_bytes())
}

/// An error as OpenAI words it.
pub fn error(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let body = json!({"error": {"message": "as told", "type": "test", "code": null}});
    reply(status, headers, body.to_string().as_bytes())
}
