//! The calls of batch mode.

use serde_json::Value;

use super::BatchError;
use super::lines::shown;

/// A larger answer about a batch or a file is none.
const MAX_JSON: usize = 4 << 20;
/// A larger file of answers is not taken.
const MAX_FILE: usize = 512 << 20;
/// Pages of a list that are read, of a hundred entries each.
const PAGES: usize = 20;

/// Where batches are run.
#[derive(Clone, Debug)]
pub struct BatchServer {
    http: reqwest::Client,
    base: String,
}

impl BatchServer {
    /// `http` carries the key, as a sensitive default header, and the timeouts; it should follow no redirects.
    /// `base_url` goes up to and with the version: `https://host/v1`.
    #[must_use]
    pub fn new(http: reqwest::Client, base_url: &str) -> Self {
        Self {
            http,
            base: base_url.trim_end_matches('/').to_owned(),
        }
    }

    pub(super) async fn upload(&self, name: &str, lines: String) -> Result<String, BatchError> {
        let call = "POST /files";
        let part = reqwest::multipart::Part::text(lines)
            .file_name(name.to_owned())
            .mime_str("application/jsonl")
            .map_err(|error| BatchError::of(call, &error))?;
        let form = reqwest::multipart::Form::new()
            .text("purpose", "batch")
            .part("file", part);
        let request = self.http.post(format!("{}/files", self.base));
        id(call, &json(call, request.multipart(form)).await?)
    }

    pub(super) async fn create(&self, file: &str) -> Result<String, BatchError> {
        let call = "POST /batches";
        let body = serde_json::json!({
            "input_file_id": file,
            "endpoint": super::ENDPOINT,
            "completion_window": "24h",
        });
        let request = self.http.post(format!("{}/batches", self.base));
        id(call, &json(call, request.json(&body)).await?)
    }

    /// The id of the newest uploaded batch file of this name.
    pub(super) async fn find_file(&self, name: &str) -> Result<Option<String>, BatchError> {
        self.find("files", "&purpose=batch", &|entry| {
            entry["filename"] == name
        })
        .await
    }

    /// The id of a batch over this file.
    pub(super) async fn find_batch(&self, file: &str) -> Result<Option<String>, BatchError> {
        self.find("batches", "", &|entry| entry["input_file_id"] == file)
            .await
    }

    async fn find(
        &self,
        what: &str,
        filter: &str,
        is: &(dyn Fn(&Value) -> bool + Sync),
    ) -> Result<Option<String>, BatchError> {
        let call = format!("GET /{what}");
        let mut after = String::new();
        for _ in 0..PAGES {
            let url = format!("{}/{what}?limit=100{filter}{after}", self.base);
            let list = json(&call, self.http.get(url)).await?;
            let Some(entries) = list["data"].as_array() else {
                return Err(BatchError::said(&call, "no list"));
            };
            if let Some(found) = entries.iter().find(|entry| is(entry)) {
                return id(&call, found).map(Some);
            }
            match (entries.last(), list["has_more"].as_bool()) {
                (Some(last), Some(true)) => after = format!("&after={}", id(&call, last)?),
                _ => return Ok(None),
            }
        }
        Err(BatchError::said(&call, "a list without end"))
    }

    pub(super) async fn batch(&self, batch: &str) -> Result<Value, BatchError> {
        let request = self.http.get(format!("{}/batches/{batch}", self.base));
        json("GET /batches", request).await
    }

    pub(super) async fn content(&self, file: &str) -> Result<Vec<u8>, BatchError> {
        let request = self.http.get(format!("{}/files/{file}/content", self.base));
        bytes("GET /files", request, MAX_FILE).await
    }
}

/// An id that can be part of an address.
pub(super) fn id(call: &str, value: &Value) -> Result<String, BatchError> {
    let fits = |id: &&str| {
        !id.is_empty()
            && id.len() <= 200
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match value["id"].as_str().filter(fits) {
        Some(id) => Ok(id.to_owned()),
        None => Err(BatchError::said(call, "no id that can be one")),
    }
}

async fn json(call: &str, request: reqwest::RequestBuilder) -> Result<Value, BatchError> {
    let bytes = bytes(call, request, MAX_JSON).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| BatchError::said(call, &format!("no JSON: {error}")))
}

async fn bytes(
    call: &str,
    request: reqwest::RequestBuilder,
    most: usize,
) -> Result<Vec<u8>, BatchError> {
    let failed = |error: reqwest::Error| BatchError::of(call, &error);
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if bytes.len() + piece.len() > most {
            return Err(BatchError::said(call, &format!("more than {most} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    match status.as_u16() {
        200..=299 => Ok(bytes),
        status => {
            let text = shown(&String::from_utf8_lossy(&bytes));
            Err(BatchError::said(call, &format!("status {status}: {text}")))
        }
    }
}
