//! How far one gets blind: the floor under every number of a model that sees.

use std::collections::BTreeMap;

use miss_data::Question;

use crate::metrics::{Baseline, Baselines, Partitions};
use crate::normalise::normalise;

pub(crate) fn baselines(train: &[&Question], test: &[&Question]) -> Baselines {
    let mut all = Answers::default();
    let mut by_question: BTreeMap<String, Answers> = BTreeMap::new();
    for question in train {
        let answer = normalise(&question.answer);
        by_question
            .entry(normalise(&question.question))
            .or_default()
            .count(answer.clone());
        all.count(answer);
    }
    // No training questions, no answer: every question is then wrong.
    let majority = all.most_frequent();
    let by_question: BTreeMap<&str, Option<&str>> = by_question
        .iter()
        .map(|(question, answers)| (question.as_str(), answers.most_frequent()))
        .collect();

    let right = |question: &Question, answer: Option<&str>| {
        answer.is_some_and(|answer| answer == normalise(&question.answer))
    };
    let looked_up: Vec<Option<Option<&str>>> = test
        .iter()
        .map(|question| {
            let asked = normalise(&question.question);
            by_question.get(asked.as_str()).copied()
        })
        .collect();
    let known = looked_up.iter().flatten().count();

    Baselines {
        majority: Baseline {
            rule: match majority {
                Some(answer) => format!(
                    "always \"{answer}\", the most frequent of {} training answers",
                    train.len()
                ),
                None => "no training answers to choose from".to_owned(),
            },
            partitions: Partitions::score(
                test.iter()
                    .map(|question| (*question, right(question, majority))),
            ),
        },
        question_lookup: Baseline {
            rule: format!(
                "the most frequent training answer to the same question text ({known} of {} test \
                 questions), else the majority answer",
                test.len()
            ),
            partitions: Partitions::score(
                test.iter().zip(&looked_up).map(|(question, found)| {
                    (*question, right(question, found.unwrap_or(majority)))
                }),
            ),
        },
    }
}

/// Normalised answers with their frequency.
#[derive(Default)]
struct Answers(BTreeMap<String, usize>);

impl Answers {
    fn count(&mut self, answer: String) {
        *self.0.entry(answer).or_default() += 1;
    }

    /// Ties go to the alphabetically first, so that the baseline does not depend on the order of rows.
    fn most_frequent(&self) -> Option<&str> {
        let mut best: Option<(&str, usize)> = None;
        for (answer, count) in &self.0 {
            if best.is_none_or(|(_, most)| *count > most) {
                best = Some((answer, *count));
            }
        }
        best.map(|(answer, _)| answer)
    }
}
