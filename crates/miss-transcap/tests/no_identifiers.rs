//! Nothing of a dataset but attributes reaches a server: every byte that arrives is searched for what names an image,
//! a patient or a file, and for the text of questions.
#![allow(clippy::unwrap_used)]

mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use miss_data::record::Question;
use miss_data::{class_folders, rsna, slake, vqa_rad};
use miss_transcap::attributes::{Contradiction, Convention, Organ, Pathology};
use miss_transcap::journal::Journal;
use miss_transcap::llm::{Client, Parameters, Prompt, Request};
use miss_transcap::map::{self, Labelled};
use miss_transcap::run::{Checks, Job, Options};
use miss_transcap::{Attributes, Modality, Plane};
use proptest::prelude::*;
use serde_json::Value;
use server::Server;
use server::http::Received;
use server::tuples::tuples;

/// What can be given to a request: attributes, which have no text of their own.
const NEW: fn(&Prompt, &Parameters, &Attributes, usize) -> Result<Request, Contradiction> =
    Request::new;

/// Bytes of a name by which it is looked up.
const START: usize = 6;

/// Names and texts that must not be found.
#[derive(Default)]
struct Names(HashMap<[u8; START], BTreeSet<String>>);

impl Names {
    /// Shorter ones would be found everywhere.
    fn add(&mut self, name: &str) {
        let name = name.trim().trim_end_matches('?').to_lowercase();
        if let Some(start) = name.as_bytes().first_chunk::<START>() {
            self.0.entry(*start).or_default().insert(name);
        }
    }

    /// A path, its parts and their stems.
    fn add_path(&mut self, path: &str) {
        self.add(path);
        for part in path.split('/') {
            self.add(part);
            self.add(part.rsplit_once('.').map_or(part, |(stem, _)| stem));
        }
    }

    fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        let bytes = bytes.to_ascii_lowercase();
        bytes.windows(START).enumerate().find_map(|(at, start)| {
            let names = self.0.get(start)?.iter();
            let mut here = names.filter(|name| bytes[at..].starts_with(name.as_bytes()));
            here.next().map(String::as_str)
        })
    }

    /// As it came, with `%41` and `\u0041` read as `A`, and every run of the letters of base 64 decoded.
    fn reaches(&self, received: &[u8]) -> Option<&str> {
        let percent = decoded(received, b"%", 2);
        let escapes = decoded(received, b"\\u00", 2);
        // The end of a run may be of something else.
        let any_end = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, any_end);
        let mut hidden = Vec::new();
        for run in received.split(|byte| !byte.is_ascii_alphanumeric() && !b"+/-_".contains(byte)) {
            let plain: String = run
                .iter()
                .map(|byte| match byte {
                    b'-' => '+',
                    b'_' => '/',
                    other => char::from(*other),
                })
                .collect();
            for from in 0..plain.len().min(4) {
                let mut part = &plain[from..];
                if part.len() % 4 == 1 {
                    part = &part[..part.len() - 1];
                }
                hidden.extend(engine.decode(part).unwrap_or_default());
                hidden.push(b'\n');
            }
        }
        [received, &percent, &escapes, &hidden]
            .into_iter()
            .find_map(|bytes| self.found_in(bytes))
    }
}

/// With the hexadecimal digits after each `sign` as a byte.
fn decoded(bytes: &[u8], sign: &[u8], digits: usize) -> Vec<u8> {
    let mut read = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes[at..]
            .strip_prefix(sign)
            .and_then(|rest| rest.get(..digits));
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        read.push(byte.unwrap_or(bytes[at]));
        at += byte.map_or(1, |_| sign.len() + digits);
    }
    read
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if !path.is_dir() {
        let _ = writeln!(std::io::stderr(), "skipped: {} not found", path.display());
        return None;
    }
    Some(path)
}

fn by_image<'a>(
    questions: &'a [Question],
    names: &mut Names,
) -> BTreeMap<&'a str, Vec<&'a Question>> {
    let mut rows: BTreeMap<&str, Vec<&Question>> = BTreeMap::new();
    for row in questions {
        names.add_path(&row.image);
        names.add(&row.id);
        names.add(&row.question);
        rows.entry(&row.image).or_default().push(row);
    }
    rows
}

/// All images of the four datasets, as far as they are here, and what must not be told of them.
fn real() -> (Vec<Labelled>, Names) {
    let (mut images, mut names) = (Vec::new(), Names::default());
    let mut add = |image: String, attributes| images.push(Labelled { image, attributes });
    if let Some(root) = shared("rsna-labels") {
        for patient in rsna::read_patients(&root).unwrap().records {
            names.add(&patient.id);
            names.add(&patient.id[..18]);
            for convention in [Convention::ImageSide, Convention::PatientSide] {
                let attributes = map::rsna::attributes(&patient, convention).unwrap();
                add(format!("{}.png", patient.id), attributes);
            }
        }
    }
    if let Some(root) = shared("nih-cxr-sample") {
        let classes = "modality = 'xray'\norgan = 'chest'";
        let classes = map::class_folders::ClassMap::parse(classes).unwrap();
        for one in classes
            .labelled(&class_folders::read(&root).unwrap().records)
            .records
        {
            // Not the folder's own name: `pneumonia` is a pathology.
            let file = one.image.rsplit('/').next().unwrap();
            names.add_path(file);
            names.add(&one.image);
            names.add(file.split('_').next().unwrap());
            add(one.image, one.attributes);
        }
    }
    if let Some(root) = shared("slake") {
        let questions = slake::read(&root).unwrap().records;
        for (image, rows) in by_image(&questions, &mut names) {
            let boxes = slake::read_boxes(&root, image)
                .unwrap()
                .all_or_nothing()
                .unwrap();
            let size = miss_data::decode_rgb(&root.join("imgs").join(image))
                .unwrap()
                .dimensions();
            let found = map::slake::attributes(&rows, &boxes, size, Convention::ImageSide);
            add(image.to_owned(), found.unwrap());
        }
    }
    if let Some(root) = shared("vqa-rad") {
        let questions = vqa_rad::read(&root).unwrap().records;
        for (image, rows) in by_image(&questions, &mut names) {
            add(image.to_owned(), map::vqa_rad::attributes(&rows));
        }
    }
    // File of every SLAKE image, and one of its own words in every request.
    if let Some(names) = names.0.get_mut(b"source") {
        names.remove("source");
    }
    (images, names)
}

fn parameters() -> Parameters {
    serde_json::from_str(r#"{ "model": "small", "max_tokens": 300 }"#).unwrap()
}

/// What reaches a server in a run over `images`.
fn arrived(images: &[Labelled]) -> (Vec<Received>, usize) {
    let server = Server::start(Duration::ZERO, Box::new(|_, _| None));
    let options = Options {
        captions: 1,
        endpoint: Some(
            serde_json::from_value(serde_json::json!({ "base_url": server.base })).unwrap(),
        ),
        parameters: Some(parameters()),
        ..Options::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new(options.endpoint.as_ref().unwrap(), &options.limits).unwrap();
    let job = Job {
        labelled: images,
        options: &options,
        prompt: &Prompt::built_in().unwrap(),
        checks: Checks::default(),
    };
    let mut journal = Journal::open(&folder.path().join("journal.jsonl")).unwrap();
    let outcome = job
        .run_blocking(&mut journal, client.sender(), || false, |_| {})
        .unwrap();
    assert_eq!(outcome.stopped, None);
    let received = server.at_rest().received.clone();
    assert_eq!(received.len(), outcome.calls);
    (received, outcome.tuples)
}

#[test]
fn no_name_of_an_image_or_patient_reaches_the_server() {
    let (images, names) = real();
    if images.is_empty() {
        return;
    }
    let (received, tuples) = arrived(&images);
    assert!(received.len() >= tuples);
    for one in &received {
        let found = names.reaches(&one.raw);
        assert_eq!(found, None, "{}", String::from_utf8_lossy(&one.raw));
    }
    writeln!(
        std::io::stderr(),
        "{} images of {tuples} tuples: {} requests, {} bytes; none of {} names is in them",
        images.len(),
        received.len(),
        received.iter().map(|one| one.raw.len()).sum::<usize>(),
        names.len()
    )
    .unwrap();

    // The search finds each kind of name wherever it is planted, in the requests that really were sent.
    let raw = &received[received.len() / 2].raw;
    let mut planted = vec!["xmlab102", "synpic54610", "00001280_004"];
    planted.retain(|name| names.found_in(name.as_bytes()).is_some());
    let of_real = names.0.values().flatten().step_by(997).map(String::as_str);
    planted.extend(of_real.filter(|name| name.is_ascii()));
    assert!(planted.len() > 10);
    for (index, name) in planted.into_iter().enumerate() {
        let percent: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let escapes: String = name.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD
            .encode(format!("{}{name}", &"abc"[..index % 4 % 3]));
        let url_safe = base64::engine::general_purpose::URL_SAFE.encode(name);
        for form in [
            name.to_owned(),
            name.to_uppercase(),
            percent,
            escapes,
            encoded,
            url_safe,
        ] {
            let mut with = raw.clone();
            let at = index * 131 % with.len();
            with.splice(at..at, format!(" {form} ").into_bytes());
            assert!(
                names.reaches(&with).is_some(),
                "{name} as {form} is not found"
            );
        }
    }
}

/// Every word that attributes can be told in, from the files of the lexicon and the names of enums.
fn vocabulary() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut add = |text: &str| {
        words.extend(
            text.split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        )
    };
    Organ::all().for_each(|one| add(one.noun()));
    Pathology::all().for_each(|one| add(one.noun()));
    Modality::ALL.iter().for_each(|one| add(&one.to_string()));
    Plane::ALL.iter().for_each(|one| add(&one.to_string()));
    add(
        "upper middle lower left right of the image patient small moderate large round oval irregular lobulated",
    );
    add("wedge-shaped linear normal no finding abnormal lung opacity");
    (1..=20).for_each(|number| add(&number.to_string()));
    words
}

/// The lines of attributes in a body, and the body without them.
fn parted(mut body: Value, prompt: &Prompt, captions: usize) -> (Vec<(String, String)>, Value) {
    let (before, after) = prompt.user.split_once("{attributes}").unwrap();
    let before = before.replace("{count}", &captions.to_string());
    let user = body["messages"][1]["content"].as_str().unwrap();
    let said = user
        .strip_prefix(&before)
        .unwrap()
        .strip_suffix(after)
        .unwrap();
    let lines = said.lines().map(|line| line.split_once(": ").unwrap());
    let lines = lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    body["messages"][1]["content"] = Value::Null;
    (lines, body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_request_is_the_prompt_and_words_of_a_closed_vocabulary(seed in any::<u64>()) {
        let (prompt, parameters, words) = (Prompt::built_in().unwrap(), parameters(), vocabulary());
        let names = ["modality", "plane", "organ", "structures", "class", "pathology", "count", "location", "size", "shape", "sides"];
        let empty = NEW(&prompt, &parameters, &Attributes::default(), 3).unwrap().body();
        let (nothing, frame) = parted(empty, &prompt, 3);
        prop_assert!(nothing.is_empty());
        for attributes in tuples(5, seed) {
            let body = NEW(&prompt, &parameters, &attributes, 3).unwrap().body();
            let (lines, rest) = parted(body, &prompt, 3);
            // All else is the same whatever the attributes are.
            prop_assert_eq!(&rest, &frame);
            for (name, value) in lines {
                prop_assert!(names.contains(&name.as_str()), "{}", name);
                for word in value.split([' ', ',']).filter(|word| !word.is_empty()) {
                    prop_assert!(words.contains(word), "{}", word);
                }
            }
        }
    }
}
