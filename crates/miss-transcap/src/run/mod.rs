//! The run: labelled images in, captions for every one of them out, at most one paid call for each distinct tuple of
//! attributes and one to repair it.
//!
//! A run only fills the [journal](crate::journal); its outcome is then computed from the journal alone. So a killed
//! run goes on where it was, and a [replay](Job::replay) without a server gives the same file to the byte.

mod drive;
mod options;
mod outcome;
mod settle;
mod work;

use std::collections::HashSet;

pub use drive::{Progress, RunError};
pub use options::{Options, OptionsError, Unfinished};
pub use outcome::Outcome;
pub use settle::{Asked, Caption, Made};

use settle::{Known, Step, settle};

pub(crate) use work::Work;

use crate::attributes::Attributes;
use crate::journal::Journal;
use crate::llm::{Answer, Failure, Key, Prompt, Request};
use crate::map::Labelled;
use crate::plan::Plan;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The images and what is said of them.
    pub labelled: &'a [Labelled],
    /// How.
    pub options: &'a Options,
    /// What the model is told.
    pub prompt: &'a Prompt,
    /// How answers are checked.
    pub checks: Checks,
}

/// How answers are checked: pure functions, for a replay to end as the run did.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// The captions in an answer, valid under the schema of its request.
    pub read: fn(&Answer, &Request) -> Result<Vec<String>, Failure>,
    /// Why a caption must not stand beside an image with these attributes; empty if it may. A reason is its kind, or
    /// `kind: what exactly`; outcomes count kinds.
    pub verify: fn(&Attributes, &str) -> Vec<String>,
    /// Which captions of a set say what an earlier one says.
    pub near_duplicates: fn(&[String]) -> Vec<usize>,
}

impl Default for Checks {
    /// This crate's own: the answer against its schema, [`verify`](crate::verify::verify) and
    /// [`near_duplicates`](crate::verify::near_duplicates).
    fn default() -> Self {
        Self {
            read: Answer::captions,
            verify: |attributes, caption| {
                let reasons = crate::verify::verify(attributes, caption);
                reasons.iter().map(ToString::to_string).collect()
            },
            near_duplicates: crate::verify::near_duplicates,
        }
    }
}

impl Job<'_> {
    /// What a run would ask for and cost.
    #[must_use]
    pub fn plan(&self, journal: Option<&Journal>) -> Plan {
        Plan::of(self, journal)
    }

    /// The outcome from what the journal has, and from templates. Nothing is asked.
    #[must_use]
    pub fn replay(&self, journal: Option<&Journal>) -> Outcome {
        let work = Work::of(self.labelled, self.options);
        Outcome::of(self, &work, journal, None, 0)
    }

    /// The requests that a run would send next, for batch mode: those of the tuples that are not settled by the
    /// journal's answers. After a batch there may be more: repairs.
    #[must_use]
    pub fn open_requests(&self, journal: &Journal) -> Vec<Request> {
        let known = |key: &Key| journal.get(key).map_or(Known::Nothing, Known::Answered);
        let items = Work::of(self.labelled, self.options).items;
        let steps = items.iter().map(|item| settle(self, item, &known, false));
        let requests = steps.filter_map(|step| match step {
            Step::Ask(request) => Some(request),
            Step::Made(_) => None,
        });
        let mut seen = HashSet::new();
        requests
            .filter(|request| seen.insert(request.key()))
            .collect()
    }
}
