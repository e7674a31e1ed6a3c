//! What the lines of a journal add up to, in any order.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

use super::line::Entry;
use super::{Answered, Recorded};
use crate::llm::Key;
use crate::price::Spent;

/// What lines add up to.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) answers: HashMap<Key, Recorded>,
    pub(super) failures: HashMap<Key, String>,
    /// Starts less ends of each key, where they differ, and the most that one costs.
    pub(super) open: HashMap<Key, (i64, Spent)>,
    pub(super) paid: Spent,
}

impl Kept {
    pub(super) fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Started { key, at_most } => {
                let open = self.open.entry(key).or_default();
                open.0 += 1;
                if at_most.tokens() > open.1.tokens() {
                    open.1 = at_most;
                }
            }
            Entry::Failed {
                key,
                reason,
                maybe_paid,
            } => {
                if !maybe_paid {
                    self.open.entry(key.clone()).or_default().0 -= 1;
                }
                // The least of several, so that their order does not matter.
                let kept = self.failures.entry(key).or_insert_with(|| reason.clone());
                if reason < *kept {
                    *kept = reason;
                }
            }
            Entry::Answered(answered) => {
                let Answered {
                    key,
                    prompt,
                    answer,
                    when,
                    paid,
                    ..
                } = *answered;
                self.open.entry(key.clone()).or_default().0 -= 1;
                self.paid += paid;
                let new = Recorded {
                    answer,
                    prompt,
                    paid,
                    when,
                };
                match self.answers.entry(key) {
                    Place::Vacant(vacant) => {
                        vacant.insert(new);
                    }
                    // Joined journals: the older answer, and of equally old ones the lesser text.
                    Place::Occupied(mut old) => {
                        let age = |one: &Recorded| (one.when, one.answer.content.clone());
                        if age(&new) < age(old.get()) {
                            old.insert(new);
                        }
                    }
                }
            }
        }
    }
}
