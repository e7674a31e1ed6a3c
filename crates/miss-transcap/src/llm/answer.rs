//! What comes back: an answer that was paid for, or a failure with its reason.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::Request;

/// Tokens of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// The server did not say, or said what cannot be: estimated from the texts.
    #[serde(default)]
    pub estimated: bool,
}

/// A response with status 200, as it came: it was paid for, whatever is in it. This is what the journal keeps.
///
/// Whether it can be used is a pure function of it and of its request ([`Answer::captions`]), so that a journal
/// replays to the same captions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The text; empty where there was none.
    pub content: String,
    /// The server's word for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// `stop`, `length`, `content_filter`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// The model as the server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens.
    pub usage: Usage,
}

impl Answer {
    /// The captions in it: JSON that holds what the schema of its request says, whatever the server promised. A fence of
    /// Markdown or text around the object is put up with.
    ///
    /// # Errors
    /// Cut, refused, empty, not JSON, or against the schema.
    pub fn captions(&self, request: &Request) -> Result<Vec<String>, Failure> {
        if let Some(why) = &self.refusal {
            return Err(Failure::Refused(why.chars().take(200).collect()));
        }
        match self.finish_reason.as_deref() {
            Some("length") => return Err(Failure::Truncated),
            Some("content_filter") => return Err(Failure::Refused("content filter".into())),
            _ => {}
        }
        let text = self.content.trim();
        if text.is_empty() {
            return Err(Failure::Empty);
        }
        let value: Value = serde_json::from_str(text).or_else(|error| {
            // From the first brace to the last: an object with text before and after it.
            let object = text.find('{').zip(text.rfind('}'));
            let inner = object.and_then(|(from, to)| text.get(from..=to));
            match inner.map(serde_json::from_str) {
                Some(Ok(value)) => Ok(value),
                // An object that begins and never ends, whatever the server calls that.
                _ if error.is_eof() => Err(Failure::Truncated),
                _ => Err(Failure::NotJson(error.to_string())),
            }
        })?;
        // Without what was given: reasons are counted, and told to the model that gave it.
        jsonschema::validate(request.schema(), &value).map_err(|error| {
            let place = error.instance_path().to_string();
            Failure::AgainstSchema(format!("{} ({place})", error.masked()).replace(" ()", ""))
        })?;
        let captions = value["captions"].as_array().into_iter().flatten();
        let captions = captions.filter_map(Value::as_str).map(str::to_owned);
        Ok(captions.collect())
    }
}

impl Failure {
    /// Whether every other request would fail alike: no key, no money, no right, no such model or path.
    #[must_use]
    pub fn meets_all(&self) -> bool {
        matches!(
            self,
            Self::RunTime
                | Self::Cap(_)
                | Self::Stopped
                | Self::Quota(_)
                | Self::Status {
                    status: 401..=404,
                    ..
                }
        )
    }
}

/// Why there are no captions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// `finish_reason` is `length`, or the JSON ends too early.
    #[error("the answer was cut at the limit of tokens")]
    Truncated,
    /// The model or a filter refused.
    #[error("refused: {0}")]
    Refused(String),
    /// No text.
    #[error("the answer is empty")]
    Empty,
    /// Not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but not what the schema says.
    #[error("against the schema: {0}")]
    AgainstSchema(String),
    /// A status that says so, after all attempts.
    #[error("status {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The start of what the server said.
        message: String,
    },
    /// No money left, or no right to spend it.
    #[error("the account's quota is used up: {0}")]
    Quota(String),
    /// No complete and readable response, after all attempts.
    #[error("no response: {0}")]
    Transport(String),
    /// The time of the whole run is up.
    #[error("the time of the run is up")]
    RunTime,
    /// A cap on tokens or money would be passed.
    #[error("the cap on {0} is reached")]
    Cap(&'static str),
    /// The run was asked to stop.
    #[error("stopped")]
    Stopped,
}
