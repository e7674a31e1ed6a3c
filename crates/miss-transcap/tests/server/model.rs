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
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let mut image = Vec::new();
    image.extend(value("plane"));
    image.push(value("modality").unwrap_or("medical"));
    let mut image = format!("{} image", image.join(" "));
    if let Some(organ) = value("organ") {
        image.push_str(&format!(" of the {organ}"));
    }
    let whose = value("sides").map_or(String::new(), |whose| format!(" {whose}"));
    let mut fixed: Vec<String> = Vec::new();
    fixed.extend(value("structures").map(|names| format!("the {}", names.replace(", ", ", the "))));
    fixed.extend(value("class").map(|class| match class {
        "normal" => "nothing abnormal".to_owned(),
        "no finding" => "no finding".to_owned(),
        "abnormal" => "an abnormality".to_owned(),
        _ => "an abnormality but no lung opacity".to_owned(),
    }));
    let starts = pairs
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| name == "pathology");
    let said = |style: usize| {
        let mut parts = fixed.clone();
        for (start, (_, pathology)) in starts.clone() {
            let of = &pairs[start + 1..];
            let end = of.iter().position(|(name, _)| name == "pathology");
            let of = &of[..end.unwrap_or(of.len())];
            parts.push(finding(pathology, of, &whose, style));
        }
        if style % 2 == 1 {
            parts[fixed.len()..].reverse();
        }
        parts.join(", and ")
    };
    (0..count)
        .map(|index| {
            let said = said(index);
            if said.is_empty() {
                return bare(&image, index);
            }
            match index % 5 {
                0 => format!("This is a {image}, with {said}."),
                1 => format!("In view on a {image}: {said}."),
                2 => format!("The picture, which is a {image}, shows {said}."),
                3 => format!("On display: {image}. It shows {said}."),
                _ => format!("What we see here on a {image} is {said}."),
            }
        })
        .collect()
}

/// Of an image of which nothing is said but how it was made and of what.
fn bare(image: &str, index: usize) -> String {
    let Some((method, organ)) = image.split_once(" image of the ") else {
        return format!("This is {} a {image}.", ["", "now", "here"][index % 3]);
    };
    match index % 4 {
        0 => format!("This is a {image}."),
        1 => format!("The {organ} is seen by {method}."),
        2 => format!("What is shown here on a picture, a {method}, is the {organ}."),
        _ => format!("We see a {organ} in {method}, on display."),
    }
}

/// A pathology with what is known of it, e.g. `2 small nodules, 1 in the upper left and 1 in the lower right`.
fn finding(pathology: &str, of: &[(String, String)], whose: &str, style: usize) -> String {
    let value = |name: &str| {
        let found = of.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let count = value("count");
    let mut words = Vec::new();
    words.extend(count.map(|count| number(count.parse().unwrap_or(0), style)));
    words.extend(value("size").map(str::to_owned));
    words.extend(value("shape").map(str::to_owned));
    let noun = match count {
        None | Some("1") => pathology.to_owned(),
        _ => plural(pathology),
    };
    words.push(noun);
    let mut text = words.join(" ");
    let mut places: Vec<(&str, usize)> = Vec::new();
    for place in value("location")
        .into_iter()
        .flat_map(|all| all.split(", "))
    {
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, number)) => *number += 1,
            None => places.push((place, 1)),
        }
    }
    let several = places.len() > 1;
    let each: Vec<String> = places
        .iter()
        .map(|(place, many)| {
            let place = match style % 3 {
                0 => format!("in the {place}{whose}"),
                1 => format!("at the {place} region{whose}"),
                _ => format!("within the {place} part{whose}"),
            };
            match several {
                true => format!("{} {place}", number(*many as u64, style)),
                false => place,
            }
        })
        .collect();
    match several {
        true => text.push_str(&format!(", {}", each.join(" and "))),
        false if each.is_empty() => {}
        false => text.push_str(&format!(" {}", each[0])),
    }
    text
}

fn number(value: u64, style: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five", "six"];
    match words.get(value as usize) {
        Some(word) if style % 2 == 1 => (*word).to_owned(),
        _ => value.to_string(),
    }
}

fn plural(noun: &str) -> String {
    let pathology = miss_transcap::attributes::Pathology::find(noun).unwrap();
    pathology.plural().unwrap_or(noun).to_owned()
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
