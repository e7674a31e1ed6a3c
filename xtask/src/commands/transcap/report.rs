//! `cargo xtask transcap report`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use miss_data::dataset;
use miss_transcap::noise::Noise;
use miss_transcap::page::{Captioned, Example, Page, Rejected, Source, Totals};
use miss_transcap::{CaptionFile, CaptionSet, read_caption_file};

use crate::commands::data::{Dataset, named};
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args)]
pub struct Arguments {
    /// A file of captions, as `transcap run` writes it
    #[arg(value_name = "CAPTIONS")]
    captions: PathBuf,
    #[command(flatten)]
    dataset: Dataset,
    /// Folder of the images, for captions of a table of your own
    #[arg(long, value_name = "DIR", conflicts_with_all = ["name", "root"])]
    images: Option<PathBuf>,
    /// A dataset of figures whose captions are measured beside these, e.g. medicat
    #[arg(long, value_name = "NAME|FILE")]
    reference: Option<String>,
    /// Folder of its files [default: data/NAME, or the folder of a manifest file]
    #[arg(long, value_name = "DIR", requires = "reference")]
    reference_root: Option<PathBuf>,
    /// Images to show
    #[arg(long, default_value_t = 12)]
    examples: usize,
    /// The page to write [default: report.html beside the captions]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let file = read_caption_file(&arguments.captions).map_err(Failure::data)?;
    let (title, images) = match &arguments.images {
        Some(folder) => (arguments.captions.display().to_string(), folder.clone()),
        None => {
            let (manifest, root) = arguments.dataset.open()?;
            let images = root.join(manifest.format.images_dir());
            (manifest.title, images)
        }
    };
    let mut noise = Vec::new();
    if let Some(name) = &arguments.reference {
        noise.extend(reference(name, arguments.reference_root.as_deref())?);
    }
    let ours = file.sets.iter().flat_map(|set| set.captions.texts());
    noise.extend(Noise::of(ours).map(|noise| ("these captions".to_owned(), noise)));
    let page = Page {
        title: format!("Captions of {title}"),
        summary: "What is known of each image, as captions for pretraining. A caption says what the attributes say and nothing more.".to_owned(),
        totals: totals(&file),
        examples: examples(&file, &images, arguments.examples),
        noise,
        makers: makers(&file),
    };
    let path = match &arguments.out {
        Some(path) => path.clone(),
        None => arguments.captions.with_file_name("report.html"),
    };
    miss_data::write_atomic(&path, page.html().as_bytes())
        .map_err(|error| Failure::output(&path, error))?;
    println!("{}", path.display());
    Ok(Exit::Ok)
}

/// The captions of a dataset of figures, measured.
fn reference(name: &str, root: Option<&Path>) -> Result<Option<(String, Noise)>, Failure> {
    let (manifest, folder) = named(name)?;
    let root = root.unwrap_or(&folder);
    let read = dataset::figures(manifest.format, root).map_err(Failure::data)?;
    let captions: Vec<String> = read
        .records
        .into_iter()
        .flat_map(|figure| figure.captions)
        .collect();
    let noise = Noise::of(captions.iter().map(String::as_str));
    Ok(noise.map(|noise| (manifest.title, noise)))
}

fn totals(file: &CaptionFile) -> Totals {
    let requests = &file.requests;
    let distinct: HashSet<_> = file.sets.iter().map(|set| &set.attributes).collect();
    let used: HashSet<&str> = file
        .sets
        .iter()
        .flat_map(|set| set.sources.iter().map(String::as_str))
        .collect();
    let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
    let mut fallbacks: BTreeMap<String, u64> = BTreeMap::new();
    for request in requests {
        for reason in request.rejected.iter().flat_map(|one| &one.reasons) {
            *rejected.entry(reason.clone()).or_default() += 1;
        }
        let used = || used.contains(request.key.as_str());
        let reason = match &request.failure {
            Some(reason) => reason.clone(),
            None if used() => continue,
            None => "every caption was refused".to_owned(),
        };
        *fallbacks.entry(reason).or_default() += 1;
    }
    // Captions of one request stand beside many images.
    let written: HashSet<(&str, &str)> = file
        .sets
        .iter()
        .flat_map(|set| {
            set.captions
                .texts()
                .zip(&set.sources)
                .map(move |pair| (set, pair))
        })
        .filter(|(set, (_, source))| **source != set.realiser)
        .map(|(_, (caption, source))| (source.as_str(), caption))
        .collect();
    let pico: u64 = requests.iter().map(|request| request.pico_usd).sum();
    Totals {
        images: file.sets.len() as u64,
        distinct: distinct.len() as u64,
        calls: requests.len() as u64,
        input_tokens: requests.iter().map(|request| request.input).sum(),
        output_tokens: requests.iter().map(|request| request.output).sum(),
        estimated: false,
        usd: (pico > 0).then(|| pico as f64 / 1e12),
        accepted: written.len() as u64,
        rejected,
        fallbacks,
    }
}

/// Images spread over the whole set, each with other attributes as long as there are some.
fn examples(file: &CaptionFile, images: &Path, count: usize) -> Vec<Example> {
    let mut first: HashMap<_, usize> = HashMap::new();
    for (index, set) in file.sets.iter().enumerate() {
        first.entry(&set.attributes).or_insert(index);
    }
    let mut chosen: Vec<usize> = first.into_values().collect();
    chosen.sort_unstable();
    let stride = chosen.len().div_ceil(count.max(1)).max(1);
    let chosen = chosen.into_iter().step_by(stride).take(count);
    let refused: HashMap<&str, _> = file
        .requests
        .iter()
        .map(|request| (request.key.as_str(), &request.rejected))
        .collect();
    chosen
        .map(|index| example(&file.sets[index], images, &refused))
        .collect()
}

fn example(
    set: &CaptionSet,
    images: &Path,
    refused: &HashMap<&str, &Vec<miss_transcap::Rejected>>,
) -> Example {
    let source = |index| match set.sources.get(index) {
        Some(source) if *source != set.realiser => Source::Model,
        _ => Source::Template,
    };
    let keys: HashSet<&str> = set.sources.iter().map(String::as_str).collect();
    let rejected = keys.iter().filter_map(|key| refused.get(key)).copied();
    Example {
        name: set.image.clone(),
        picture: std::fs::read(images.join(&set.image)).ok(),
        attributes: set.attributes.clone(),
        captions: set
            .captions
            .texts()
            .enumerate()
            .map(|(index, caption)| Captioned {
                caption: caption.to_owned(),
                source: source(index),
            })
            .collect(),
        rejected: rejected
            .flatten()
            .map(|one| Rejected {
                caption: one.caption.clone(),
                reasons: one.reasons.clone(),
            })
            .collect(),
    }
}

fn makers(file: &CaptionFile) -> Vec<(String, String)> {
    let mut makers: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| {
        let pair = (name.to_owned(), value);
        if !makers.contains(&pair) {
            makers.push(pair);
        }
    };
    for set in &file.sets {
        add("templates", set.realiser.clone());
    }
    for request in &file.requests {
        let prompt = format!(
            "{} version {}, SHA-256 {}",
            request.prompt, request.version, request.prompt_sha256
        );
        add("prompt", prompt);
        add("parameters", request.parameters.to_string());
        if let Some(model) = &request.model {
            add("model, as the server names it", model.clone());
        }
    }
    makers
}
