//! Drawing answers at random.

use super::decoder::{Decoder, NextTokens};
use super::{GenerateError, Generated};
use crate::hash::unit_interval;
use crate::tokens::SpecialTokens;
use crate::vqa::{QuestionStates, VqaModel};

/// How answers are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits: below 1 the probable becomes more probable.
    pub temperature: f64,
    /// Tokens are drawn from the smallest set, most probable first, that has this share of the
    /// probability; 1: from all.
    pub top_p: f64,
    /// Longest answer in tokens, `[DEC]` counted and `[SEP]` included.
    pub max_length: usize,
    /// Whether padding of a question is hidden from the decoder.
    pub mask_question_padding: bool,
    /// Where the draws start.
    pub seed: u64,
    /// Special token ids.
    pub special: SpecialTokens,
}

impl Sampling {
    /// One answer to each of `states`. Every draw is a function of the seed, the question's key
    /// (of `keys`) and the position, so that an answer does not depend on the rest of the batch.
    ///
    /// Log-probabilities in the answers are those of the model, at temperature 1 and of all tokens.
    /// `score` is their sum over the number of tokens drawn.
    ///
    /// # Errors
    ///
    /// When an option is out of range, keys are missing, or the device fails.
    pub fn run(
        &self,
        model: &VqaModel,
        states: &QuestionStates,
        keys: &[u64],
    ) -> Result<Vec<Generated>, GenerateError> {
        let [questions, ..] = states.hidden.dims();
        self.check(model, keys.len(), questions)?;
        let mut decoder = Decoder::new(model, states, self.mask_question_padding);
        let mut answers = vec![(Vec::new(), Vec::new(), false); questions];
        let mut live: Vec<usize> = (0..questions).collect();
        let mut last = vec![self.special.decoder; questions];
        for position in 1..self.max_length {
            let next = decoder.step(&last)?;
            let (mut rows, mut going, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
            for (row, question) in live.iter().enumerate() {
                let random = unit_interval(&[self.seed, keys[*question], position as u64]);
                let (token, log_probability) = self.draw(&next, row, random);
                let (answer, log_probabilities, ended) = &mut answers[*question];
                log_probabilities.push(log_probability);
                if token == self.special.separator {
                    *ended = true;
                    continue;
                }
                answer.push(token);
                rows.push(row);
                going.push(*question);
                tokens.push(token);
            }
            if rows.is_empty() {
                break;
            }
            decoder.go_on(&rows, &rows, 1);
            (live, last) = (going, tokens);
        }
        Ok(answers
            .into_iter()
            .map(|(tokens, token_log_probabilities, ended)| {
                let log_probability: f32 = token_log_probabilities.iter().sum();
                Generated {
                    tokens,
                    score: log_probability / token_log_probabilities.len() as f32,
                    token_log_probabilities,
                    log_probability,
                    ended,
                    candidate: None,
                }
            })
            .collect())
    }

    fn check(&self, model: &VqaModel, keys: usize, questions: usize) -> Result<(), GenerateError> {
        if self.temperature.is_nan() || self.temperature <= 0.0 {
            return Err(GenerateError::Temperature(self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(GenerateError::TopP(self.top_p));
        }
        if keys != questions {
            return Err(GenerateError::Keys { keys, questions });
        }
        model.check_length(self.max_length)
    }

    /// A token and its log-probability under the model; `random` is in `[0, 1)`.
    fn draw(&self, next: &NextTokens, row: usize, random: f64) -> (u32, f32) {
        let log_probabilities = next.row(row);
        let token = draw(log_probabilities, self.temperature, self.top_p, random);
        (token as u32, log_probabilities[token])
    }
}

/// An index drawn from `softmax(log_probabilities / temperature)`, cut to the nucleus of `top_p`.
fn draw(log_probabilities: &[f32], temperature: f64, top_p: f64, random: f64) -> usize {
    let highest = log_probabilities
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let mut weights: Vec<(usize, f64)> = log_probabilities
        .iter()
        .map(|value| (f64::from(value - highest) / temperature).exp())
        .enumerate()
        .collect();
    let mut total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if top_p < 1.0 {
        // Equal probabilities keep the order of their tokens.
        weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (wanted, mut sum) = (top_p * total, 0.0);
        let nucleus = weights.iter().position(|(_, weight)| {
            sum += weight;
            sum >= wanted
        });
        weights.truncate(nucleus.map_or(weights.len(), |last| last + 1));
        total = weights.iter().map(|(_, weight)| weight).sum();
    }
    let mut left = random * total;
    for (index, weight) in &weights {
        left -= weight;
        if left < 0.0 {
            return *index;
        }
    }
    // Rounding may leave a rest.
    weights
        .iter()
        .rev()
        .find(|(_, weight)| *weight > 0.0)
        .map_or(0, |(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of `n` evenly spaced draws.
    fn shares(values: &[f32], temperature: f64, top_p: f64) -> Vec<f64> {
        let n = 100_000;
        let mut counts = vec![0f64; values.len()];
        for i in 0..n {
            let random = (f64::from(i) + 0.5) / f64::from(n);
            counts[draw(values, temperature, top_p, random)] += 1.0;
        }
        counts.iter().map(|count| count / f64::from(n)).collect()
    }

    fn assert_near(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
    }

    #[test]
    fn draws_follow_the_softmax_at_every_temperature() {
        let p = [0.1f64, 0.6, 0.05, 0.25];
        let values = p.map(|p| p.ln() as f32);
        assert_near(&shares(&values, 1.0, 1.0), &p);
        let sharp = p.map(|p| p.powi(2));
        let sum: f64 = sharp.iter().sum();
        assert_near(&shares(&values, 0.5, 1.0), &sharp.map(|p| p / sum));
        assert_near(&shares(&values, 1e-3, 1.0), &[0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_with_the_share() {
        let values = [0.1f64, 0.6, 0.05, 0.25].map(|p| p.ln() as f32);
        assert_near(&shares(&values, 1.0, 0.5), &[0.0, 1.0, 0.0, 0.0]);
        let two = [0.0, 0.6 / 0.85, 0.0, 0.25 / 0.85];
        assert_near(&shares(&values, 1.0, 0.7), &two);
        let three = [0.1 / 0.95, 0.6 / 0.95, 0.0, 0.25 / 0.95];
        assert_near(&shares(&values, 1.0, 0.9), &three);
    }
}
