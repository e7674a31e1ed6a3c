//! Choosing among given answers by their probability.

use super::decoder::{Decoder, host};
use super::{GenerateError, inner};
use crate::losses::{LABEL_SMOOTHING, smoothed_cross_entropy};
use crate::rows::Rows;
use crate::text::CrossSource;
use crate::tokens::{SpecialTokens, index_tensor};
use crate::vqa::{Answers, QuestionStates, VqaModel};

/// Positions whose logits are held at a time: 62 MB with a vocabulary of 30,524.
const TARGETS: usize = 512;

/// How candidates are scored (`reference.md` 1.6, Rank).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankScoring {
    /// BLIP and MISS: minus the summed cross-entropy, label smoothing included.
    Blip,
    /// ALBEF, MUMC and M2I2: the log-probability, the first token's counted twice.
    Albef,
}

/// How candidates are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// Candidates that are scored in full, those with the most probable first tokens: 128 in the
    /// reference. With fewer candidates, all are.
    pub k: usize,
    /// What they are scored by.
    pub scoring: RankScoring,
    /// Special token ids.
    pub special: SpecialTokens,
}

/// A candidate that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Its place in the list of candidates.
    pub candidate: usize,
    /// What it was ranked by.
    pub score: f32,
    /// Log-probability of all its tokens, `[SEP]` included.
    pub log_probability: f32,
    /// Log-probability of its first token, which chose the `k`.
    pub first_token_log_probability: f32,
    /// Softmax of the scores over the `k`.
    pub probability: f32,
}

impl Ranking {
    /// For each of `states` the candidates, best first.
    ///
    /// `candidates` are token rows as the tokenizer gives them (`[CLS] … [SEP]`). Of candidates with
    /// equal first tokens the earlier are taken into the `k`. Padding of questions is masked, as in
    /// the reference. Keys and values of a question are computed once for all its candidates.
    ///
    /// # Errors
    ///
    /// When there are no candidates, one has no tokens or too many, or the device fails.
    pub fn run(
        &self,
        model: &VqaModel,
        states: &QuestionStates,
        candidates: &[Vec<u32>],
    ) -> Result<Vec<Vec<Ranked>>, GenerateError> {
        let first: Vec<u32> = inner(candidates)?.iter().map(|tokens| tokens[0]).collect();
        let longest = candidates.iter().map(Vec::len).max().unwrap_or(0);
        model.check_length(longest)?;
        let [questions, ..] = states.hidden.dims();
        let mut decoder = Decoder::new(model, states, true);
        let next = decoder.step(&vec![self.special.decoder; questions])?;
        let cross = model.cross_source(states, true);
        let device = states.hidden.device();
        (0..questions)
            .map(|question| {
                let log_probabilities = next.row(question);
                let of = |candidate: usize| log_probabilities[first[candidate] as usize];
                let mut chosen: Vec<usize> = (0..candidates.len()).collect();
                chosen.sort_by(|a, b| of(*b).total_cmp(&of(*a)).then(a.cmp(b)));
                chosen.truncate(self.k.max(1));
                // Of like length together: less padding.
                chosen.sort_by_key(|candidate| (candidates[*candidate].len(), *candidate));
                let row = index_tensor(&[question as i64], &device);
                let own = CrossSource {
                    layers: cross
                        .layers
                        .iter()
                        .map(|layer| layer.select(row.clone()))
                        .collect(),
                    bias: cross.bias.clone().map(|bias| bias.select(0, row)),
                    rows: Rows::Each,
                };
                let mut ranked = Vec::with_capacity(chosen.len());
                for part in parts(&chosen, candidates) {
                    let rows: Vec<Vec<u32>> = part
                        .iter()
                        .map(|index| candidates[*index].clone())
                        .collect();
                    let (smoothed, plain) = self.losses(model, &own, &rows)?;
                    for ((candidate, smoothed), plain) in part.iter().zip(smoothed).zip(plain) {
                        let first = of(*candidate);
                        ranked.push(Ranked {
                            candidate: *candidate,
                            score: match self.scoring {
                                RankScoring::Blip => -smoothed,
                                RankScoring::Albef => first - plain,
                            },
                            log_probability: -plain,
                            first_token_log_probability: first,
                            probability: 0.0,
                        });
                    }
                }
                ranked.sort_by(|a, b| {
                    let better = b.score.total_cmp(&a.score);
                    better.then(a.candidate.cmp(&b.candidate))
                });
                with_probabilities(&mut ranked);
                Ok(ranked)
            })
            .collect()
    }

    /// Cross-entropy of every row summed over its tokens, smoothed and plain.
    fn losses(
        &self,
        model: &VqaModel,
        question: &CrossSource,
        rows: &[Vec<u32>],
    ) -> Result<(Vec<f32>, Vec<f32>), GenerateError> {
        let cross = CrossSource {
            rows: Rows::Groups(rows.len()),
            ..question.clone()
        };
        let answers = Answers::new(rows, &self.special, &model.device());
        let (logits, targets) = model.answer_logits(&cross, &answers, None);
        let sums = |smoothing| {
            let losses = smoothed_cross_entropy(logits.clone(), targets.clone(), smoothing);
            let losses = host(losses)?;
            let mut left = losses.as_slice();
            let sums = rows.iter().map(|row| {
                let (own, rest) = left.split_at(row.len() - 1);
                left = rest;
                own.iter().sum()
            });
            Ok(sums.collect::<Vec<f32>>())
        };
        Ok((sums(LABEL_SMOOTHING)?, sums(0.0)?))
    }
}

/// Runs of `chosen` with at most [`TARGETS`] targets each, but at least one candidate.
fn parts<'a>(chosen: &'a [usize], candidates: &[Vec<u32>]) -> Vec<&'a [usize]> {
    let (mut parts, mut start, mut targets) = (Vec::new(), 0, 0);
    for (at, candidate) in chosen.iter().enumerate() {
        let own = candidates[*candidate].len();
        if targets + own > TARGETS && at > start {
            parts.push(&chosen[start..at]);
            (start, targets) = (at, 0);
        }
        targets += own;
    }
    parts.push(&chosen[start..]);
    parts
}

fn with_probabilities(ranked: &mut [Ranked]) {
    let best = ranked.first().map_or(0.0, |best| best.score);
    let sum: f32 = ranked.iter().map(|one| (one.score - best).exp()).sum();
    for one in ranked {
        one.probability = (one.score - best).exp() / sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_candidate_once_and_are_bounded() {
        let candidates: Vec<Vec<u32>> = [5, 300, 300, 600, 2, 2].map(|n| vec![1; n]).to_vec();
        let chosen = [0, 1, 2, 3, 4, 5];
        let parts = parts(&chosen, &candidates);
        assert_eq!(parts, [&[0, 1][..], &[2], &[3], &[4, 5]]);
    }
}
