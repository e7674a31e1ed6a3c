//! The lines of batch files: requests out, answers back.

use std::collections::HashSet;

use serde_json::Value;

use crate::llm::{Answer, Key, Request, Usage};

/// What is shown of what a server said.
const SHOWN: usize = 200;

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
#[derive(Debug, Default, PartialEq)]
pub struct Lines {
    /// The first answer to each request, in the order of the file.
    pub answered: Vec<(Key, Answer)>,
    /// Requests that failed, with what the server said.
    pub failed: Vec<(Key, String)>,
    /// Keys that came again; the first line counts.
    pub repeated: Vec<Key>,
    /// Ids of nothing that was asked for, cut to a readable length.
    pub unknown: Vec<String>,
    /// Lines that cannot be read, from 1, and why.
    pub damaged: Vec<(usize, String)>,
}

impl Lines {
    /// Reads the lines of `text`. `asked` says which keys were asked for, and `seen` keeps those that have come, over
    /// all the files of a batch.
    pub fn read(
        &mut self,
        text: &[u8],
        asked: &dyn Fn(&Key) -> Option<Usage>,
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
            let Some(estimate) = asked(&key) else {
                self.unknown.push(shown(id));
                continue;
            };
            match outcome(&value, estimate) {
                Err(what) => self.damaged.push((number, what)),
                Ok(_) if !seen.insert(key.clone()) => self.repeated.push(key),
                Ok(Ok(answer)) => self.answered.push((key, answer)),
                Ok(Err(failure)) => self.failed.push((key, failure)),
            }
        }
    }
}

/// The answer of a line, or its failure; the outer error is a line that says neither.
fn outcome(line: &Value, estimate: Usage) -> Result<Result<Answer, String>, String> {
    let response = &line["response"];
    let body = &response["body"];
    let error = [&line["error"], &body["error"]]
        .into_iter()
        .find(|error| !error.is_null());
    if let Some(error) = error {
        let text = error["message"].as_str().or(error["code"].as_str());
        let text = text.map_or_else(|| error.to_string(), str::to_owned);
        return Ok(Err(shown(&text)));
    }
    match response["status_code"].as_u64() {
        Some(200) => {}
        Some(status) => return Ok(Err(format!("status {status}"))),
        None => return Err("neither a status_code nor an error".into()),
    }
    let choice = &body["choices"][0];
    if choice.is_null() {
        return Err("a status of 200 without choices".into());
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let content = text(&choice["message"]["content"]).unwrap_or_default();
    let usage = &body["usage"];
    let counts = (
        usage["prompt_tokens"].as_u64(),
        usage["completion_tokens"].as_u64(),
    );
    // No more tokens than could be: see `Prices::at_most`.
    let usage = match counts {
        (Some(input), Some(output)) if input <= estimate.input && output <= estimate.output => {
            Usage {
                input,
                output,
                estimated: false,
            }
        }
        _ => Usage {
            input: estimate.input.div_ceil(4),
            output: (content.len() as u64).div_ceil(4),
            estimated: true,
        },
    };
    Ok(Ok(Answer {
        content,
        refusal: text(&choice["message"]["refusal"]),
        finish_reason: text(&choice["finish_reason"]),
        model: text(&body["model"]),
        usage,
    }))
}

pub(super) fn shown(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(SHOWN)
        .collect()
}
