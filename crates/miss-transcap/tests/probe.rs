//! The probe against servers of which is known what they do.
#![allow(clippy::unwrap_used)]

mod scripted;

use std::time::Duration;

use miss_transcap::llm::{
    Client, Limits, Parameters, ProbeReport, Prompt, Structured, Verdict, probe,
};
use scripted::http::{Received, reply};
use scripted::{Reply, Scripted, endpoint, error, quick, request};
use serde_json::{Value, json};

/// What a server keeps to.
#[derive(Clone, Copy)]
struct Keeps {
    schema: bool,
    object: bool,
    seed: bool,
    usage: bool,
    /// The field that it knows; the other is an error.
    field: &'static str,
}

/// A model that says what it is made to, and `Hello.` where nothing is demanded.
fn server(keeps: Keeps, number: usize, received: &Received) -> Reply {
    if received.target == "/v1/models" {
        let list = json!({ "data": [{ "id": "other" }, { "id": "small" }] });
        return Reply::Now(reply(200, &[], list.to_string().as_bytes()));
    }
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    let Some(limit) = body[keeps.field].as_u64() else {
        return Reply::Now(error(400, &[]));
    };
    let format = &body["response_format"];
    let properties = &format["json_schema"]["schema"]["properties"];
    let text = body["messages"].to_string();
    let (content, tokens) = match format["type"].as_str() {
        Some("json_schema") if keeps.schema && properties["colour"].is_object() => (
            json!({ "colour": properties["colour"]["enum"][0] }).to_string(),
            5,
        ),
        Some("json_schema") if keeps.schema => (
            json!({ "captions": ["A CT image.", "A CT scan."] }).to_string(),
            10,
        ),
        Some("json_object") if keeps.object => (json!({ "hello": true }).to_string(), 5),
        _ if text.contains("colour") => (json!({ "colour": "blue" }).to_string(), 5),
        _ if text.contains("fifty") => ("one ".repeat(limit.min(50) as usize), limit),
        _ if text.contains("random") => {
            let seed = if keeps.seed {
                body["seed"].as_u64().unwrap()
            } else {
                number as u64
            };
            (format!("word{seed}"), 2)
        }
        _ => ("Hello.".to_owned(), 2),
    };
    let finish = if tokens >= limit { "length" } else { "stop" };
    let mut answer = json!({
        "model": "small",
        "choices": [{ "finish_reason": finish, "message": { "content": content } }],
    });
    if keeps.usage {
        answer["usage"] = json!({ "prompt_tokens": text.len() / 4, "completion_tokens": tokens });
    }
    Reply::Now(reply(200, &[], answer.to_string().as_bytes()))
}

fn asked_with(field: &str) -> Parameters {
    Parameters {
        temperature: Some(0.0),
        completion_tokens_field: field == "max_completion_tokens",
        ..request(1).parameters().clone()
    }
}

async fn report(keeps: Keeps) -> ProbeReport {
    let server = Scripted::start(move |number, received| server(keeps, number, received)).await;
    let client = server.client(&quick());
    probe(
        &client,
        &asked_with(keeps.field),
        &Prompt::built_in().unwrap(),
    )
    .await
}

const HONEST: Keeps = Keeps {
    schema: true,
    object: true,
    seed: true,
    usage: true,
    field: "max_tokens",
};

#[tokio::test]
async fn a_server_that_keeps_to_all_is_believed() {
    let report = report(HONEST).await;
    for check in &report.checks {
        let expected = match check.name {
            "max_completion_tokens" => Verdict::No,
            _ => Verdict::Yes,
        };
        assert_eq!(check.verdict, expected, "{report}");
    }
    assert_eq!(report.checks.len(), 11, "{report}");
    assert_eq!(report.structured, Some(Structured::JsonSchema));
    assert_eq!(report.completion_tokens_field, Some(false));
    let told = report.to_string();
    assert!(told.ends_with("structured = \"json_schema\", completion_tokens_field = false"));
}

#[tokio::test]
async fn each_thing_that_a_server_ignores_is_found_out() {
    let schema = report(Keeps {
        schema: false,
        ..HONEST
    })
    .await;
    for name in ["json_schema", "schema of captions", "captions"] {
        assert_eq!(schema.verdict(name), Verdict::No, "{schema}");
    }
    assert!(schema.to_string().contains("blue"), "{schema}");
    assert_eq!(schema.structured, Some(Structured::JsonObject));

    let neither = report(Keeps {
        schema: false,
        object: false,
        ..HONEST
    })
    .await;
    assert_eq!(neither.verdict("json_object"), Verdict::No);
    assert_eq!(neither.structured, Some(Structured::Nothing));

    assert_eq!(
        report(Keeps {
            seed: false,
            ..HONEST
        })
        .await
        .verdict("seed"),
        Verdict::No
    );
    assert_eq!(
        report(Keeps {
            usage: false,
            ..HONEST
        })
        .await
        .verdict("usage"),
        Verdict::No
    );

    let other = report(Keeps {
        field: "max_completion_tokens",
        ..HONEST
    })
    .await;
    assert_eq!(other.verdict("max_tokens"), Verdict::No);
    assert_eq!(other.completion_tokens_field, Some(true));
}

#[tokio::test]
async fn a_server_that_fails_is_asked_to_the_end() {
    let limits = Limits {
        timeout_seconds: 1,
        ..quick()
    };
    let prompt = Prompt::built_in().unwrap();
    let parameters = asked_with("max_tokens");
    let silent = Scripted::start(|_, _| Reply::After(Duration::from_secs(60), Vec::new())).await;
    let broken = Scripted::start(|_, _| Reply::Now(error(500, &[]))).await;
    for base in [&silent.base, &broken.base, "http://127.0.0.1:1/v1"] {
        let client = Client::new(&endpoint(base), &limits).unwrap();
        let report = probe(&client, &parameters, &prompt).await;
        assert_eq!(report.checks.len(), 11, "{report}");
        let yes = report
            .checks
            .iter()
            .find(|check| check.verdict == Verdict::Yes);
        assert_eq!(yes, None, "{report}");
        assert_eq!(
            (report.structured, report.completion_tokens_field),
            (None, None)
        );
    }
}
