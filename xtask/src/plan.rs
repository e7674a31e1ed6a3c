//! The stages of the pipeline, what each one's outputs depend on, and which are done.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use clap::ValueEnum;
use miss_data::Manifest;

use crate::config::Resolved;
use crate::done::Done;
use crate::hash::hash_of;

/// Digits of a key that name a stage's folder.
const FOLDER_DIGITS: usize = 12;

/// A stage, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Stage {
    /// Compare the data with its manifest
    Verify,
    /// Divide the questions and audit the split for leaks
    Split,
    /// Write captions for the training images (TransCap)
    Captions,
    /// Learn from images and captions
    Pretrain,
    /// Learn to answer the training questions
    Finetune,
    /// Answer the test questions
    Predict,
    /// Score the answers
    Evaluate,
    /// Write the report
    Report,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 8] = [
        Self::Verify,
        Self::Split,
        Self::Captions,
        Self::Pretrain,
        Self::Finetune,
        Self::Predict,
        Self::Evaluate,
        Self::Report,
    ];

    /// The name on the command line and of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Split => "split",
            Self::Captions => "captions",
            Self::Pretrain => "pretrain",
            Self::Finetune => "finetune",
            Self::Predict => "predict",
            Self::Evaluate => "evaluate",
            Self::Report => "report",
        }
    }

    /// Whether the stage saves its state on the way and goes on from it.
    pub fn trains(self) -> bool {
        matches!(self, Self::Pretrain | Self::Finetune)
    }

    /// Hashes of the sources that make the outputs.
    fn code(self) -> Vec<&'static str> {
        let data = env!("CODE_MISS_DATA");
        let engine = [data, env!("CODE_MISS_MODEL"), env!("CODE_MISS_ENGINE")];
        let (stage, crates) = match self {
            Self::Verify => (env!("CODE_STAGE_VERIFY"), vec![data]),
            Self::Split => (env!("CODE_STAGE_SPLIT"), vec![data]),
            Self::Captions => {
                let crates = vec![data, env!("CODE_MISS_TRANSCAP")];
                (env!("CODE_STAGE_CAPTIONS"), crates)
            }
            Self::Pretrain => (env!("CODE_STAGE_PRETRAIN"), engine.to_vec()),
            Self::Finetune => (env!("CODE_STAGE_FINETUNE"), engine.to_vec()),
            Self::Predict => (env!("CODE_STAGE_PREDICT"), engine.to_vec()),
            Self::Evaluate => (env!("CODE_STAGE_EVALUATE"), vec![env!("CODE_MISS_EVAL")]),
            Self::Report => (env!("CODE_STAGE_REPORT"), vec![env!("CODE_MISS_EVAL")]),
        };
        [vec![stage, env!("CODE_DEPENDENCIES")], crates].concat()
    }
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Finished; the outputs are there.
    Cached,
    /// Begun; goes on from its saved state.
    Begun,
    /// Not begun.
    ToDo,
}

/// One stage of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    pub stage: Stage,
    /// Hash of everything the outputs depend on.
    pub key: String,
    /// Where the outputs lie.
    pub folder: PathBuf,
    pub state: State,
    /// What it took, if it was finished before; also when it is to be done again.
    pub earlier: Option<Done>,
}

/// The stages of one recipe, data set and device.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// Plans `config` over the data of `manifest`, with outputs below `stages`. From the stage `from` on, nothing
    /// counts as done.
    pub fn new(
        config: &Resolved,
        manifest: &Manifest,
        device_kind: &str,
        stages: &Path,
        from: Option<Stage>,
    ) -> Self {
        let mut upstream = manifest.hash();
        let mut steps = Vec::new();
        for stage in Stage::ALL {
            let slice = match stage {
                Stage::Verify => hash_of(&stamps(manifest, &config.data.root)),
                Stage::Split => hash_of(&config.split),
                Stage::Captions => hash_of(&config.captions.identity()),
                Stage::Pretrain => hash_of(&(&config.model, &config.pretrain, device_kind)),
                Stage::Finetune => hash_of(&config.finetune),
                Stage::Predict => hash_of(&config.predict),
                Stage::Evaluate => String::new(),
                // The report shows the whole recipe, with paths.
                Stage::Report => hash_of(config),
            };
            let key = hash_of(&(stage.name(), &upstream, slice, stage.code()));
            let folder = stages.join(format!("{}-{}", stage.name(), &key[..FOLDER_DIGITS]));
            let earlier = Done::read(&folder, &key);
            let again = from.is_some_and(|from| stage >= from);
            let state = match &earlier {
                _ if again => State::ToDo,
                Some(_) => State::Cached,
                None if stage.trains() && folder.exists() => State::Begun,
                None => State::ToDo,
            };
            // What verification proves is the manifest's hash; when it was proved must not redo the rest.
            if stage != Stage::Verify {
                upstream.clone_from(&key);
            }
            steps.push(Step {
                stage,
                key,
                folder,
                state,
                earlier,
            });
        }
        Self { steps }
    }

    /// The stages up to and including `until`.
    pub fn steps(&self, until: Option<Stage>) -> impl Iterator<Item = &Step> {
        let wanted = move |step: &&Step| until.is_none_or(|until| step.stage <= until);
        self.steps.iter().filter(wanted)
    }

    /// One stage.
    pub fn step(&self, stage: Stage) -> &Step {
        &self.steps[stage as usize]
    }
}

/// Size and time of change of every file: tells, without reading them, whether they must be verified again.
fn stamps(manifest: &Manifest, root: &Path) -> Vec<(PathBuf, Option<(u64, u128)>)> {
    let stamp = |path: &Path| {
        let meta = fs::metadata(path).ok()?;
        let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some((meta.len(), changed.as_nanos()))
    };
    let paths = manifest.files.iter().map(|file| root.join(&file.path));
    paths.map(|path| (path.clone(), stamp(&path))).collect()
}
