//! What became of every tensor of a file and every parameter of a module.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// One tensor of the file, one parameter of the module, or the two together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadEntry {
    /// Module path of the parameter, e.g. `image_encoder.class_token`.
    pub parameter: Option<String>,
    /// Name of the tensor as the file has it; several that were joined are separated by ` + `.
    pub tensor: Option<String>,
    /// Shape of the parameter, in our layout.
    pub shape: Vec<usize>,
    /// Shape of the tensor, as the file has it.
    pub stored: Vec<usize>,
    /// Why, in words; empty for a tensor that was simply loaded.
    pub reason: String,
    /// Whether this is what a file of this family leads one to expect. A strict load refuses
    /// anything else.
    pub expected: bool,
}

/// What a load did. Every tensor of the file and every parameter of the module is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Parameters that have the file's values.
    pub loaded: Vec<LoadEntry>,
    /// Parameters that have the file's values after a change of size.
    pub resized: Vec<LoadEntry>,
    /// Parameters that the file has nothing for.
    pub initialised: Vec<LoadEntry>,
    /// Tensors that no parameter took.
    pub ignored: Vec<LoadEntry>,
    /// Tensors that do not fit their parameter, which keeps its initial value; and copies of a
    /// tied tensor that differ from each other.
    pub mismatched: Vec<LoadEntry>,
}

impl LoadReport {
    /// What a strict load refuses: mismatches, tensors ignored for no known reason, and parameters
    /// that a file of this family should fill and does not.
    pub fn problems(&self) -> impl Iterator<Item = &LoadEntry> {
        self.mismatched
            .iter()
            .chain(&self.initialised)
            .chain(&self.ignored)
            .filter(|entry| !entry.expected)
    }
}

impl fmt::Display for LoadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |name: &Option<String>, shape: &[usize]| {
            name.as_ref().map(|name| format!("{name} {shape:?}"))
        };
        let stored = side(&self.tensor, &self.stored);
        let parameter = side(&self.parameter, &self.shape);
        let sides: Vec<String> = stored.into_iter().chain(parameter).collect();
        write!(f, "{}", sides.join(" -> "))?;
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

/// Counts first; then problems and changes of size one by one, and the rest by its reason.
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} loaded, {} resized, {} initialised, {} ignored, {} mismatched",
            self.loaded.len(),
            self.resized.len(),
            self.initialised.len(),
            self.ignored.len(),
            self.mismatched.len()
        )?;
        let problems: Vec<&LoadEntry> = self.problems().collect();
        for entry in problems.iter().take(SHOWN) {
            write!(f, "\n  problem: {entry}")?;
        }
        if problems.len() > SHOWN {
            write!(f, "\n  … and {} more problems", problems.len() - SHOWN)?;
        }
        for entry in &self.resized {
            write!(f, "\n  resized: {entry}")?;
        }
        for (kind, entries) in [
            ("initialised", &self.initialised),
            ("ignored", &self.ignored),
        ] {
            let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
            for entry in entries.iter().filter(|entry| entry.expected) {
                *reasons.entry(&entry.reason).or_default() += 1;
            }
            for (reason, count) in reasons {
                write!(f, "\n  {kind}: {count} × {reason}")?;
            }
        }
        Ok(())
    }
}

/// Problems that a summary spells out.
const SHOWN: usize = 20;
