//! What comes back: an answer that was paid for, or a failure with its reason.

use serde::{Deserialize, Serialize};

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
