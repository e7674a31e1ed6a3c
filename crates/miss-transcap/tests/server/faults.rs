//! What a server can do wrong.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::Schedule;
use super::http::{reply, reply_of_length};

/// One way to be wrong. Those from [`Fault::Drip`] on are complete answers with status 200: billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 429, `Retry-After` in seconds.
    LimitSeconds,
    /// 429, `Retry-After` as a date.
    LimitDate,
    /// 429 without a word.
    LimitBare,
    /// 429, `retry-after-ms`.
    LimitMilliseconds,
    Status500,
    /// With a page of HTML.
    Status502,
    Status503,
    /// Closed before a reply.
    Closed,
    /// Reset in the middle of the body.
    Reset,
    /// A byte each 50 ms, without end.
    Stuck,
    /// Says that more comes than does.
    TooLong,
    /// A body of 5 MiB.
    Huge,
    /// 200 with an error object.
    ErrorIn200,
    /// In small pieces, but in time.
    Drip,
    WrongUsage,
    NegativeUsage,
    StringUsage,
    NoUsage,
    OtherModel,
    NullFinish,
    CutLength,
    CutStop,
    AgainstSchema,
    Prose,
    Fence,
    Refusal,
    Empty,
    SameTwice,
    /// The answer to another request.
    OfAnother,
    SideFlipped,
    FindingAdded,
}

impl Fault {
    pub const ALL: [Self; 31] = [
        Self::LimitSeconds,
        Self::LimitDate,
        Self::LimitBare,
        Self::LimitMilliseconds,
        Self::Status500,
        Self::Status502,
        Self::Status503,
        Self::Closed,
        Self::Reset,
        Self::Stuck,
        Self::TooLong,
        Self::Huge,
        Self::ErrorIn200,
        Self::Drip,
        Self::WrongUsage,
        Self::NegativeUsage,
        Self::StringUsage,
        Self::NoUsage,
        Self::OtherModel,
        Self::NullFinish,
        Self::CutLength,
        Self::CutStop,
        Self::AgainstSchema,
        Self::Prose,
        Self::Fence,
        Self::Refusal,
        Self::Empty,
        Self::SameTwice,
        Self::OfAnother,
        Self::SideFlipped,
        Self::FindingAdded,
    ];

    /// Whether a complete answer is given, and billed.
    pub fn is_answer(self) -> bool {
        self >= Self::Drip
    }

    /// The pause that a 429 asks for: a second where it asks for nothing, as the client documents.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::LimitSeconds | Self::LimitBare => Some(Duration::from_secs(1)),
            Self::LimitMilliseconds => Some(Duration::from_millis(60)),
            Self::LimitDate => {
                // Dates have whole seconds: the next of them.
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let part = now.unwrap_or_default().subsec_nanos();
                Some(Duration::from_nanos(1_000_000_000 - u64::from(part)))
            }
            _ => None,
        }
    }

    /// The whole reply of one that is no answer, where there is one, and the pause it asks for. `TooLong` says more
    /// than it has.
    pub fn failure(self) -> Option<(Vec<u8>, Option<Duration>)> {
        let limit = json!({ "error": { "message": "slow down", "type": "rate_limit" } });
        let limit = limit.to_string().into_bytes();
        let html = b"<html><body><h1>Bad Gateway</h1></body></html>";
        let pause = self.pause();
        let bytes = match self {
            Self::LimitSeconds => reply(429, &[("Retry-After", "1")], &limit),
            Self::LimitDate => {
                let at = SystemTime::now() + pause.unwrap_or_default();
                // Half a second more than the next whole one, of which only that is written.
                let date = httpdate::fmt_http_date(at + Duration::from_millis(500));
                reply(429, &[("Retry-After", &date)], &limit)
            }
            Self::LimitBare => reply(429, &[], &limit),
            Self::LimitMilliseconds => reply(429, &[("retry-after-ms", "60")], &limit),
            Self::Status500 => reply(500, &[("Content-Type", "text/plain")], b"oops"),
            Self::Status502 => reply(502, &[("Content-Type", "text/html")], html),
            Self::Status503 => reply(503, &[("Retry-After", "0")], html),
            Self::ErrorIn200 => {
                let text = json!({ "error": { "message": "provider failed" } });
                reply(200, &[], text.to_string().as_bytes())
            }
            Self::TooLong => reply_of_length(200, &[], b"{\"choices\": [", 4000),
            _ => return None,
        };
        Some((bytes, pause))
    }

    /// Spoils a correct answer.
    pub fn spoil(self, answer: &mut Value) {
        let choice = &mut answer["choices"][0];
        let content = choice["message"]["content"].as_str().unwrap_or_default();
        let mut text = content.to_owned();
        let mut captions: Vec<String> = serde_json::from_str::<Value>(content)
            .map_or(Vec::new(), |value| {
                serde_json::from_value(value["captions"].clone()).unwrap_or_default()
            });
        let set = |captions: &[String]| json!({ "captions": captions }).to_string();
        match self {
            Self::CutLength | Self::CutStop => text.truncate(text.len() / 2),
            Self::AgainstSchema => text = json!({ "captions": [1, 2], "more": true }).to_string(),
            Self::Prose => text = format!("Sure! I would say: {}", captions.join(" ")),
            Self::Fence => text = format!("Here you are:\n```json\n{text}\n```\n"),
            Self::Empty => text.clear(),
            Self::SameTwice if captions.len() > 1 => {
                captions[1] = captions[0].clone();
                text = set(&captions);
            }
            Self::SideFlipped => {
                for caption in &mut captions {
                    *caption = match caption.contains("left") {
                        true => caption.replace("left", "right"),
                        false => caption.replace("right", "left"),
                    };
                }
                text = set(&captions);
            }
            Self::FindingAdded => {
                for caption in &mut captions {
                    caption.push_str(" A pleural effusion is seen.");
                }
                text = set(&captions);
            }
            _ => {}
        }
        choice["message"]["content"] = text.into();
        match self {
            Self::CutLength => choice["finish_reason"] = "length".into(),
            Self::NullFinish => choice["finish_reason"] = Value::Null,
            Self::Refusal => {
                choice["message"]["content"] = Value::Null;
                choice["message"]["refusal"] = "I cannot help with that.".into();
            }
            _ => {}
        }
        match self {
            Self::WrongUsage => answer["usage"]["prompt_tokens"] = json!(4_000_000_000_u64),
            Self::NegativeUsage => answer["usage"]["completion_tokens"] = json!(-5),
            Self::StringUsage => answer["usage"] = json!("many"),
            Self::NoUsage => answer["usage"] = Value::Null,
            Self::OtherModel => answer["model"] = "another-model-0613".into(),
            _ => {}
        }
    }
}

/// A schedule without a memory: of a hundred calls `percent` meet a fault, each kind as often as the others, but a
/// third as often those that hold everything for about a second.
pub fn random(seed: u64, percent: u64) -> Schedule {
    let slow = [
        Fault::LimitSeconds,
        Fault::LimitDate,
        Fault::LimitBare,
        Fault::Stuck,
    ];
    Box::new(move |number, _| {
        let draw = |what: u64| miss_data::mix(&[seed, number, what]);
        if draw(0) % 100 >= percent {
            return None;
        }
        let kinds = Fault::ALL.len() as u64;
        (1..).find_map(|turn| {
            let fault = Fault::ALL[(draw(2 * turn) % kinds) as usize];
            (!slow.contains(&fault) || draw(2 * turn + 1) % 3 == 0).then_some(fault)
        })
    })
}
