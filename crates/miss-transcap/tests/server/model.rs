//! An honest model: it reads the attributes in a request and writes captions that say them all and nothing else.

use serde_json::Value;

/// `name: value` lines of the user message, and how many captions its schema or message asks for.
pub fn understood(body: &Value) -> (Vec<(String, String)>, usize) {
    let user = body["messages"][1]["content"].as_str().unwrap_or_default();
    let names = [
        "modality",
        "plane",
        "organ",
        "structures",
        "class",
        "pathology",
        "count",
        "location",
        "size",
        "shape",
        "sides",
    ];
    let pairs = user.lines().filter_map(|line| line.split_once(": "));
    let pairs = pairs.filter(|(name, _)| names.contains(name));
    let schema = &body["response_format"]["json_schema"]["schema"];
    let count = schema["properties"]["captions"]["minItems"].as_u64();
    let said = user.split(|letter: char| !letter.is_ascii_digit());
    let said = said.filter_map(|digits| digits.parse().ok()).next();
    (
        pairs
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        count.or(said).unwrap_or(1) as usize,
    )
}

/// The captions.
pub fn captions(body: &Value) -> Vec<String> {
    let (pairs, count) = understood(body);
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let mut image = Vec::new();
    image.extend(value("plane"));
    image.push(value("modality").unwrap_or("medical"));
    let mut image = format!("{} image", image.join(" "));
    if let Some(organ) = value("organ") {
        image.push_str(&format!(" of the {organ}"));
    }
    let side = match value("sides") {
        Some(whose) => format!(" {whose}"),
        None => String::new(),
    };
    let mut parts = Vec::new();
    parts.extend(value("structures").map(|names| format!("the {}", names.replace(", ", ", the "))));
    parts.extend(value("class").map(str::to_owned));
    let starts = pairs
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| name == "pathology");
    for (start, (_, pathology)) in starts {
        let of = pairs[start + 1..]
            .iter()
            .take_while(|(name, _)| name != "pathology");
        let mut text = String::new();
        let mut place = String::new();
        for (name, value) in of {
            match name.as_str() {
                "location" => place = format!(" in the {}{side}", value.replace(", ", " and the ")),
                "sides" => {}
                _ => text.push_str(&format!("{value} ")),
            }
        }
        parts.push(format!("{text}{pathology}{place}"));
    }
    let said = parts.join("; ");
    let frames = [
        "This is",
        "Shown is",
        "Here is",
        "We see",
        "There is",
        "The picture is",
    ];
    (0..count)
        .map(|index| {
            let frame = frames[index % frames.len()];
            let more = ["", " now", " here", " in view"][index / frames.len() % 4];
            match said.is_empty() {
                true => format!("{frame}{more} a {image}."),
                false => format!("{frame}{more} a {image}, with {said}."),
            }
        })
        .collect()
}

/// A correct answer: the body of a response with status 200.
pub fn answer(body: &Value) -> Value {
    let content = serde_json::json!({ "captions": captions(body) }).to_string();
    let input = body["messages"].to_string().len() / 4;
    serde_json::json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content },
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": input,
            "completion_tokens": content.len() / 4,
            "total_tokens": input + content.len() / 4,
        },
    })
}
