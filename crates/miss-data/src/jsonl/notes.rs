//! What is found in one file, in bounded memory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::read::{Finding, Outcome, Place, ReadError};

/// Dropped rows told one by one, each of which is a loss: a file with more is refused.
const MAX_DROPPED: usize = 100_000;
/// Other findings told one by one; the rest are counted.
const MAX_OTHERS: usize = 100_000;
/// Different notes told once each; the rest are counted.
const MAX_ONCE: usize = 100;

pub(crate) struct Notes<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
    /// What concerns many lines: where first, and how many.
    once: BTreeMap<String, (Place, usize)>,
    dropped: usize,
    others: usize,
    left_out: usize,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self {
            path,
            findings: Vec::new(),
            once: BTreeMap::new(),
            dropped: 0,
            others: 0,
            left_out: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.once.is_empty()
    }

    pub(crate) fn find(&mut self, place: Place, outcome: Outcome, what: String) {
        if outcome == Outcome::Dropped {
            self.dropped += 1;
            if self.dropped <= MAX_DROPPED {
                self.push(place, outcome, what);
            }
        } else if self.others < MAX_OTHERS {
            self.others += 1;
            self.push(place, outcome, what);
        } else {
            self.left_out += 1;
        }
    }

    /// Says something about a row that was used as it is, once a file however many rows it concerns.
    pub(crate) fn once(&mut self, place: Place, what: String) {
        if let Some((_, count)) = self.once.get_mut(&what) {
            *count += 1;
        } else if self.once.len() < MAX_ONCE {
            self.once.insert(what, (place, 1));
        } else {
            self.left_out += 1;
        }
    }

    /// All findings, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`ReadError::Format`] if more rows are dropped than are told: how many are lost must never be guessed.
    pub(crate) fn finish(mut self) -> Result<Vec<Finding>, ReadError> {
        if self.dropped > MAX_DROPPED {
            let is_dropped = |finding: &&Finding| finding.outcome == Outcome::Dropped;
            let first = self.findings.iter().find(is_dropped);
            let first = first.map_or(String::new(), |first| {
                format!("; the first{}: {}", first.place, first.what)
            });
            return Err(ReadError::Format {
                path: self.path.into(),
                expected: "a file of such records",
                what: format!("{} of its rows cannot be used{first}", self.dropped),
            });
        }
        for (what, (place, count)) in std::mem::take(&mut self.once) {
            let what = match (place, count) {
                (Place::Whole, count) => format!("{what} ({count} times)"),
                (_, 1) => what,
                (_, count) => format!("{what} (the first of {count} times)"),
            };
            self.push(place, Outcome::Kept, what);
        }
        // A stable sort: what concerns one place stays in the order it was found in.
        self.findings
            .sort_by_key(|finding| (finding.place, finding.outcome));
        if self.left_out > 0 {
            let what = format!("{} further notes left out", self.left_out);
            self.push(Place::Whole, Outcome::Kept, what);
        }
        Ok(self.findings)
    }

    fn push(&mut self, place: Place, outcome: Outcome, what: String) {
        self.findings.push(Finding {
            file: self.path.into(),
            place,
            outcome,
            what,
        });
    }
}
