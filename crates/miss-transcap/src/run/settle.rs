//! From a journal's answers to captions: a pure function, so that a run and its replay end alike.

use serde::{Deserialize, Serialize};

use super::Job;
use crate::attributes::Attributes;
use crate::caption_set::Rejected;
use crate::llm::{Answer, Failure, Key, Request};

/// A caption and what wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caption {
    /// Its text.
    pub text: String,
    /// The request whose answer it is from; `None` for a template.
    pub request: Option<Key>,
}

/// A request that was made, or should have been, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub key: Key,
    /// Why its answer could not be used as a whole, or why there is none.
    pub failure: Option<String>,
    /// Captions of its answer that are not used.
    pub rejected: Vec<Rejected>,
}

/// The captions of one tuple of attributes, and the explanation of those that it has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Those of the model first.
    pub captions: Vec<Caption>,
    /// The request and its repair, as far as they were made.
    pub asked: Vec<Asked>,
    /// Why no request could be made from these attributes.
    pub contradiction: Option<String>,
    /// A request was not made, and may be another time.
    pub unasked: bool,
}

/// What is known of a request.
pub(super) enum Known<'a> {
    Answered(&'a Answer),
    Failed(&'a str),
    Nothing,
}

/// What is next for a tuple.
pub(super) enum Step {
    Ask(Request),
    Made(Made),
}

/// How the captions of `attributes` stand, given what is known of requests. With `last`, what is not known will not
/// be asked.
pub(super) fn settle<'a>(
    job: &Job<'_>,
    attributes: &Attributes,
    known: &dyn Fn(&Key) -> Known<'a>,
    last: bool,
) -> Step {
    let mut made = Made::default();
    let wanted = job.options.captions;
    if let Some(parameters) = &job.options.parameters {
        let mut next = match Request::new(job.prompt, parameters, attributes, wanted) {
            Ok(request) => Some(request),
            Err(contradiction) => {
                made.contradiction = Some(contradiction.to_string());
                None
            }
        };
        let mut repaired = false;
        while let Some(request) = next.take() {
            let key = request.key();
            let answer = match known(&key) {
                Known::Answered(answer) => answer,
                Known::Failed(reason) => {
                    made.asked.push(Asked {
                        key,
                        failure: Some(reason.to_owned()),
                        rejected: Vec::new(),
                    });
                    break;
                }
                Known::Nothing if last => {
                    made.unasked = true;
                    break;
                }
                Known::Nothing => return Step::Ask(request),
            };
            let asked = judge(job, attributes, key, &request, answer, &mut made.captions);
            let again = made.captions.is_empty() && !repaired && !refused(&asked);
            if again {
                next = Some(request.repair(&answer.content, &wrong(&asked)));
                repaired = true;
            }
            made.asked.push(asked);
        }
    }
    add_templates(job, attributes, &mut made.captions);
    Step::Made(made)
}

const REFUSED: &str = "refused";

/// Asking again after a refusal does not help.
fn refused(asked: &Asked) -> bool {
    asked
        .failure
        .as_ref()
        .is_some_and(|failure| failure.starts_with(REFUSED))
}

/// Verifies the captions of an answer; those that pass are added to `captions`.
fn judge(
    job: &Job<'_>,
    attributes: &Attributes,
    key: Key,
    request: &Request,
    answer: &Answer,
    captions: &mut Vec<Caption>,
) -> Asked {
    let texts = match (job.checks.read)(answer, request) {
        Ok(texts) => texts,
        Err(failure) => {
            let failure = match failure {
                Failure::Refused(why) => format!("{REFUSED}: {why}"),
                other => other.to_string(),
            };
            return Asked {
                key,
                failure: Some(failure),
                rejected: Vec::new(),
            };
        }
    };
    let mut rejected = Vec::new();
    let mut passed = Vec::new();
    for text in texts {
        let reasons = (job.checks.verify)(attributes, &text);
        match reasons.is_empty() {
            true => passed.push(text.trim().to_owned()),
            false => rejected.push(Rejected {
                caption: text,
                reasons,
            }),
        }
    }
    let twice = (job.checks.near_duplicates)(&passed);
    for (index, text) in passed.into_iter().enumerate() {
        if twice.contains(&index) {
            rejected.push(Rejected {
                caption: text,
                reasons: vec!["nearly the same as another caption".into()],
            });
        } else {
            captions.push(Caption {
                text,
                request: Some(key.clone()),
            });
        }
    }
    Asked {
        key,
        failure: None,
        rejected,
    }
}

/// What was wrong, for the model: the first reasons only, so that the request stays small.
fn wrong(asked: &Asked) -> String {
    if let Some(failure) = &asked.failure {
        return failure.chars().take(500).collect();
    }
    let mut reasons: Vec<&str> = Vec::new();
    for reason in asked.rejected.iter().flat_map(|one| &one.reasons) {
        if reasons.len() < 6 && !reasons.contains(&reason.as_str()) {
            reasons.push(reason);
        }
    }
    let said: String = reasons.join("; ").chars().take(500).collect();
    format!("the captions do not say what the attributes say, and only that ({said})")
}

/// Templates for what is missing.
fn add_templates(job: &Job<'_>, attributes: &Attributes, captions: &mut Vec<Caption>) {
    let wanted = job.options.captions;
    if captions.len() >= wanted {
        return;
    }
    for text in job
        .options
        .sampler
        .texts(attributes, 2 * wanted, job.options.seed)
    {
        if captions.len() < wanted && captions.iter().all(|caption| caption.text != text) {
            captions.push(Caption {
                text,
                request: None,
            });
        }
    }
}
