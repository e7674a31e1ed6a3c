//! The server that the other tests rely on: each fault is what it says, calls are billed once, and its model is honest.
#![allow(clippy::unwrap_used)]

mod server;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use miss_transcap::llm::{Parameters, Prompt, Request};
use miss_transcap::verify::{near_duplicates, verify};
use serde_json::Value;
use server::Server;
use server::faults::{Fault, random};
use server::tuples::tuples;

fn parameters() -> Parameters {
    serde_json::from_str(r#"{ "model": "small", "max_tokens": 300 }"#).unwrap()
}

fn requests(count: usize) -> Vec<Request> {
    let prompt = Prompt::built_in().unwrap();
    let request = |attributes| Request::new(&prompt, &parameters(), attributes, 3).unwrap();
    tuples(count, 5).iter().map(request).collect()
}

/// Everything that comes back over a connection of its own within `wait`, and whether it ended in a reset.
fn raw(server: &Server, body: &str, key: &str, wait: Duration) -> (String, bool) {
    let address = server.base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address.trim_end_matches("/v1")).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let (mut said, mut piece, end) = (Vec::new(), vec![0; 1 << 20], Instant::now() + wait);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => said.extend_from_slice(&piece[..count]),
            Err(error) => {
                let reset = error.kind() == std::io::ErrorKind::ConnectionReset;
                return (String::from_utf8(said).unwrap(), reset);
            }
        }
        // A whole answer is waited for no longer; the connection stays open.
        let text = String::from_utf8_lossy(&said);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            length.is_some_and(|length| length.parse() == Ok(body.len()))
        });
        if whole {
            break;
        }
    }
    (String::from_utf8(said).unwrap(), false)
}

fn status(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}

fn body_of(text: &str) -> Value {
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn every_caption_of_its_model_is_verified_and_none_is_like_another() {
    let prompt = Prompt::built_in().unwrap();
    let mut refused = BTreeMap::new();
    for attributes in tuples(1_000, 5) {
        let request = Request::new(&prompt, &parameters(), &attributes, 3).unwrap();
        let captions = server::model::captions(&request.body());
        assert_eq!(captions.len(), 3);
        for caption in &captions {
            for reason in verify(&attributes, caption) {
                refused.entry(reason.to_string()).or_insert(caption.clone());
            }
        }
        let like = near_duplicates(&captions);
        if !like.is_empty() {
            refused.insert(format!("like {}", refused.len()), captions.join(" | "));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn each_fault_is_what_it_says() {
    let server = Server::start(
        Duration::ZERO,
        Box::new(|number, _| match number % 2 {
            0 => None,
            _ => Some(Fault::ALL[(number / 2) as usize]),
        }),
    );
    let wait = Duration::from_millis(300);
    let requests = requests(400);
    // One whose sides can be flipped.
    let sided = |request: &&Request| request.messages()[1].content.contains("left");
    let body = requests.iter().find(sided).unwrap().body();
    let honest = server::model::answer(&body);
    let other = requests[0].body();
    assert_ne!(other, body);
    for (index, fault) in Fault::ALL.into_iter().enumerate() {
        let (text, _) = raw(&server, &other.to_string(), &format!("other-{index}"), wait);
        assert_eq!(body_of(&text), server::model::answer(&other));
        let (text, reset) = raw(&server, &body.to_string(), &format!("{fault:?}"), wait);
        let (choice, usage) = match fault.is_answer() {
            true => {
                let answer = body_of(&text);
                (answer["choices"][0].clone(), answer["usage"].clone())
            }
            false => (Value::Null, Value::Null),
        };
        let content = choice["message"]["content"].as_str().unwrap_or_default();
        let right = honest["choices"][0]["message"]["content"].as_str().unwrap();
        let says = |status_code: &str, what: &str| {
            assert!(
                status(&text) == status_code && text.contains(what),
                "{fault:?}: {text}"
            );
        };
        match fault {
            Fault::LimitSeconds => says("429", "Retry-After: 1\r\n"),
            Fault::LimitDate => says("429", " GMT\r\n"),
            Fault::LimitBare => assert!(status(&text) == "429" && !text.contains("etry-")),
            Fault::LimitMilliseconds => says("429", "retry-after-ms: 60\r\n"),
            Fault::Status500 => says("500", "oops"),
            Fault::Status502 => says("502", "<html>"),
            Fault::Status503 => says("503", "<html>"),
            Fault::Closed => assert!(text.is_empty() && !reset),
            Fault::Reset => assert!(reset),
            Fault::Stuck => {
                let body = text.split_once("\r\n\r\n").unwrap().1;
                assert!(
                    (2..10).contains(&body.len()) && body.trim().is_empty(),
                    "{text:?}"
                );
            }
            Fault::TooLong => {
                says("200", "Content-Length: 4000\r\n");
                assert!(text.len() < 1_000);
            }
            Fault::Huge => assert!(text.len() > 5 << 20),
            Fault::ErrorIn200 => says("200", "\"error\""),
            Fault::Drip | Fault::OtherModel => assert_eq!(content, right),
            Fault::WrongUsage => assert_eq!(usage["prompt_tokens"], 4_000_000_000_u64),
            Fault::NegativeUsage => assert_eq!(usage["completion_tokens"], -5),
            Fault::StringUsage => assert!(usage.is_string()),
            Fault::NoUsage => assert!(usage.is_null()),
            Fault::NullFinish => assert!(choice["finish_reason"].is_null() && content == right),
            Fault::CutLength | Fault::CutStop => {
                assert!(right.starts_with(content) && content.len() < right.len());
                let length = choice["finish_reason"] == "length";
                assert_eq!(length, fault == Fault::CutLength);
            }
            Fault::AgainstSchema => assert!(content.contains("[1,2]")),
            Fault::Prose => assert!(serde_json::from_str::<Value>(content).is_err()),
            Fault::Fence => assert!(content.contains("```json") && content.contains(right)),
            Fault::Refusal => {
                assert!(choice["message"]["content"].is_null());
                assert!(choice["message"]["refusal"].is_string());
            }
            Fault::Empty => assert_eq!(choice["message"]["content"], ""),
            Fault::SameTwice => {
                let value: Value = serde_json::from_str(content).unwrap();
                assert_eq!(value["captions"][0], value["captions"][1]);
            }
            Fault::OfAnother => {
                let said = &server::model::answer(&other)["choices"][0]["message"]["content"];
                assert_eq!(&choice["message"]["content"], said);
            }
            Fault::SideFlipped => {
                assert!(content != right && content.len().abs_diff(right.len()) < 40)
            }
            Fault::FindingAdded => assert!(content.contains("A pleural effusion is seen.")),
        }
        let record = server.at_rest();
        let call = record.calls.last().unwrap();
        assert_eq!(call.fault, Some(fault));
        assert_eq!(
            (call.answered, call.billed),
            (fault.is_answer(), fault.is_answer()),
            "{fault:?}"
        );
    }
}

#[test]
fn under_one_key_a_call_is_billed_once_and_answered_alike() {
    // The first is cut in the middle, the second spoilt, the third right.
    let server = Server::start(
        Duration::ZERO,
        Box::new(|number, _| {
            [Some(Fault::Reset), Some(Fault::FindingAdded)]
                .get(number as usize)
                .copied()
                .flatten()
        }),
    );
    let body = requests(1)[0].body().to_string();
    let wait = Duration::from_secs(5);
    let (_, reset) = raw(&server, &body, "k", wait);
    assert!(reset);
    let (second, _) = raw(&server, &body, "k", wait);
    let (third, _) = raw(&server, &body, "k", wait);
    assert_eq!(body_of(&second), body_of(&third));
    let (other, _) = raw(&server, &body, "l", wait);
    assert!(body_of(&other) != Value::Null);
    let record = server.at_rest();
    let bills: Vec<(bool, bool)> = record
        .calls
        .iter()
        .map(|one| (one.answered, one.billed))
        .collect();
    assert_eq!(
        bills,
        [(false, false), (true, true), (true, false), (true, true)]
    );
    assert_eq!(record.bills()["k"], 1);
    assert_eq!(record.received.len(), 4);
    assert!(
        record
            .received
            .iter()
            .all(|one| one.raw.ends_with(body.as_bytes()))
    );
}

#[test]
fn what_it_measures_is_what_happened() {
    let server = Server::start(Duration::from_millis(150), Box::new(|_, _| None));
    let body = requests(1)[0].body().to_string();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| raw(&server, &body, "", Duration::from_secs(5)));
        }
    });
    raw(&server, &body, "", Duration::from_secs(5));
    let record = server.at_rest();
    assert_eq!(record.most_at_once(Duration::from_secs(5)), 5);
    // Five at once, and the sixth at least 0.15 s later: at 5 a second that is 5.25 at the most.
    let worst = record.worst_burst(5.0, |_| 1);
    assert!((4.0..5.26).contains(&worst), "{worst}");
}

#[test]
fn a_random_schedule_has_every_fault_and_its_share() {
    let schedule = random(3, 30);
    let met: Vec<Fault> = (0..20_000)
        .filter_map(|number| schedule(number, 0))
        .collect();
    assert!((5_800..6_200).contains(&met.len()), "{}", met.len());
    for fault in Fault::ALL {
        let times = met.iter().filter(|one| **one == fault).count();
        assert!(times > 20, "{fault:?}: {times}");
    }
}
