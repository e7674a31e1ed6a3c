//! Asking a language model over the OpenAI chat protocol.

mod answer;
pub mod batch;
mod client;
mod limits;
mod probe;
mod prompt;
mod request;
mod secret;
mod wire;

pub use answer::{Answer, Failure, Usage};
pub use client::Client;
pub use limits::Limits;
pub use probe::{Check, ProbeReport, Verdict, probe};
pub use prompt::PromptError;
pub use request::{Endpoint, Key, Message, Parameters, Prompt, Request, Structured};
pub use secret::SetUpError;
