//! What a "no" or a "not" is said of, and what that makes of the image as a whole.

use super::super::words::Sense;
use super::{Reader, Reason};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Negation {
    None,
    /// Said, and nothing met yet.
    Waiting,
    /// Something was met; more may follow.
    Met,
    /// "no … and …": nobody knows.
    Unclear,
}

/// What a "not" after it can be said of.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    Finding(usize),
    Abnormal,
    Findings,
}

impl Reader<'_> {
    pub(super) fn end_negation(&mut self) {
        let listed = matches!(self.previous, Sense::Or | Sense::Comma);
        if self.negation == Negation::Met && listed {
            self.negation = Negation::Unclear;
        } else if matches!(self.negation, Negation::Met | Negation::Unclear) {
            self.negation = Negation::None;
        }
        if matches!(self.previous, Sense::Or) && self.negation == Negation::Unclear {
            self.negation = Negation::Met;
        }
    }

    pub(super) fn negate(&mut self) {
        let listed = matches!(self.previous, Sense::Comma | Sense::And | Sense::Or);
        if self.negation != Negation::None && !(listed && self.negation != Negation::Waiting) {
            self.unclear("a double negation");
        }
        self.negation = Negation::Waiting;
    }

    pub(super) fn negate_backward(&mut self) {
        if self.negation != Negation::None {
            self.unclear("a double negation");
        }
        if self.subjects.is_empty() {
            self.unclear("what the negation is of");
        }
        for subject in std::mem::take(&mut self.subjects) {
            match subject {
                Subject::Finding(index) => {
                    let finding = &mut self.said.findings[index];
                    let twice = finding.negated;
                    finding.negated = true;
                    if twice {
                        self.unclear("a double negation");
                    }
                }
                Subject::Abnormal => {
                    self.said.abnormal = false;
                    self.said.normal = true;
                }
                Subject::Findings => self.said.no_findings = true,
            }
        }
    }

    pub(super) fn class(&mut self, sense: Sense) {
        let negated = match self.negation {
            Negation::None => false,
            Negation::Waiting | Negation::Met => true,
            Negation::Unclear => {
                self.unclear("what the negation is of");
                true
            }
        };
        match (sense, negated) {
            (Sense::Normal, false) | (Sense::Abnormal, true) => self.said.normal = true,
            (Sense::Normal, true) => self.said.abnormal = true,
            (Sense::Abnormal, false) => {
                self.said.abnormal = true;
                self.subjects.push(Subject::Abnormal);
            }
            (_, true) => self.said.no_findings = true,
            (_, false) => self.subjects.push(Subject::Findings),
        }
        if negated {
            self.negation = Negation::Met;
        }
        // "Two findings: a mass and an effusion."
        let findings = &self.attributes.findings;
        let kinds = findings
            .iter()
            .all(|finding| finding.count.is_none_or(|count| count == 1))
            .then_some(findings.len());
        let other =
            |number: u8| number != 1 && kinds.is_none_or(|kinds| usize::from(number) != kinds);
        if self.number.take().is_some_and(other) && !self.article {
            self.said.wrong.push(Reason::Contradicts("count"));
        }
        self.article = false;
    }
}
