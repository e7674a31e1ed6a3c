//! What a run would do, and what it would take.

use std::collections::BTreeSet;

use miss_data::Format;
use miss_engine::{Device, Workload, matrix_rate};

use crate::config::Resolved;
use crate::failure::Failure;
use crate::plan::{Plan, Stage, State, Step};
use crate::rows;
use crate::stages::make_split;
use crate::table::aligned;
use crate::units;

/// A table of the stages up to `until`, what is to do, and its cost: measured where the stage was done before,
/// estimated from the sizes and the speed of the device where not. Estimates are right within a factor of about two.
pub fn table(
    config: &Resolved,
    format: Format,
    plan: &Plan,
    device: &Device,
    until: Option<Stage>,
) -> Result<String, Failure> {
    let estimates = Estimates::new(config, format, device)?;
    let mut rows = Vec::new();
    let (mut seconds, mut peak) = (0.0, 0);
    for step in plan.steps(until) {
        let cost = match step.state {
            State::Cached => None,
            State::Begun | State::ToDo => measured(step).or_else(|| estimates.of(step.stage)),
        };
        let state = match step.state {
            State::Cached => "cached",
            State::Begun => "to go on",
            State::ToDo => "to do",
        };
        if let Some(cost) = &cost {
            seconds += cost.seconds;
            peak = peak.max(cost.memory_bytes);
        }
        let cell = |text: fn(&Cost) -> String| cost.as_ref().map(text).unwrap_or_default();
        rows.push(vec![
            step.stage.name().to_owned(),
            state.to_owned(),
            cell(|cost| units::duration(cost.seconds)),
            cell(|cost| units::bytes(cost.memory_bytes)),
            cell(|cost| cost.basis.to_owned()),
        ]);
    }
    rows.push(vec![
        "total".to_owned(),
        String::new(),
        units::duration(seconds),
        units::bytes(peak),
        String::new(),
    ]);
    Ok(aligned(
        &["stage", "state", "time", "peak memory", "basis"],
        &rows,
    ))
}

struct Cost {
    seconds: f64,
    memory_bytes: u64,
    basis: &'static str,
}

fn measured(step: &Step) -> Option<Cost> {
    let earlier = step.earlier.as_ref().filter(|earlier| !earlier.continued)?;
    Some(Cost {
        seconds: earlier.seconds,
        memory_bytes: earlier.peak_memory_bytes?,
        basis: "measured",
    })
}

/// What estimates are made from.
struct Estimates<'a> {
    config: &'a Resolved,
    pairs: usize,
    training: usize,
    test: usize,
    /// Operations per second.
    rate: f64,
}

impl<'a> Estimates<'a> {
    fn new(config: &'a Resolved, format: Format, device: &Device) -> Result<Self, Failure> {
        let questions = rows::questions(format, &config.data.root)?;
        let split = make_split(config, &questions)?;
        let training = split.train.len();
        // An image has its questions on one side, so images divide as questions do.
        let images: BTreeSet<&str> = questions.iter().map(|row| &*row.image).collect();
        Ok(Self {
            config,
            pairs: images.len() * training / questions.len().max(1),
            training,
            test: split.test.len(),
            rate: matrix_rate(device),
        })
    }

    fn of(&self, stage: Stage) -> Option<Cost> {
        let config = self.config;
        let workload = match stage {
            Stage::Pretrain => Workload::Pretrain(&config.pretrain, self.pairs),
            Stage::Finetune => Workload::Finetune(&config.finetune, self.training),
            Stage::Predict => Workload::Predict(&config.predict, self.test),
            // The others take a second or two.
            _ => return None,
        };
        let estimate = workload.estimate(&config.model);
        Some(Cost {
            seconds: estimate.seconds(self.rate),
            memory_bytes: estimate.memory_bytes,
            basis: "estimated",
        })
    }
}
