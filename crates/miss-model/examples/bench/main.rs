//! The Rust side of `benches/`: does what `benches/pytorch.py` does, case for case, as told on
//! standard input.
//!
//! A line of input names a case; the answer is a line of JSON. See `benches/README.md`.
#![allow(clippy::print_stdout, reason = "the answers")]

mod model;
mod ops;

use std::collections::HashMap;
use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::model::Setting;

/// Runs once.
pub(crate) type Case = Box<dyn FnMut() -> Result<Run, Box<dyn Error>>>;

/// What a run has to say.
pub(crate) struct Run {
    /// Seconds of what counts, where that is not the whole run.
    pub(crate) seconds: Option<f64>,
    /// Numbers that the other side must get too.
    pub(crate) output: Value,
}

impl Run {
    /// A run of which everything counts.
    pub(crate) fn whole(output: Value) -> Self {
        Self {
            seconds: None,
            output,
        }
    }
}

/// A case is repeated for at least this many seconds, and its median reported.
const SECONDS: f64 = 0.3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, [])) if command == "ops" => serve(ops::case),
        Some((command, rest)) if command == "model" => {
            let setting = Setting::parse(rest)?;
            serve(|name| setting.case(name))
        }
        Some((command, rest)) if command == "export" => {
            let folder = rest.get(4).ok_or("expected a folder after the setting")?;
            Setting::parse(rest)?.export(Path::new(folder))
        }
        _ => Err("expected: ops | model SETTING | export SETTING FOLDER".into()),
    }
}

/// Answers every line of standard input.
fn serve(make: impl Fn(&str) -> Option<Case>) -> Result<(), Box<dyn Error>> {
    let mut cases: HashMap<String, Case> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let name = line?;
        if !cases.contains_key(&name) {
            let case = make(&name).ok_or_else(|| format!("no case {name:?}"))?;
            // From here on the peak is that of the case, not of drawing the weights.
            std::fs::write("/proc/self/clear_refs", "5")?;
            cases.insert(name.clone(), case);
        }
        if let Some(case) = cases.get_mut(&name) {
            let (seconds, output) = measure(case)?;
            let answer = json!({"seconds": seconds, "output": output, "peak_kib": peak()?});
            println!("{answer}");
        }
    }
    Ok(())
}

/// The median of runs of `case`, and what the first of them put out.
fn measure(case: &mut Case) -> Result<(f64, Value), Box<dyn Error>> {
    let (mut runs, mut output) = (Vec::new(), None);
    let begin = Instant::now();
    while runs.is_empty() || begin.elapsed().as_secs_f64() < SECONDS {
        let start = Instant::now();
        let run = case()?;
        let whole = start.elapsed().as_secs_f64();
        runs.push(run.seconds.unwrap_or(whole));
        output.get_or_insert(run.output);
    }
    runs.sort_by(f64::total_cmp);
    Ok((runs[runs.len() / 2], output.unwrap_or_default()))
}

/// The most memory this process held since its case was made, in KiB.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM in /proc/self/status")?.parse()?)
}
