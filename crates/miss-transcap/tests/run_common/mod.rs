//! A job whose model and checks are simple enough to reason about: a caption is faithful if it has the value of
//! every attribute, and no effusion.
#![allow(dead_code, reason = "each test file uses a part of it")]

use miss_transcap::llm::{Answer, Failure, Parameters, Prompt, Request, Structured, Usage};
use miss_transcap::map::Labelled;
use miss_transcap::run::{Checks, Options};
use miss_transcap::{Attributes, Modality, Organ, Plane};

pub fn prompt() -> Prompt {
    Prompt {
        id: "test".into(),
        version: 3,
        sha256: "ab".repeat(32),
        system: "Write captions.".into(),
        user: "{count}\n{attributes}".into(),
    }
}

pub fn parameters() -> Parameters {
    Parameters {
        model: "small".into(),
        temperature: None,
        seed: Some(1),
        max_tokens: 200,
        completion_tokens_field: false,
        structured: Structured::JsonSchema,
    }
}

pub fn options() -> Options {
    let mut options = Options {
        captions: 3,
        seed: 11,
        parameters: Some(parameters()),
        endpoint: Some(toml::from_str("base_url = \"http://localhost:1/v1\"").unwrap()),
        ..Options::default()
    };
    options.prices.input = 0.15;
    options.prices.output = 0.6;
    options
}

/// `count` distinct tuples, each of two images that are far apart.
pub fn labelled(count: usize) -> Vec<Labelled> {
    let mut tuples = Vec::new();
    for organ in Organ::all() {
        for modality in [Modality::Ct, Modality::MriT1, Modality::MriT2] {
            for plane in [Plane::Axial, Plane::Coronal, Plane::Sagittal] {
                tuples.push(Attributes {
                    modality: Some(modality),
                    plane: Some(plane),
                    organ: Some(organ),
                    ..Attributes::default()
                });
            }
        }
    }
    assert!(tuples.len() >= count);
    tuples.truncate(count);
    (0..2 * count)
        .map(|index| Labelled {
            image: format!("patient-{index:05}.png"),
            attributes: tuples[index % count].clone(),
        })
        .collect()
}

fn read(answer: &Answer, _: &Request) -> Result<Vec<String>, Failure> {
    if let Some(why) = &answer.refusal {
        return Err(Failure::Refused(why.clone()));
    }
    let wrong = |error: serde_json::Error| Failure::NotJson(error.to_string());
    let value: serde_json::Value = serde_json::from_str(&answer.content).map_err(wrong)?;
    serde_json::from_value(value["captions"].clone()).map_err(wrong)
}

fn verify(attributes: &Attributes, caption: &str) -> Vec<String> {
    let missing = attributes
        .named()
        .into_iter()
        .filter(|(_, value)| !caption.contains(value.as_str()))
        .map(|(name, _)| format!("{name} is missing"));
    let added = caption.contains("effusion").then(|| "effusion".to_owned());
    missing.chain(added).collect()
}

fn near_duplicates(captions: &[String]) -> Vec<usize> {
    (0..captions.len())
        .filter(|&index| captions[..index].contains(&captions[index]))
        .collect()
}

pub fn checks() -> Checks {
    Checks {
        read,
        verify,
        near_duplicates,
    }
}

/// FNV-1a, to choose by text.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// What the model says to the body of a request: a pure function of it. Some first answers are unfaithful, no JSON,
/// have a caption twice, or refuse; some repairs fail too.
pub fn model_says(body: &serde_json::Value) -> Answer {
    let messages = body["messages"].as_array().unwrap();
    let user = messages[1]["content"].as_str().unwrap();
    let mut lines = user.lines();
    let count: usize = lines.next().unwrap().parse().unwrap();
    let values: Vec<&str> = lines.map(|line| line.split_once(": ").unwrap().1).collect();
    let whole = values.join(" ");
    let mut captions: Vec<String> = (0..count)
        .map(|index| format!("Picture {index}: {whole}."))
        .collect();
    let (kind, repaired) = (hash(user) % 16, messages.len() > 2);
    let unfaithful = matches!((kind, repaired), (0 | 1, false) | (0, true));
    if unfaithful {
        for caption in &mut captions {
            caption.push_str(" An effusion.");
        }
    }
    match kind {
        2 => captions[1].push_str(" An effusion."),
        3 => captions[1] = captions[0].clone(),
        _ => {}
    }
    let mut content = serde_json::json!({ "captions": captions }).to_string();
    if kind == 4 && !repaired {
        content.truncate(content.len() / 2);
    }
    Answer {
        usage: Usage {
            input: user.len() as u64 / 3,
            output: content.len() as u64 / 3,
            estimated: false,
        },
        refusal: (kind == 5).then(|| "no".into()),
        content,
        finish_reason: Some("stop".into()),
        model: Some("small-0001".into()),
    }
}
