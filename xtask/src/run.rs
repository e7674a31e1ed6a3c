//! One run of the pipeline: the stages of a plan that are not done, in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miss_data::Manifest;
use miss_engine::Device;

use crate::config::Resolved;
use crate::done::Done;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::log::Console;
use crate::memory;
use crate::plan::{Plan, Stage, State, Step};
use crate::progress::Progress;
use crate::run_folder::RunFolder;
use crate::stages;
use crate::units;

/// What the stages work with.
pub struct Run {
    pub config: Resolved,
    pub manifest: Manifest,
    pub plan: Plan,
    pub device: Device,
    pub device_name: String,
    pub console: Console,
    pub interrupt: Interrupt,
    /// What a language model was paid for, if one is asked.
    pub journal: PathBuf,
}

impl Run {
    /// Where the outputs of `stage` lie.
    pub fn folder(&self, stage: Stage) -> &Path {
        &self.plan.step(stage).folder
    }

    /// Where the images of the dataset lie.
    pub fn images(&self) -> PathBuf {
        self.config
            .data
            .root
            .join(self.manifest.format.images_dir())
    }

    /// A watcher of `stage`.
    pub fn progress(&self, stage: Stage) -> Progress<'_> {
        Progress::new(stage.name(), &self.console, &self.interrupt)
    }

    /// Does what is to do up to `until`.
    pub fn execute(&self, folder: &RunFolder, until: Option<Stage>) -> Result<Performed, Failure> {
        folder.retract(self.plan.steps(None))?;
        let mut performed = Performed::default();
        for step in self.plan.steps(until) {
            if self.interrupt.asked() {
                return Err(interrupted(step.stage));
            }
            if step.state == State::Cached {
                tracing::info!(
                    stage = step.stage.name(),
                    key = step.key,
                    "{:9} up to date",
                    step.stage.name()
                );
            } else {
                let peak = self.perform(step)?;
                performed.stages += 1;
                performed.peak_memory_bytes = performed.peak_memory_bytes.max(peak);
            }
            folder.publish(step)?;
        }
        Ok(performed)
    }

    /// Does one stage and marks it as done; returns its peak memory.
    fn perform(&self, step: &Step) -> Result<Option<u64>, Failure> {
        let name = step.stage.name();
        let continued = step.state == State::Begun;
        if !continued && step.folder.exists() {
            fs::remove_dir_all(&step.folder)
                .map_err(|error| Failure::output(&step.folder, error))?;
        }
        fs::create_dir_all(&step.folder).map_err(|error| Failure::output(&step.folder, error))?;
        let how = if continued { "goes on" } else { "starts" };
        tracing::info!(stage = name, key = step.key, continued, "{name:9} {how}");

        memory::reset_peak();
        let start = Instant::now();
        stages::run(self, step.stage)?;
        let done = Done {
            stage: name.to_owned(),
            key: step.key.clone(),
            seconds: start.elapsed().as_secs_f64(),
            continued,
            peak_memory_bytes: memory::peak(),
            outputs: Vec::new(),
        };
        let seconds = done.seconds;
        let peak = done.peak_memory_bytes;
        done.write(&step.folder)
            .map_err(|error| Failure::output(&step.folder, error))?;
        let memory = peak.map_or(String::new(), |peak| {
            format!(", peak memory {}", units::bytes(peak))
        });
        tracing::info!(
            stage = name,
            seconds,
            peak_memory_bytes = peak,
            "{name:9} done in {}{memory}",
            units::duration(seconds)
        );
        Ok(peak)
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Performed {
    stages: usize,
    peak_memory_bytes: Option<u64>,
}

impl Performed {
    /// The last line of a run that took `elapsed`.
    pub fn closing(&self, elapsed: Duration) -> String {
        if self.stages == 0 {
            return "everything is up to date: nothing was done".to_owned();
        }
        let memory = self.peak_memory_bytes.map_or(String::new(), |peak| {
            format!(", peak memory {}", units::bytes(peak))
        });
        format!(
            "{} of {} stages done in {}{memory}",
            self.stages,
            Stage::ALL.len(),
            units::duration(elapsed.as_secs_f64())
        )
    }
}

/// The end of a run that was asked to stop.
pub fn interrupted(stage: Stage) -> Failure {
    let saved = if stage.trains() {
        "; the state is saved"
    } else {
        ""
    };
    let message = format!(
        "interrupted in the stage {}{saved}; run the same command again to go on",
        stage.name()
    );
    Failure::new(Exit::Interrupted, message)
}
