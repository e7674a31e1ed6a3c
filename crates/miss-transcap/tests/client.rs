//! What the client makes of answers, and what it tells a server and nobody else.
#![allow(clippy::unwrap_used)]

mod scripted;

use std::process::Command;
use std::time::Duration;

use miss_transcap::llm::{Answer, Client, Failure, Limits, SetUpError};
use scripted::http::reply;
use scripted::{CAPTION, Reply, Scripted, chat, endpoint, error, ok, quick, request};
use serde_json::{Value, json};

/// The answer to a response with this body, which must be asked for once.
async fn answer_to(body: Value) -> Answer {
    let bytes = reply(200, &[], body.to_string().as_bytes());
    let server = Scripted::start(move |_, _| Reply::Now(bytes.clone())).await;
    let answer = server.client(&quick()).send(&request(1)).await;
    assert_eq!(server.count(), 1, "{body}");
    answer.unwrap()
}

fn with(path: &str, value: Value) -> Value {
    let mut body = chat();
    *body.pointer_mut(path).unwrap() = value;
    body
}

#[tokio::test]
async fn a_usual_answer_is_taken_as_it_is() {
    let answer = answer_to(chat()).await;
    assert_eq!(answer.captions(&request(1)), Ok(vec![CAPTION.to_owned()]));
    assert_eq!((answer.usage.input, answer.usage.output), (20, 12));
    assert!(!answer.usage.estimated);
    assert_eq!(answer.finish_reason.as_deref(), Some("stop"));
    assert_eq!(answer.model.as_deref(), Some("small"));
}

#[tokio::test]
async fn usage_that_cannot_be_is_estimated_from_the_texts() {
    let count = |input: Value, output: Value| json!({ "prompt_tokens": input, "completion_tokens": output });
    for usage in [
        Value::Null,
        json!({}),
        json!("many"),
        json!([20, 12]),
        count(json!(-20), json!(12)),
        count(json!(20), json!(-12)),
        count(json!("20"), json!("12")),
        count(json!(20.5), json!(12)),
        count(json!(1e18), json!(12)),
        count(json!(20), json!(u64::MAX)),
        // Text cannot be read or written with no token.
        count(json!(0), json!(12)),
        count(json!(20), json!(0)),
    ] {
        let answer = answer_to(with("/usage", usage.clone())).await;
        assert!(answer.usage.estimated, "{usage}");
        let request = request(1);
        let read: usize = request.messages().iter().map(|one| one.content.len()).sum();
        // One token for four bytes, rounded up.
        let expected = (
            read.div_ceil(4) as u64,
            answer.content.len().div_ceil(4) as u64,
        );
        assert_eq!(
            (answer.usage.input, answer.usage.output),
            expected,
            "{usage}"
        );
        assert!(answer.captions(&request).is_ok());
    }
    let mut without = chat();
    without.as_object_mut().unwrap().remove("usage");
    assert!(answer_to(without).await.usage.estimated);
}

#[tokio::test]
async fn what_servers_leave_out_or_add_is_put_up_with() {
    let content = json!({ "captions": [CAPTION] }).to_string();
    let (first, last) = content.split_at(9);
    let message = "/choices/0/message";
    for body in [
        with("/choices/0/finish_reason", Value::Null),
        with("/model", json!("/models/small-q4.gguf")),
        with("/model", json!(7)),
        with("/created", json!("yesterday")),
        with(
            message,
            json!({ "content": [{"type": "text", "text": first}, {"type": "text", "text": last}] }),
        ),
        with(message, json!({ "content": [first, last] })),
        with(
            message,
            json!({ "content": content, "refusal": null, "tool_calls": null }),
        ),
        with(message, json!({ "content": content, "refusal": "" })),
        with(
            message,
            json!({ "content": content, "reasoning_content": "{\"captions\": 3}" }),
        ),
        with(
            message,
            json!({ "content": format!("```json\n{content}\n```") }),
        ),
        with(
            message,
            json!({ "content": format!("Here it is:\n{content}\nAnything else?") }),
        ),
        json!({ "choices": [{"message": {"content": content}}], "error": null, "new": {"field": 1} }),
    ] {
        let answer = answer_to(body.clone()).await;
        assert_eq!(
            answer.captions(&request(1)),
            Ok(vec![CAPTION.to_owned()]),
            "{body}"
        );
    }
}

#[tokio::test]
async fn answers_that_cannot_be_used_say_why() {
    let message = "/choices/0/message";
    let content = "/choices/0/message/content";
    let captions =
        |captions: Value| with(content, json!(json!({ "captions": captions }).to_string()));
    let why = async |body: Value| answer_to(body).await.captions(&request(1)).unwrap_err();

    let refusing = json!({ "content": null, "refusal": "I cannot help with that." });
    let refused = Failure::Refused("I cannot help with that.".into());
    assert_eq!(why(with(message, refusing)).await, refused);
    for reason in ["length", "content_filter"] {
        let failure = why(with("/choices/0/finish_reason", json!(reason))).await;
        match reason {
            "length" => assert_eq!(failure, Failure::Truncated),
            _ => assert!(matches!(failure, Failure::Refused(_))),
        }
    }
    for empty in [json!(null), json!(""), json!(" \n"), json!([]), json!(7)] {
        assert_eq!(why(with(content, empty)).await, Failure::Empty);
    }
    for body in [
        with("/choices", json!([])),
        with("/choices", json!([null])),
        with(message, Value::Null),
    ] {
        assert_eq!(why(body).await, Failure::Empty);
    }
    // Cut without the word for it.
    assert_eq!(
        why(with(content, json!("{\"captions\": [\"A CT"))).await,
        Failure::Truncated
    );
    for text in ["No.", "captions: none", "{captions}"] {
        let failure = why(with(content, json!(text))).await;
        assert!(matches!(failure, Failure::NotJson(_)), "{text}: {failure}");
    }
    for body in [
        captions(json!([])),
        captions(json!(["one", "two"])),
        captions(json!([""])),
        captions(json!(["x".repeat(401)])),
        captions(json!([7])),
        captions(json!("one")),
        with(content, json!("{}")),
        with(content, json!("[\"one\"]")),
        with(content, json!("{\"captions\": [\"one\"], \"more\": 1}")),
    ] {
        let failure = why(body.clone()).await;
        assert!(
            matches!(failure, Failure::AgainstSchema(_)),
            "{body}: {failure}"
        );
        // It goes into the message that asks for a repair.
        assert!(failure.to_string().len() < 400);
    }
}

/// An endpoint with this key, in a file that lives as long as the folder.
fn with_key(base: &str, key: &str) -> (miss_transcap::llm::Endpoint, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, format!("{key}\n")).unwrap();
    let mut endpoint = endpoint(base);
    endpoint.key_file = Some(path);
    (endpoint, folder)
}

const KEY: &str = "sk-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[tokio::test]
async fn the_key_is_sent_and_told_to_nobody() {
    // Echoed after so many letters that the end of what is told falls before, within and behind the key.
    for before in [0, 200, 250, 280, 290, 299, 400, 1_170, 1_190] {
        for (status, form) in [
            (401, 0),
            (400, 1),
            (500, 2),
            (200, 2),
            (200, 3),
            (429, 4),
            (302, 2),
            (402, 0),
        ] {
            let server = Scripted::start(move |_, received| {
                let key = received.header("authorization").unwrap();
                let text = format!("{} {key} {key}", "x".repeat(before));
                let body = match form {
                    0 => json!({ "error": {"message": text} }).to_string(),
                    1 => json!({ "error": text }).to_string(),
                    2 => format!("<html>{text}</html>"),
                    3 => json!({ "error": {"message": text, "code": 400} }).to_string(),
                    _ => json!({ "error": {"message": "m", "code": text, "type": "insufficient_quota"} }).to_string(),
                };
                Reply::Now(reply(status, &[("Location", &text), ("Retry-After", "0")], body.as_bytes()))
            })
            .await;
            let (endpoint, _folder) = with_key(&server.base, KEY);
            let client = Client::new(
                &endpoint,
                &Limits {
                    attempts: 2,
                    ..quick()
                },
            )
            .unwrap();
            let failure = client.send(&request(1)).await.unwrap_err();
            for told in [
                failure.to_string(),
                format!("{failure:?}"),
                format!("{client:?}"),
            ] {
                // No run of 8 letters of it.
                let parts = KEY.as_bytes().windows(8);
                let mut found =
                    parts.filter(|part| told.contains(std::str::from_utf8(part).unwrap()));
                assert_eq!(found.next(), None, "{status} {form} {before}: {told}");
            }
            let seen = &server.seen()[0].received;
            assert_eq!(
                seen.header("authorization"),
                Some(&*format!("Bearer {KEY}"))
            );
            assert_eq!(seen.target, "/v1/chat/completions");
        }
    }
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = Scripted::start(|_, _| Reply::Now(ok())).await;
    server.client(&quick()).send(&request(1)).await.unwrap();
    let seen = &server.seen()[0].received;
    assert_eq!(
        (seen.header("authorization"), seen.header("api-key")),
        (None, None)
    );
    let sent: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent, request(1).body());
}

#[tokio::test]
async fn azure_has_its_own_header_and_query() {
    let server = Scripted::start(|_, _| Reply::Now(ok())).await;
    let base = server.base.replace("/v1", "/openai/deployments/small/");
    let (mut endpoint, _folder) = with_key(&base, KEY);
    endpoint.azure_api_version = Some("2024-10-21&x=1".into());
    let client = Client::new(&endpoint, &quick()).unwrap();
    client.send(&request(1)).await.unwrap();
    let seen = &server.seen()[0].received;
    assert_eq!(seen.header("api-key"), Some(KEY));
    assert_eq!(seen.header("authorization"), None);
    let target = "/openai/deployments/small/chat/completions?api-version=2024-10-21%26x%3D1";
    assert_eq!(seen.target, target);
}

#[test]
fn a_key_does_not_travel_unencrypted() {
    let (mut endpoint, _folder) = with_key("http://captions.example/v1", KEY);
    let refused = Client::new(&endpoint, &quick()).unwrap_err();
    assert!(matches!(refused, SetUpError::PlainHttp(_)));
    assert!(!refused.to_string().contains(KEY));
    endpoint.base_url = "https://captions.example/v1".into();
    Client::new(&endpoint, &quick()).unwrap();
    endpoint.base_url = "http://captions.example/v1".into();
    endpoint.allow_plain_http = true;
    Client::new(&endpoint, &quick()).unwrap();
    endpoint.allow_plain_http = false;
    endpoint.key_file = None;
    Client::new(&endpoint, &quick()).unwrap();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Scripted::start(|_, _| Reply::Now(ok())).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/chat/completions", other.base);
        let server =
            Scripted::start(move |_, _| Reply::Now(error(status, &[("Location", &to)]))).await;
        let failure = server.client(&quick()).send(&request(1)).await.unwrap_err();
        assert!(matches!(failure, Failure::Status { status: told, .. } if told == status));
        assert_eq!(server.count(), 1);
    }
    assert_eq!(other.count(), 0);
}

/// Run by the next test in a process with proxies set.
#[tokio::test]
#[ignore = "needs the environment that the next test makes"]
async fn asks_a_loopback_server() {
    let base = std::env::var("MISS_TEST_BASE").unwrap();
    let (endpoint, _folder) = with_key(&base, KEY);
    Client::new(&endpoint, &quick())
        .unwrap()
        .send(&request(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_proxy_never_sees_what_is_for_this_machine() {
    let proxy = Scripted::start(|_, _| Reply::Now(ok())).await;
    let server = Scripted::start(|_, _| Reply::Now(ok())).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "asks_a_loopback_server"]);
    command.env("MISS_TEST_BASE", &server.base);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, proxy.base.trim_end_matches("/v1"));
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        proxy.count(),
        0,
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(server.count(), 1);
    assert!(output.status.success());
}

#[test]
fn limits_of_nothing_are_refused() {
    let zero =
        |limits: Limits| Client::new(&endpoint("http://localhost:1/v1"), &limits).unwrap_err();
    for limits in [
        Limits {
            concurrency: 0,
            ..quick()
        },
        Limits {
            attempts: 0,
            ..quick()
        },
        Limits {
            timeout_seconds: 0,
            ..quick()
        },
        Limits {
            read_timeout_seconds: 0,
            ..quick()
        },
        Limits {
            requests_per_minute: Some(0),
            ..quick()
        },
        Limits {
            tokens_per_minute: Some(0),
            ..quick()
        },
    ] {
        assert!(matches!(zero(limits), SetUpError::Zero(_)));
    }
}

#[tokio::test]
async fn every_request_has_its_own_key_and_keeps_it() {
    let server = Scripted::start(|number, _| match number % 3 {
        0 => Reply::Now(error(503, &[])),
        1 => Reply::Close(Vec::new()),
        _ => Reply::After(Duration::from_millis(1), ok()),
    })
    .await;
    // The second client is the program after a restart.
    for number in [1, 1, 2] {
        server
            .client(&quick())
            .send(&request(number))
            .await
            .unwrap();
    }
    let keys: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.received.header("idempotency-key").unwrap().to_owned())
        .collect();
    let (first, second) = (request(1).key().0, request(2).key().0);
    assert_ne!(first, second);
    assert_eq!(keys[..6], vec![first; 6]);
    assert_eq!(keys[6..], vec![second; 3]);
}
