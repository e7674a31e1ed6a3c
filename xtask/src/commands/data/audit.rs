//! `cargo xtask data audit`: what leaks from training into test.

use std::path::{Path, PathBuf};

use miss_data::audit::{Images, audit, audit_between, audit_figures};
use miss_data::format::Kind;
use miss_data::record::select;
use miss_data::{
    Audit, Language, Manifest, Part, Question, Read, ReadError, SplitKind, dataset as read, split,
};
use serde_json::{Value, json};

use super::dataset::{Dataset, named};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rows;
use crate::stages::audited;

/// Images that could not be looked at, told each; the rest are counted.
const TOLD: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    dataset: Dataset,
    /// Another dataset, whose test questions must not leak: all records of the one named first (questions, figures or
    /// labelled images) count as seen in training. Its test part, or with --split the test side of that division
    #[arg(long, value_name = "NAME|FILE")]
    against: Option<String>,
    /// Folder of its files [default: data/NAME, or the folder of a manifest file]
    #[arg(long, value_name = "DIR", requires = "against")]
    against_root: Option<PathBuf>,
    /// Ways of dividing to look at [default: all that fit the data]
    #[arg(long = "split", value_name = "KIND")]
    splits: Vec<SplitKind>,
    /// Seed of splits that draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the questions on the validation side of splits that draw; it counts as seen in training
    #[arg(long, default_value_t = 0.0)]
    validation_fraction: f64,
    /// Share of the questions on the test side of splits that draw
    #[arg(long, default_value_t = 0.2)]
    test_fraction: f64,
    /// Also write everything, with every pair that is the same, to this JSON file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (exit, told) = match &arguments.against {
        None => within(arguments)?,
        Some(name) => between(arguments, name)?,
    };
    if let Some(path) = &arguments.json {
        miss_data::write_atomic(path, told.to_string().as_bytes())
            .map_err(|error| Failure::output(path, error))?;
    }
    Ok(exit)
}

/// The ways of dividing one dataset.
fn within(arguments: &Arguments) -> Result<(Exit, Value), Failure> {
    let (manifest, root) = arguments.dataset.open()?;
    let questions = rows::questions(manifest.format, &root)?;
    let images = load(&manifest, &root, questions.iter().map(|row| &*row.image));
    let kinds = match arguments.splits.as_slice() {
        [] => SplitKind::ALL.as_slice(),
        asked => asked,
    };
    let mut leaked = false;
    let mut all = Vec::new();
    for &kind in kinds {
        use split::SplitError::{EmptySide, TornGroup, Unfit};
        let split = match arguments.divide(kind, &questions) {
            Ok(split) => split,
            // Of all kinds, those that do not fit are left out; of kinds asked for, they are errors.
            Err(Unfit { .. }) if arguments.splits.is_empty() => continue,
            Err(error @ (TornGroup { .. } | EmptySide { .. })) if arguments.splits.is_empty() => {
                println!("{kind} cannot be made: {error}\n");
                continue;
            }
            Err(error) => return Err(usage(&error)),
        };
        let audit = audited(&questions, &split, &images)?;
        println!("{} {}\n{audit}\n", split.name, split.hash());
        // A kind that was asked for must not leak; of all, only those that promise not to.
        leaked |= audit.leaks() && (kind.promises_no_leak() || !arguments.splits.is_empty());
        all.push(json!({"split": split.name, "hash": split.hash(), "leaks": audit.leaks(), "audit": audit}));
    }
    if arguments.splits.is_empty() {
        for (name, audit) in across_languages(&questions, &images) {
            println!("{name}\n{audit}\n");
            all.push(json!({"split": name, "leaks": audit.leaks(), "audit": audit}));
        }
    }
    let told = json!({"dataset": manifest.name, "data": manifest.hash(), "audits": all});
    Ok((ended(leaked, &[&images]), told))
}

/// The training part in one language against the test part in another: what mixing languages would leak.
fn across_languages(questions: &[Question], images: &Images) -> Vec<(String, Audit)> {
    let rows = |language, part| -> Vec<&Question> {
        let wanted = |row: &&Question| row.language == language && row.part == Some(part);
        questions.iter().filter(wanted).collect()
    };
    [(Language::Zh, Language::En), (Language::En, Language::Zh)]
        .into_iter()
        .filter_map(|(seen, tested)| {
            let (train, test) = (rows(seen, Part::Train), rows(tested, Part::Test));
            let name = format!("{} training part, {} test part", seen.name(), tested.name());
            let both = !train.is_empty() && !test.is_empty();
            both.then(|| (name, audit(&train, &test, images)))
        })
        .collect()
}

/// All of one dataset, which training sees, and the test questions of another.
fn between(arguments: &Arguments, name: &str) -> Result<(Exit, Value), Failure> {
    let (seen, root) = arguments.dataset.open()?;
    let (manifest, folder) = named(name)?;
    let folder = arguments.against_root.clone().unwrap_or(folder);
    let questions = rows::questions(manifest.format, &folder)?;
    let mut tests: Vec<(String, Vec<&Question>)> = Vec::new();
    for &kind in &arguments.splits {
        let split = arguments
            .divide(kind, &questions)
            .map_err(|error| usage(&error))?;
        let rows = select(&questions, &split.test).map_err(Failure::data)?;
        tests.push((format!("{} {}", split.name, split.hash()), rows));
    }
    if arguments.splits.is_empty() {
        let rows = questions.iter().filter(|row| row.part == Some(Part::Test));
        tests.push(("test part".into(), rows.collect()));
    }
    if let Some((side, _)) = tests.iter().find(|(_, rows)| rows.is_empty()) {
        let message = format!(
            "{name} has no question in its {side}: name a way of dividing it, as --split image-disjoint"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let names = tests.iter().flat_map(|(_, rows)| rows);
    let test_images = load(&manifest, &folder, names.map(|row| &*row.image));

    let format = seen.format;
    let (asked, shown) = match format.kind() {
        Kind::Questions => (rows::questions(format, &root)?, Vec::new()),
        Kind::Figures => (
            Vec::new(),
            shown(read::figures(format, &root), |row| (row.id, row.image))?,
        ),
        Kind::LabelledImages => (
            Vec::new(),
            shown(read::labelled_images(format, &root), |row| {
                (row.id, row.image)
            })?,
        ),
    };
    let asked: Vec<&Question> = asked.iter().collect();
    let pairs = || shown.iter().map(|(id, image)| (&**id, &**image));
    let names = asked.iter().map(|row| &*row.image);
    let images = load(&seen, &root, names.chain(pairs().map(|(_, image)| image)));

    let mut leaked = false;
    let mut all = Vec::new();
    for (side, test) in &tests {
        let (leaks, table, audit) = match format.kind() {
            Kind::Questions => {
                let audit = audit_between(&asked, &images, test, &test_images);
                (audit.leaks(), audit.to_string(), json!(audit))
            }
            Kind::Figures | Kind::LabelledImages => {
                let audit = audit_figures(pairs(), &images, test, &test_images);
                (audit.leaks(), audit.to_string(), json!(audit))
            }
        };
        println!("{} against {}, {side}\n{table}\n", seen.name, manifest.name);
        leaked |= leaks;
        all.push(json!({"split": side, "leaks": leaks, "audit": audit}));
    }
    let told = json!({
        "dataset": seen.name, "data": seen.hash(), "against": manifest.name, "against_data": manifest.hash(),
        "audits": all,
    });
    Ok((ended(leaked, &[&images, &test_images]), told))
}

impl Arguments {
    fn divide(
        &self,
        kind: SplitKind,
        questions: &[Question],
    ) -> Result<miss_data::Split, split::SplitError> {
        let (validation, test) = (self.validation_fraction, self.test_fraction);
        split::make(kind, questions, self.seed, validation, test)
    }
}

fn load<'a>(manifest: &Manifest, root: &Path, names: impl Iterator<Item = &'a str>) -> Images {
    Images::load(&root.join(manifest.format.images_dir()), names)
}

/// Id and image of all records; a row that cannot be used stops.
fn shown<R>(
    read: Result<Read<R>, ReadError>,
    of: impl Fn(R) -> (String, String),
) -> Result<Vec<(String, String)>, Failure> {
    let records = read.and_then(|read| Ok(read.all_or_nothing()?));
    Ok(records
        .map_err(Failure::data)?
        .into_iter()
        .map(of)
        .collect())
}

fn usage(error: &split::SplitError) -> Failure {
    Failure::new(Exit::Usage, error.to_string())
}

/// An audit that could not look at an image has not shown that there is no leak.
fn ended(leaked: bool, looked_at: &[&Images]) -> Exit {
    let unread = looked_at.iter().flat_map(|images| &images.unread);
    let count = unread.clone().count();
    for error in unread.take(TOLD) {
        tracing::warn!("{error}");
    }
    if count > TOLD {
        tracing::warn!("and {} images more", count - TOLD);
    }
    match (leaked, count) {
        (true, _) => Exit::Leak,
        (false, 0) => Exit::Ok,
        (false, _) => Exit::Data,
    }
}
