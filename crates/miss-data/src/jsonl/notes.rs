//! What is found in one file, in bounded memory.

use std::collections::BTreeMap;
use std::path::Path;

use crate::read::{Finding, Outcome, Place};

/// Findings told one by one; the rest are counted.
const MAX_FINDINGS: usize = 100_000;
/// Different notes told once each; the rest are counted.
const MAX_ONCE: usize = 100;

pub(crate) struct Notes<'a> {
    path: &'a Path,
    findings: Vec<Finding>,
    /// What concerns many lines: where first, and how many.
    once: BTreeMap<String, (Place, usize)>,
    dropped_beyond: usize,
    others_beyond: usize,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        Self {
            path,
            findings: Vec::new(),
            once: BTreeMap::new(),
            dropped_beyond: 0,
            others_beyond: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.once.is_empty()
    }

    pub(crate) fn find(&mut self, place: Place, outcome: Outcome, what: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.push(place, outcome, what);
        } else if outcome == Outcome::Dropped {
            self.dropped_beyond += 1;
        } else {
            self.others_beyond += 1;
        }
    }

    /// Says something about a row that was used as it is, once a file however many rows it concerns.
    pub(crate) fn once(&mut self, place: Place, what: String) {
        if let Some((_, count)) = self.once.get_mut(&what) {
            *count += 1;
        } else if self.once.len() < MAX_ONCE {
            self.once.insert(what, (place, 1));
        } else {
            self.others_beyond += 1;
        }
    }

    /// All findings, in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
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
        let rest = [
            (
                self.dropped_beyond,
                Outcome::Dropped,
                "further rows dropped",
            ),
            (self.others_beyond, Outcome::Kept, "further notes left out"),
        ];
        for (count, outcome, what) in rest {
            if count > 0 {
                self.push(Place::Whole, outcome, format!("{count} {what}"));
            }
        }
        self.findings
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
