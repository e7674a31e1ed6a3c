//! What servers send, read with tolerance: fields may be missing, null, of another type or unknown.

use serde_json::Value;

use super::answer::{Answer, Usage};
use super::request::Request;

/// What a body with status 200 is.
#[derive(Debug)]
pub(crate) enum Body {
    /// A chat response, whatever is in it.
    Answer(Answer),
    /// An error in a 200, as some routers send it; with a status where the error names one.
    Error {
        /// The error's `code`, if it is an HTTP status.
        status: Option<u16>,
        /// What it says.
        message: String,
    },
    /// Neither.
    Unreadable,
}

/// How much was asked and allowed: what a server's count of tokens is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Bytes of the messages.
    pub(crate) bytes: u64,
    /// Longest answer, in tokens.
    pub(crate) max_tokens: u64,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        let bytes: usize = request.messages().iter().map(|one| one.content.len()).sum();
        Self {
            bytes: bytes as u64,
            max_tokens: request.parameters().max_tokens.into(),
        }
    }
}

/// Reads a body that came with status 200.
pub(crate) fn read(body: &Value, asked: Asked) -> Body {
    if let Some(error) = error_in(body) {
        return Body::Error {
            status: error.get("code").and_then(status),
            message: message(error),
        };
    }
    let Some(choices) = body.get("choices").and_then(Value::as_array) else {
        return Body::Unreadable;
    };
    let choice = choices.first().unwrap_or(&Value::Null);
    let said = &choice["message"];
    let content = text(&said["content"]);
    let refusal = said["refusal"].as_str().filter(|text| !text.is_empty());
    Body::Answer(Answer {
        usage: usage(&body["usage"], asked, &content),
        content,
        refusal: refusal.map(str::to_owned),
        finish_reason: choice["finish_reason"].as_str().map(str::to_owned),
        model: body["model"].as_str().map(str::to_owned),
    })
}

/// The error of a body; some routers put it into the choice.
fn error_in(body: &Value) -> Option<&Value> {
    let errors = [body.get("error"), body.pointer("/choices/0/error")];
    errors.into_iter().flatten().find(|error| !error.is_null())
}

/// What an error's body says: the message of JSON, or whatever came. As long as that is, and with all its secrets.
pub(crate) fn error_text(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => message(error_in(&value).unwrap_or(&value)),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

/// The server's code of an error, as `insufficient_quota`.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let error = error_in(&value)?;
    ["code", "type"]
        .iter()
        .find_map(|field| error[field].as_str())
        .map(str::to_owned)
}

fn status(code: &Value) -> Option<u16> {
    let number = match code {
        Value::String(text) => text.parse().ok()?,
        other => other.as_u64()?,
    };
    u16::try_from(number)
        .ok()
        .filter(|status| (400..600).contains(status))
}

fn message(error: &Value) -> String {
    let named = error["message"].as_str().or(error.as_str());
    match (named, error["code"].as_str()) {
        (Some(text), Some(code)) if !text.contains(code) => format!("{text} ({code})"),
        (Some(text), _) => text.to_owned(),
        (None, _) => error.to_string(),
    }
}

/// A text, or the texts of a list of parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or(part["text"].as_str()))
            .collect(),
        _ => String::new(),
    }
}

/// What the server counted, where it can be; else an estimate: a token for four bytes.
///
/// It cannot be if a number is missing or no number, nothing was written although there is text, more was read than
/// two tokens a byte and a thousand for a template, or more was written than was allowed and than there are bytes.
fn usage(usage: &Value, asked: Asked, content: &str) -> Usage {
    let most_in = asked.bytes.saturating_mul(2).saturating_add(1_000);
    let most_out = asked
        .max_tokens
        .max(content.len() as u64)
        .saturating_add(64);
    let counted = |field: &str| usage[field].as_u64();
    match (counted("prompt_tokens"), counted("completion_tokens")) {
        (Some(input), Some(output))
            if (1..=most_in).contains(&input)
                && output <= most_out
                && (output > 0 || content.is_empty()) =>
        {
            Usage {
                input,
                output,
                estimated: false,
            }
        }
        _ => Usage {
            input: asked.bytes.div_ceil(4),
            output: (content.len() as u64).div_ceil(4),
            estimated: true,
        },
    }
}
