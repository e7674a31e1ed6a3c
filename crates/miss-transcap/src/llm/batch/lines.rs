//! The lines of batch files: requests out, answers back.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::llm::wire::{self, Asked, Body};
use crate::llm::{Answer, Key, Request};

/// The requests as lines of a batch file; `custom_id` is the [key](Request::key).
#[must_use]
pub fn batch_lines(requests: &[Request]) -> String {
    requests.iter().map(line_of).collect()
}

pub(super) fn line_of(request: &Request) -> String {
    let line = serde_json::json!({
        "custom_id": request.key(),
        "method": "POST",
        "url": super::ENDPOINT,
        "body": request.body(),
    });
    format!("{line}\n")
}

/// What the lines of an output or error file say, each request once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The first answer to each request, in the order of the file.
    pub(super) answered: Vec<(Key, Answer)>,
    /// Requests that failed, with what the server said.
    pub(super) failed: Vec<(Key, String)>,
    /// Keys that came again; the first line counts.
    pub(super) repeated: Vec<Key>,
    /// Ids of nothing that was asked for, as they came.
    pub(super) unknown: Vec<String>,
    /// Lines that cannot be read, from 1, and why.
    pub(super) damaged: Vec<(usize, String)>,
}

impl Lines {
    /// Reads the lines of `text`. `asked` says which keys were asked for, and `seen` keeps those that have come, over
    /// all the files of a batch.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        asked: &HashMap<&Key, Asked>,
        seen: &mut HashSet<Key>,
    ) {
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let value: Value = match serde_json::from_slice(line) {
                Ok(value) => value,
                Err(error) => {
                    self.damaged.push((number, error.to_string()));
                    continue;
                }
            };
            let Some(id) = value["custom_id"].as_str() else {
                self.damaged.push((number, "no custom_id".into()));
                continue;
            };
            let key = Key(id.to_owned());
            let Some(asked) = asked.get(&key) else {
                self.unknown.push(id.to_owned());
                continue;
            };
            match outcome(&value, *asked) {
                Err(what) => self.damaged.push((number, what)),
                Ok(_) if !seen.insert(key.clone()) => self.repeated.push(key),
                Ok(Ok(answer)) => self.answered.push((key, answer)),
                Ok(Err(failure)) => self.failed.push((key, failure)),
            }
        }
    }
}

/// The answer of a line, or its failure; the outer error is a line that says neither.
fn outcome(line: &Value, asked: Asked) -> Result<Result<Answer, String>, String> {
    let said = |value: &Value| wire::error_text(value.to_string().as_bytes());
    if !line["error"].is_null() {
        return Ok(Err(said(line)));
    }
    let response = &line["response"];
    let body = &response["body"];
    match response["status_code"].as_u64() {
        Some(200) => match wire::read(body, asked) {
            Body::Answer(answer) => Ok(Ok(answer)),
            Body::Error { message, .. } => Ok(Err(message)),
            Body::Unreadable => Err("a status of 200, and no chat response".into()),
        },
        Some(status) => Ok(Err(format!("status {status}: {}", said(body)))),
        None => Err("neither a status_code nor an error".into()),
    }
}
