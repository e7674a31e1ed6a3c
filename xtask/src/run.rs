//! One run of the pipeline: the stages of a plan that are not done, in order.

use std::fs;
use std::path::Path;
use std::time::Instant;

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
}

impl Run {
    /// Where the outputs of `stage` lie.
    pub fn folder(&self, stage: Stage) -> &Path {
        &self.plan.step(stage).folder
    }

    /// A watcher of `stage`.
    pub fn progress(&self, stage: Stage) -> Progress<'_> {
        Progress::new(stage.name(), &self.console, &self.interrupt)
    }

    /// Does what is to do up to `until`; returns how many stages that were.
    pub fn execute(&self, folder: &RunFolder, until: Option<Stage>) -> Result<usize, Failure> {
        folder.retract(self.plan.steps(None))?;
        let mut done = 0;
        for step in self.plan.steps(until) {
            if self.interrupt.asked() {
                return Err(interrupted(step.stage));
            }
            if let State::Cached(_) = step.state {
                tracing::info!(stage = step.stage.name(), key = step.key, "{:9} up to date", step.stage.name());
            } else {
                self.perform(step)?;
                done += 1;
            }
            folder.publish(step)?;
        }
        Ok(done)
    }

    /// Does one stage and marks it as done.
    fn perform(&self, step: &Step) -> Result<(), Failure> {
        let name = step.stage.name();
        let continued = step.state == State::Begun;
        if !continued && step.folder.exists() {
            fs::remove_dir_all(&step.folder).map_err(|error| Failure::output(&step.folder, error))?;
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
        let memory = peak.map_or(String::new(), |peak| format!(", peak memory {}", units::bytes(peak)));
        tracing::info!(
            stage = name,
            seconds,
            peak_memory_bytes = peak,
            "{name:9} done in {}{memory}",
            units::duration(seconds)
        );
        Ok(())
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
