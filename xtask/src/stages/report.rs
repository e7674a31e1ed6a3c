//! Words the report from the files of all stages.

use std::path::Path;

use miss_data::{Audit, Split};
use miss_eval::{
    AuditRow, CaptionExample, LossSeries, Metrics, ReportInput, read_predictions, report,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::done::Done;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan::Stage;
use crate::run::Run;

/// A loss to draw, one value a line of a file.
struct Curve {
    stage: Stage,
    heading: &'static str,
    file: &'static str,
    /// The field along the axis.
    unit: &'static str,
    field: &'static str,
    name: &'static str,
}

impl Curve {
    const fn pretraining(field: &'static str, name: &'static str) -> Self {
        Self {
            stage: Stage::Pretrain,
            heading: "Pretraining",
            file: "losses.jsonl",
            unit: "step",
            field,
            name,
        }
    }

    const fn finetuning(file: &'static str, unit: &'static str, name: &'static str) -> Self {
        Self {
            stage: Stage::Finetune,
            heading: "Fine-tuning",
            file,
            unit,
            field: "loss",
            name,
        }
    }
}

const CURVES: [Curve; 5] = [
    Curve::pretraining("itc", "image–text contrast (ITC)"),
    Curve::pretraining("itm", "image–text matching (ITM)"),
    Curve::pretraining("lm", "captioning (LM)"),
    Curve::finetuning("losses.jsonl", "step", "answer loss, training"),
    Curve::finetuning("validation.jsonl", "epoch", "answer loss, validation"),
];

pub fn run(run: &Run) -> Result<(), Failure> {
    let config = &run.config;
    let file = |stage, name: &str| run.folder(stage).join(name);
    let split: Split = read_json(&file(Stage::Split, "split.json"))?;
    let audit: Audit = read_json(&file(Stage::Split, "audit.json"))?;
    let metrics: Metrics = read_json(&file(Stage::Evaluate, "metrics.json"))?;
    let predictions =
        read_predictions(&file(Stage::Predict, "predictions.jsonl")).map_err(Failure::data)?;
    let images = run.images();
    let page = report(&ReportInput {
        title: format!(
            "{} with the {} recipe",
            short(&run.manifest.title),
            config.name
        ),
        summary: summary(&split, &audit),
        recipe: config.name.clone(),
        config_toml: config.to_toml().map_err(Failure::compute)?,
        split_name: format!("{}, seed {}", split.name, split.seed),
        data: data(run, &split),
        hashes: hashes(run, &split, &metrics),
        audit: audit_rows(&audit),
        losses: losses(run)?,
        metrics: &metrics,
        predictions: &predictions,
        captions: caption_examples(run)?,
        image: &|name| std::fs::read(images.join(name)).ok(),
        timings: timings(run),
        environment: environment(run),
    });
    let path = file(Stage::Report, "report.html");
    miss_data::write_atomic(&path, page.as_bytes()).map_err(|error| Failure::output(&path, error))
}

fn summary(split: &Split, audit: &Audit) -> String {
    let shared = audit.shared_images + audit.shared_image_bytes + audit.near_identical_images;
    let seen = match shared {
        0 => "none of which it had seen".to_owned(),
        shared => format!("{shared} of which it had seen in training"),
    };
    format!(
        "Pretrained on images and captions made from their labels, fine-tuned on {} questions, and asked {} questions about {} images, {seen}.",
        split.train.len(),
        split.test.len(),
        audit.test_images
    )
}

/// The name before what a title adds to it.
fn short(title: &str) -> &str {
    title.split_once(',').map_or(title, |(name, _)| name)
}

fn data(run: &Run, split: &Split) -> Vec<(String, String)> {
    let manifest = &run.manifest;
    let promised = |what| manifest.count(what).map_or("?".into(), |n| n.to_string());
    let facts = [
        (
            "dataset",
            format!("{} {}", manifest.title, manifest.version),
        ),
        ("licence", manifest.licence.clone()),
        ("citation", manifest.citation.clone()),
        ("questions", promised("questions")),
        ("images", promised("images")),
        ("training questions", split.train.len().to_string()),
        ("validation questions", split.validation.len().to_string()),
        ("test questions", split.test.len().to_string()),
    ];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into()
}

fn hashes(run: &Run, split: &Split, metrics: &Metrics) -> Vec<(String, String)> {
    let hashes = [
        ("recipe", run.config.hash()),
        ("data", run.manifest.hash()),
        ("split", split.hash()),
        ("weights", metrics.model.clone()),
    ];
    hashes.map(|(name, hash)| (name.to_owned(), hash)).into()
}

fn audit_rows(audit: &Audit) -> Vec<AuditRow> {
    let (images, questions) = (audit.test_images, audit.test_questions);
    let rows = [
        (
            "test images also in training",
            audit.shared_images,
            images,
            true,
        ),
        (
            "test images with the bytes of a training image",
            audit.shared_image_bytes,
            images,
            true,
        ),
        (
            "test images that show a training image's picture in other bytes",
            audit.near_identical_images,
            images,
            true,
        ),
        (
            "test images much like a training image",
            audit.similar_images,
            images,
            false,
        ),
        (
            "test questions about a training image",
            audit.test_questions_on_train_images,
            questions,
            true,
        ),
        (
            "rephrased questions on both sides",
            audit.shared_linked_ids,
            questions,
            true,
        ),
        (
            "test questions with image, text and answer in training",
            audit.duplicate_triples,
            questions,
            true,
        ),
        (
            "test questions whose text occurs in training",
            audit.repeated_question_text,
            questions,
            false,
        ),
        (
            "test questions whose answer never occurs in training",
            audit.test_answers_unseen,
            questions,
            false,
        ),
        (
            "open test questions whose answer never occurs in training",
            audit.test_open_answers_unseen,
            audit.test_open,
            false,
        ),
    ];
    let worded = |(what, count, of, leaks): (&str, usize, usize, bool)| AuditRow {
        what: what.to_owned(),
        count: format!("{count} of {of}"),
        leak: leaks && count > 0,
    };
    rows.map(worded).into()
}

fn losses(run: &Run) -> Result<Vec<LossSeries>, Failure> {
    let series = |curve: &Curve| {
        let lines = read_lines(&run.folder(curve.stage).join(curve.file))?;
        let value = |line: &Value, field| line.get(field).and_then(Value::as_f64);
        let point = |line| Some((value(line, curve.unit)?, value(line, curve.field)?));
        Ok(LossSeries {
            stage: curve.heading.to_owned(),
            name: curve.name.to_owned(),
            unit: curve.unit.to_owned(),
            points: lines.iter().filter_map(point).collect(),
        })
    };
    CURVES.iter().map(series).collect()
}

/// Captions of images spread over the training set.
fn caption_examples(run: &Run) -> Result<Vec<CaptionExample>, Failure> {
    let path = run.folder(Stage::Captions).join("captions.jsonl");
    let sets = miss_transcap::read_captions(&path).map_err(Failure::data)?;
    let wanted = run.config.report.caption_examples;
    let stride = sets.len().div_ceil(wanted.max(1)).max(1);
    let examples = sets.into_iter().step_by(stride).take(wanted);
    let worded = examples.map(|set| CaptionExample {
        image: set.image,
        attributes: set
            .attributes
            .named()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        captions: set.captions.texts().map(str::to_owned).collect(),
        realiser: set.realiser,
    });
    Ok(worded.collect())
}

fn timings(run: &Run) -> Vec<(String, f64)> {
    let steps = run.plan.steps(None);
    let took = steps.filter_map(|step| {
        let done = Done::read(&step.folder, &step.key)?;
        Some((done.stage, done.seconds))
    });
    took.collect()
}

fn environment(run: &Run) -> Vec<(String, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let facts = [
        ("MISS", env!("CARGO_PKG_VERSION").to_owned()),
        ("device", run.device_name.clone()),
        ("threads", threads.to_string()),
        (
            "system",
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ),
    ];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(path, &error))
}

fn read_lines(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    let message = format!(
        "cannot read {}: {error}; make it again with --from split",
        path.display()
    );
    Failure::new(Exit::Data, message)
}
