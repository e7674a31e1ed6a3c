//! The calls of batch mode, over the [client](crate::llm::Client): its key, its limits and its retries.

use reqwest::Method;
use serde_json::Value;

use crate::llm::client::{Attempt, Missed};
use crate::llm::{Client, Endpoint, Failure, Limits, SetUpError};

/// A larger answer about a batch or a file is none.
const MAX_JSON: usize = 4 << 20;
/// A larger file of answers is not taken.
const MAX_FILE: usize = 512 << 20;
/// Pages of a list that are read, of a hundred entries each.
const PAGES: usize = 100;
/// Shortest time-out of a transfer, in seconds: 200 MB at 60 kB/s.
const TRANSFER: u64 = 3_600;

/// Where batches are run.
#[derive(Clone, Debug)]
pub struct BatchServer {
    client: Client,
    /// The same with time for large files.
    transfers: Client,
    base_url: String,
}

/// What a server made, as its id, or why it refused to.
type Made = Result<String, Failure>;

impl BatchServer {
    /// The server of `endpoint`, called as [`Client`] calls it. The key is read now; nothing is sent.
    ///
    /// # Errors
    /// [`SetUpError`]: as [`Client::new`].
    pub fn new(endpoint: &Endpoint, limits: &Limits) -> Result<Self, SetUpError> {
        let long = Limits {
            timeout_seconds: limits.timeout_seconds.max(TRANSFER),
            ..limits.clone()
        };
        Ok(Self {
            client: Client::new(endpoint, limits)?,
            transfers: Client::new(endpoint, &long)?,
            base_url: endpoint.base_url.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// One line of what the server said, without the key.
    pub(super) fn told(&self, text: &str) -> String {
        self.client.told(text)
    }

    /// Without the key, which a server might say.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.client.scrub(text)
    }

    /// The file of this name, uploaded unless it is there. Each attempt looks for what an earlier one has left.
    pub(super) async fn upload(&self, name: &str, lines: &str) -> Result<Made, Failure> {
        let attempt = || async {
            if let Some(file) = self.look_for_file(name).await? {
                return Ok(Ok(file));
            }
            let part = reqwest::multipart::Part::text(lines.to_owned())
                .file_name(name.to_owned())
                .mime_str("application/jsonl")
                .map_err(|error| Missed::Failed(self.client.broken(&error.to_string())))?;
            let form = reqwest::multipart::Form::new()
                .text("purpose", "batch")
                .part("file", part);
            let request = self.transfers.builder(Method::POST, "files");
            self.made(&self.transfers, request.multipart(form)).await
        };
        self.transfers.repeat(name, 0, attempt).await
    }

    /// The batch over this file, created unless there is one. Each attempt looks for what an earlier one has left.
    pub(super) async fn create(&self, file: &str) -> Result<Made, Failure> {
        let body = serde_json::json!({
            "input_file_id": file,
            "endpoint": super::ENDPOINT,
            "completion_window": "24h",
        });
        let attempt = || async {
            if let Some(batch) = self.look_for_batch(file).await? {
                return Ok(Ok(batch));
            }
            let request = self.client.builder(Method::POST, "batches");
            self.made(&self.client, request.json(&body)).await
        };
        self.client.repeat(file, 0, attempt).await
    }

    /// The id of an uploaded batch file of this name.
    pub(super) async fn find_file(&self, name: &str) -> Result<Option<String>, Failure> {
        let attempt = || self.look_for_file(name);
        self.client.repeat(name, 0, attempt).await
    }

    /// The id of a batch over this file.
    pub(super) async fn find_batch(&self, file: &str) -> Result<Option<String>, Failure> {
        let attempt = || self.look_for_batch(file);
        self.client.repeat(file, 0, attempt).await
    }

    /// A batch as it stands.
    pub(super) async fn batch(&self, batch: &str) -> Result<Value, Failure> {
        let path = format!("batches/{batch}");
        let attempt = || self.json(&self.client, self.client.builder(Method::GET, &path));
        self.client.repeat(&path, 0, attempt).await
    }

    /// What is in a file.
    pub(super) async fn content(&self, file: &str) -> Result<Vec<u8>, Failure> {
        let path = format!("files/{file}/content");
        let attempt = || {
            let request = self.transfers.builder(Method::GET, &path);
            self.transfers.attempt(request, MAX_FILE)
        };
        let (_, bytes) = self.transfers.repeat(&path, 0, attempt).await?;
        Ok(bytes)
    }

    /// The id that a field of a batch holds, if it holds one.
    pub(super) fn id_in(&self, batch: &Value, field: &str) -> Result<Option<String>, Failure> {
        match batch[field].as_str() {
            None | Some("") => Ok(None),
            Some(id) if is_id(id) => Ok(Some(id.to_owned())),
            Some(_) => Err(self.client.broken(&format!("{field} is no id"))),
        }
    }

    async fn look_for_file(&self, name: &str) -> Attempt<Option<String>> {
        self.look("files?purpose=batch&limit=100", |entry| {
            entry["filename"] == name
        })
        .await
    }

    async fn look_for_batch(&self, file: &str) -> Attempt<Option<String>> {
        self.look("batches?limit=100", |entry| entry["input_file_id"] == file)
            .await
    }

    /// The first entry of a list that `is` the one, newest first.
    async fn look(
        &self,
        path: &str,
        is: impl Fn(&Value) -> bool + Send,
    ) -> Attempt<Option<String>> {
        let failed = |what: &str| Missed::Failed(self.client.broken(what));
        let mut after = String::new();
        for _ in 0..PAGES {
            let request = self.client.builder(Method::GET, &format!("{path}{after}"));
            let list = self.json(&self.client, request).await?;
            let Some(entries) = list["data"].as_array() else {
                return Err(failed("the list has no data"));
            };
            if let Some(found) = entries.iter().find(|entry| is(entry)) {
                return self.id(found).map(Some);
            }
            match (entries.last(), list["has_more"].as_bool()) {
                (Some(last), Some(true)) => after = format!("&after={}", self.id(last)?),
                _ => return Ok(None),
            }
        }
        Err(failed("the list does not end"))
    }

    /// What a request to make something comes to.
    async fn made(&self, client: &Client, request: reqwest::RequestBuilder) -> Attempt<Made> {
        match self.json(client, request).await {
            Ok(value) => self.id(&value).map(Ok),
            Err(Missed::Failed(failure)) => Ok(Err(failure)),
            Err(again) => Err(again),
        }
    }

    async fn json(&self, client: &Client, request: reqwest::RequestBuilder) -> Attempt<Value> {
        let (_, bytes) = client.attempt(request, MAX_JSON).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Missed::Again(self.client.broken(&format!("no JSON: {error}")), None))
    }

    fn id(&self, value: &Value) -> Attempt<String> {
        match value["id"].as_str().filter(|id| is_id(id)) {
            Some(id) => Ok(id.to_owned()),
            None => Err(Missed::Again(
                self.client.broken("no id that can be one"),
                None,
            )),
        }
    }
}

/// Whether it can be part of an address.
fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=200).contains(&id.len()) && id.bytes().all(fits)
}
