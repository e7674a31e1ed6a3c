//! What a server really does, found out by asking it.
//!
//! Servers that speak the same protocol differ in what they keep to: some take a schema and ignore it, some know only
//! one of the two fields for the longest answer, some name a model that they do not have. Each check asks for what a
//! server can only do if it keeps to it, and shows what came.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::client::Client;
use super::request::{Parameters, Prompt, Request, Structured};
use crate::attributes::{Attributes, Modality};

/// Longest answer where the limit itself is tried, in tokens. Some servers allow no fewer.
const FEW: u32 = 16;
/// Longest answer where a few words tell enough, in tokens.
const SHORT: u32 = 64;
/// Most requests at once.
const AT_ONCE: u32 = 4;
/// Text shown of an answer, in characters.
const SHOWN: usize = 100;
/// No model says this by itself.
const NONSENSE: &str = "quibberty";

/// Whether the server does what a check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What came does not tell.
    Unknown,
}

/// One check with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was tried.
    pub name: &'static str,
    /// Whether it is so.
    pub verdict: Verdict,
    /// What came: one line.
    pub evidence: String,
}

/// What a server does, as far as [`probe`] found out. Printed, it ends with the parameters it recommends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    /// In the order of asking.
    pub checks: Vec<Check>,
    /// How JSON should be asked for; `None` where the server never answered.
    pub structured: Option<Structured>,
    /// Whether the longest answer should go by `max_completion_tokens`; `None` where neither field is obeyed.
    pub completion_tokens_field: Option<bool>,
}

impl ProbeReport {
    /// What was found out about one of [`checks`](Self::checks); unknown where it was not tried.
    #[must_use]
    pub fn verdict(&self, name: &str) -> Verdict {
        let found = self.checks.iter().find(|check| check.name == name);
        found.map_or(Verdict::Unknown, |check| check.verdict)
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let verdict = match check.verdict {
                Verdict::Yes => "yes",
                Verdict::No => "no",
                Verdict::Unknown => "?",
            };
            writeln!(f, "{verdict:<4}{:<22}{}", check.name, check.evidence)?;
        }
        let Some(structured) = self.structured else {
            return write!(f, "nothing to recommend: the server gave no answer");
        };
        let structured = match structured {
            Structured::JsonSchema => "json_schema",
            Structured::JsonObject => "json_object",
            Structured::Nothing => "nothing",
        };
        write!(f, "recommended: structured = \"{structured}\"")?;
        match self.completion_tokens_field {
            Some(field) => write!(f, ", completion_tokens_field = {field}"),
            None => write!(f, "; no field limits the length of an answer"),
        }
    }
}

/// Finds out what the server of `client` does when asked with `parameters`, by about 15 short requests that cost what
/// they cost, each tried once and within the client's limits. A check that fails does not end it: that is its evidence.
///
/// No schema that it sends is contradictory: servers that turn schemas into grammars were seen to hang on such ones.
pub async fn probe(client: &Client, parameters: &Parameters, prompt: &Prompt) -> ProbeReport {
    let mut report = ProbeReport {
        checks: Vec::new(),
        structured: None,
        completion_tokens_field: None,
    };
    let attributes = Attributes {
        modality: Some(Modality::Ct),
        ..Attributes::default()
    };
    match Request::new(prompt, parameters, &attributes, 2) {
        Ok(request) => {
            let checks = Vec::new();
            let mut asking = Asking {
                client,
                request,
                checks,
            };
            asking.all(&mut report).await;
            report.checks = asking.checks;
        }
        Err(error) => report.checks.push(Check {
            name: "request",
            verdict: Verdict::Unknown,
            evidence: error.to_string(),
        }),
    }
    report
}

struct Asking<'a> {
    client: &'a Client,
    /// For captions, as a run makes it.
    request: Request,
    checks: Vec<Check>,
}

impl Asking<'_> {
    async fn all(&mut self, report: &mut ProbeReport) {
        self.models().await;
        let (plain, alone) = self.plain().await;
        report.completion_tokens_field = self.length().await;
        let schema = self.schema().await;
        self.schema_of_captions().await;
        let object = self.object().await;
        let captions = self.captions().await;
        self.usage(plain.as_ref(), captions.as_ref());
        self.seed().await;
        self.parallel(alone).await;
        let yes = Verdict::Yes;
        let answered = self
            .checks
            .iter()
            .any(|check| check.name != "models" && check.verdict == yes);
        report.structured = answered.then_some(match (schema, object) {
            (Verdict::Yes, _) => Structured::JsonSchema,
            (_, Verdict::Yes) => Structured::JsonObject,
            _ => Structured::Nothing,
        });
    }

    fn note(&mut self, name: &'static str, verdict: Verdict, evidence: &str) -> Verdict {
        let evidence = self.client.told(evidence);
        self.checks.push(Check {
            name,
            verdict,
            evidence,
        });
        verdict
    }

    /// A request as a run makes it, but for this text and what `change` does to it.
    fn body(&self, text: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut body = self.request.body();
        body["messages"] = json!([{ "role": "user", "content": text }]);
        if let Some(fields) = body.as_object_mut() {
            fields.remove("response_format");
        }
        change(&mut body);
        body
    }

    async fn ask(&self, text: &str, change: impl FnOnce(&mut Value)) -> Result<Answer, Failure> {
        let body = self.body(text, change);
        self.client.try_chat(&self.request, &body).await
    }

    async fn models(&mut self) {
        let listed = self.client.try_get("models").await;
        let value = listed.and_then(|bytes| {
            let value = serde_json::from_slice::<Value>(&bytes);
            value.map_err(|error| Failure::NotJson(error.to_string()))
        });
        let list = match value {
            Ok(value) => value["data"].as_array().cloned().unwrap_or_default(),
            Err(failure) => {
                self.note("models", Verdict::Unknown, &failure.to_string());
                return;
            }
        };
        let names: Vec<&str> = list
            .iter()
            .filter_map(|model| model["id"].as_str())
            .collect();
        let asked = self.request.parameters().model.clone();
        let (verdict, evidence) = if names.contains(&asked.as_str()) {
            (Verdict::Yes, format!("{asked} is one of {}", names.len()))
        } else {
            let some: Vec<&str> = names.iter().copied().take(5).collect();
            let some = some.join(", ");
            (
                Verdict::No,
                format!("{asked} is not one of {}: {some}", names.len()),
            )
        };
        self.note("models", verdict, &evidence);
    }

    async fn plain(&mut self) -> (Option<Answer>, Duration) {
        let start = Instant::now();
        let asked = self.ask("Answer with the word yes.", |_| {}).await;
        let time = start.elapsed();
        match asked {
            Ok(answer) => {
                let named = answer.model.as_deref().unwrap_or("no model");
                let text = shown(&answer);
                let evidence = format!("{text} by {named} after {:.1} s", time.as_secs_f64());
                let verdict = match answer.content.trim().is_empty() {
                    true => Verdict::No,
                    false => Verdict::Yes,
                };
                self.note("answer", verdict, &evidence);
                (Some(answer), time)
            }
            Err(failure) => {
                self.note("answer", unanswered(&failure), &failure.to_string());
                (None, time)
            }
        }
    }

    /// Which field limits the answer, the one of the parameters first.
    async fn length(&mut self) -> Option<bool> {
        let mut obeyed = None;
        let set = self.request.parameters().completion_tokens_field;
        for completion in [set, !set] {
            let (name, other) = match completion {
                true => ("max_completion_tokens", "max_tokens"),
                false => ("max_tokens", "max_completion_tokens"),
            };
            let limited = |body: &mut Value| {
                if let Some(fields) = body.as_object_mut() {
                    fields.remove(other);
                }
                body[name] = FEW.into();
            };
            let text = "Write the numbers from one to fifty in words.";
            let (verdict, evidence) = match self.ask(text, limited).await {
                Ok(answer) => {
                    let reason = answer.finish_reason.as_deref().unwrap_or("none");
                    let usage = answer.usage;
                    let tokens = match usage.estimated {
                        true => format!("about {} tokens", usage.output),
                        false => format!("{} tokens", usage.output),
                    };
                    // Fifty words are more tokens than this, and an estimate may be half as large again.
                    let verdict = match (reason, usage.output <= u64::from(2 * FEW)) {
                        ("length", true) => Verdict::Yes,
                        (_, true) => Verdict::Unknown,
                        (_, false) => Verdict::No,
                    };
                    (
                        verdict,
                        format!("{FEW} asked: {tokens}, finish_reason {reason}"),
                    )
                }
                Err(failure) => (unanswered(&failure), failure.to_string()),
            };
            if self.note(name, verdict, &evidence) == Verdict::Yes && obeyed.is_none() {
                obeyed = Some(completion);
            }
        }
        obeyed
    }

    /// A schema that allows nothing but a word that no model says.
    async fn schema(&mut self) -> Verdict {
        let schema = json!({
            "type": "object",
            "properties": { "colour": { "type": "string", "enum": [NONSENSE] } },
            "required": ["colour"],
            "additionalProperties": false,
        });
        let text = "What colour is a clear sky at noon? Answer with a JSON object with the one field `colour`.";
        let asked = self
            .ask(text, |body| body["response_format"] = format_of(&schema))
            .await;
        let (verdict, evidence) = match asked {
            Ok(answer) => (
                obeys(&answer, &schema),
                format!("{NONSENSE} demanded: {}", shown(&answer)),
            ),
            Err(failure) => (unanswered(&failure), failure.to_string()),
        };
        self.note("json_schema", verdict, &evidence)
    }

    /// The schema that a run sends, with a text that asks for something else.
    async fn schema_of_captions(&mut self) {
        let schema = self.request.schema().clone();
        let text = "Say hello.";
        let asked = self
            .ask(text, |body| body["response_format"] = format_of(&schema))
            .await;
        let (verdict, evidence) = match asked {
            Ok(answer) => (
                obeys(&answer, &schema),
                format!("not asked for in words: {}", shown(&answer)),
            ),
            Err(failure) => (unanswered(&failure), failure.to_string()),
        };
        self.note("schema of captions", verdict, &evidence);
    }

    async fn object(&mut self) -> Verdict {
        let text = "Greet me in plain words, without JSON.";
        let change = |body: &mut Value| body["response_format"] = json!({ "type": "json_object" });
        let schema = json!({ "type": "object" });
        let (verdict, evidence) = match self.ask(text, change).await {
            Ok(answer) => (
                obeys(&answer, &schema),
                format!("plain words asked for: {}", shown(&answer)),
            ),
            Err(failure) => (unanswered(&failure), failure.to_string()),
        };
        self.note("json_object", verdict, &evidence)
    }

    /// The request of a run itself.
    async fn captions(&mut self) -> Option<Answer> {
        let body = self.request.body();
        let asked = self.client.try_chat(&self.request, &body).await;
        let captions = asked.as_ref().map_err(Clone::clone);
        let (verdict, evidence) = match captions.and_then(|answer| answer.captions(&self.request)) {
            Ok(captions) => (Verdict::Yes, captions.join(" | ")),
            Err(failure) => (unanswered(&failure), failure.to_string()),
        };
        self.note("captions", verdict, &evidence);
        asked.ok()
    }

    /// Counts that can be, and more for what is longer.
    fn usage(&mut self, plain: Option<&Answer>, captions: Option<&Answer>) {
        let counts = |answer: &Answer| format!("{} + {}", answer.usage.input, answer.usage.output);
        let (verdict, evidence) = match (plain, captions) {
            (Some(answer), _) | (None, Some(answer)) if answer.usage.estimated => {
                (Verdict::No, "missing, or cannot be".to_owned())
            }
            (Some(short), Some(long)) => {
                let evidence = format!("{} tokens; of captions {}", counts(short), counts(long));
                let verdict = match !long.usage.estimated && long.usage.input > short.usage.input {
                    true => Verdict::Yes,
                    false => Verdict::No,
                };
                (verdict, evidence)
            }
            (Some(one), None) | (None, Some(one)) => {
                (Verdict::Unknown, format!("{} tokens", counts(one)))
            }
            (None, None) => (Verdict::Unknown, "no answer".to_owned()),
        };
        self.note("usage", verdict, &evidence);
    }

    /// The same text for the same seed, and another for another.
    async fn seed(&mut self) {
        let has_temperature = self.request.parameters().temperature.is_some();
        let mut texts = Vec::new();
        for seed in [1, 1, 2] {
            let change = |body: &mut Value| {
                shorten(body);
                body["seed"] = seed.into();
                if has_temperature {
                    body["temperature"] = json!(1.0);
                }
            };
            match self.ask("Write five random words.", change).await {
                Ok(answer) => texts.push(shown(&answer)),
                Err(failure) => {
                    self.note("seed", unanswered(&failure), &failure.to_string());
                    return;
                }
            }
        }
        let empty = texts.iter().all(|text| text == "\"\"");
        let (verdict, said) = match (texts[0] == texts[1], texts[1] == texts[2]) {
            (true, false) => (Verdict::Yes, "repeats, and another seed differs"),
            (true, true) if empty => (Verdict::Unknown, "no text"),
            (true, true) => (Verdict::Unknown, "another seed says the same"),
            (false, _) => (Verdict::No, "the same seed differs"),
        };
        let evidence = format!("{said}: {}", texts.join(", "));
        self.note("seed", verdict, &evidence);
    }

    async fn parallel(&mut self, alone: Duration) {
        let number = self.client.concurrency().min(AT_ONCE);
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..number {
            let (client, request) = (self.client.clone(), self.request.clone());
            let body = self.body("Answer with the word yes.", shorten);
            tasks.spawn(async move { client.try_chat(&request, &body).await });
        }
        let outcomes = tasks.join_all().await;
        let time = start.elapsed().as_secs_f64();
        let failed: Vec<String> = outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err().map(Failure::to_string))
            .collect();
        let alone = alone.as_secs_f64();
        let (verdict, evidence) = match failed.first() {
            None => (
                Verdict::Yes,
                format!("{number} at once in {time:.1} s, one in {alone:.1} s"),
            ),
            Some(why) => (
                Verdict::No,
                format!("{} of {number} failed: {why}", failed.len()),
            ),
        };
        self.note("parallel", verdict, &evidence);
    }
}

/// Lowers the limit of an answer.
fn shorten(body: &mut Value) {
    for name in ["max_tokens", "max_completion_tokens"] {
        if let Some(limit) = body[name].as_u64() {
            body[name] = limit.min(SHORT.into()).into();
        }
    }
}

fn format_of(schema: &Value) -> Value {
    json!({
        "type": "json_schema",
        "json_schema": { "name": "probe", "strict": true, "schema": schema },
    })
}

/// Whether all of an answer is as the schema says. What was cut may have been on its way there.
fn obeys(answer: &Answer, schema: &Value) -> Verdict {
    match serde_json::from_str::<Value>(answer.content.trim()) {
        Ok(value) if jsonschema::is_valid(schema, &value) => Verdict::Yes,
        Err(error) if error.is_eof() && answer.finish_reason.as_deref() == Some("length") => {
            Verdict::Unknown
        }
        _ => Verdict::No,
    }
}

fn shown(answer: &Answer) -> String {
    let text = match &answer.refusal {
        Some(refusal) => format!("refused: {refusal}"),
        None => answer.content.clone(),
    };
    let text: String = text.chars().take(SHOWN).collect();
    format!("{text:?}")
}

/// What a failure says of the server: nothing, where no response came, as from one that is slow.
fn unanswered(failure: &Failure) -> Verdict {
    match failure {
        Failure::Transport(_) => Verdict::Unknown,
        _ => Verdict::No,
    }
}
