//! Asking a language model over the OpenAI chat protocol.

mod answer;
pub mod batch;
mod request;

pub use answer::{Answer, Failure, Usage};
pub use request::{Endpoint, Key, Message, Parameters, Prompt, Request, Structured};
