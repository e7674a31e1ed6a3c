//! The captions in an answer.

use serde_json::Value;

use crate::llm::{Answer, Failure, Request};

/// The captions in an answer that is whole and what its schema says.
pub(super) fn captions(answer: &Answer, request: &Request) -> Result<Vec<String>, Failure> {
    if let Some(why) = &answer.refusal {
        return Err(Failure::Refused(why.chars().take(200).collect()));
    }
    match answer.finish_reason.as_deref() {
        Some("length") => return Err(Failure::Truncated),
        Some("content_filter") => return Err(Failure::Refused("content filter".into())),
        _ => {}
    }
    if answer.content.trim().is_empty() {
        return Err(Failure::Empty);
    }
    let value: Value = serde_json::from_str(&answer.content)
        .map_err(|error| Failure::NotJson(error.to_string()))?;
    // The error of a schema quotes what it was given.
    jsonschema::validate(request.schema(), &value)
        .map_err(|error| Failure::AgainstSchema(error.to_string().chars().take(300).collect()))?;
    let captions = value["captions"].as_array().into_iter().flatten();
    Ok(captions
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect())
}
