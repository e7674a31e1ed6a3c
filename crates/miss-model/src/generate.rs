//! Writing answers: beam search over the text decoder.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use crate::attention::KeyValue;
use crate::rows::Rows;
use crate::text::CrossSource;
use crate::tokens::{SpecialTokens, index_tensor};
use crate::vqa::{QuestionStates, VqaModel};

/// How answers are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeamSearch {
    /// Beams kept for each question; 1 is greedy search.
    pub beams: usize,
    /// Longest answer in tokens, `[DEC]` counted and `[SEP]` included: 10 in the reference.
    pub max_length: usize,
    /// Whether padding of a question is hidden from the decoder. With it hidden an answer does not
    /// depend on what else is in the batch; the released code attends to it.
    pub mask_question_padding: bool,
    /// Special token ids.
    pub special: SpecialTokens,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Tokens without `[DEC]` and `[SEP]`.
    pub tokens: Vec<u32>,
    /// Sum of the log-probabilities of its tokens, `[SEP]` included if it was reached.
    pub log_probability: f32,
    /// What the search ranked by: the sum over the number of tokens, `[DEC]` counted and `[SEP]` not
    /// (`reference.md` 1.6, 3).
    pub score: f32,
    /// Whether `[SEP]` was reached before `max_length`.
    pub ended: bool,
}

impl BeamSearch {
    /// Answers to `states`, best first: for each question at most `beams` of them.
    ///
    /// The rules are those of the reference's library (`reference.md` 1.6): length-normalised
    /// scores, a question is done when its worst kept answer is no worse than the best that a live
    /// beam could still become.
    pub fn run(&self, model: &VqaModel, states: &QuestionStates) -> Vec<Vec<Generated>> {
        let [questions, ..] = states.hidden.dims();
        let device = states.hidden.device();
        let mut decoder = Decoder::new(model, states, self);
        let mut searches: Vec<Search> = (0..questions).map(|_| Search::new(self)).collect();
        for length in 1..self.max_length {
            let last: Vec<i64> = searches.iter().flat_map(Search::last_tokens).collect();
            let ids = Tensor::<2, Int>::from_data(
                TensorData::new(last, [questions * self.beams, 1]),
                &device,
            );
            let logits = decoder.step(ids, length - 1);
            let [_, vocabulary] = logits.dims();
            let scores: Vec<f32> = log_softmax(logits, 1)
                .try_into_vec_as()
                .expect("log-probabilities are floats");
            let rows = scores.chunks_exact(self.beams * vocabulary);
            let mut origins = Vec::with_capacity(questions * self.beams);
            for (index, (search, rows)) in searches.iter_mut().zip(rows).enumerate() {
                let parents = search.advance(rows, vocabulary, length, self);
                origins.extend(
                    parents
                        .iter()
                        .map(|beam| (index * self.beams + beam) as i64),
                );
            }
            if searches.iter().all(|search| search.done) {
                break;
            }
            decoder.reorder(index_tensor(&origins, &device));
        }
        searches
            .into_iter()
            .map(|search| search.finish(self))
            .collect()
    }
}

/// The decoder with its caches, one row a beam.
struct Decoder<'a> {
    model: &'a VqaModel,
    cross: CrossSource,
    pasts: Vec<Option<KeyValue>>,
}

impl<'a> Decoder<'a> {
    fn new(model: &'a VqaModel, states: &QuestionStates, search: &BeamSearch) -> Self {
        // Every beam of a question attends to the same states: projected once, never repeated.
        Self {
            model,
            cross: CrossSource {
                rows: Rows::Groups(search.beams),
                ..model.cross_source(states, search.mask_question_padding)
            },
            pasts: vec![None; model.decoder_depth()],
        }
    }

    fn step(&mut self, ids: Tensor<2, Int>, position: usize) -> Tensor<2> {
        self.model
            .next_token(ids, position, &mut self.pasts, &self.cross)
    }

    /// Makes row i continue what was row `origins[i]`.
    fn reorder(&mut self, origins: Tensor<1, Int>) {
        for past in self.pasts.iter_mut().flatten() {
            *past = past.select(origins.clone());
        }
    }
}

/// A live beam: tokens so far, `[DEC]` first, and the sum of their log-probabilities.
#[derive(Clone, Debug)]
struct Beam {
    tokens: Vec<u32>,
    sum: f32,
}

/// The search for one question's answer.
struct Search {
    beams: Vec<Beam>,
    kept: Vec<Generated>,
    done: bool,
}

impl Search {
    fn new(options: &BeamSearch) -> Self {
        // All beams begin alike; only the first may be continued, or they would stay alike.
        let beams = (0..options.beams)
            .map(|beam| Beam {
                tokens: vec![options.special.decoder],
                sum: if beam == 0 { 0.0 } else { -1e9 },
            })
            .collect();
        Self {
            beams,
            kept: Vec::new(),
            done: false,
        }
    }

    fn last_tokens(&self) -> impl Iterator<Item = i64> + '_ {
        self.beams
            .iter()
            .map(|beam| i64::from(beam.tokens.last().copied().unwrap_or_default()))
    }

    /// Continues every beam by one token; returns which beam each new one continues.
    ///
    /// `scores` holds the log-probabilities `[beams, vocabulary]` of the next token, `length` the
    /// tokens so far, `[DEC]` counted.
    fn advance(
        &mut self,
        scores: &[f32],
        vocabulary: usize,
        length: usize,
        options: &BeamSearch,
    ) -> Vec<usize> {
        if self.done {
            return (0..options.beams).collect();
        }
        let candidates = self.candidates(scores, vocabulary, 2 * options.beams);
        let best = candidates
            .first()
            .map_or(f32::NEG_INFINITY, |candidate| candidate.sum);
        let (mut parents, mut beams) = (Vec::new(), Vec::new());
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let parent = &self.beams[candidate.beam];
            if candidate.token == options.special.separator {
                if rank < options.beams {
                    let tokens = parent.tokens.clone();
                    self.keep(&tokens, candidate.sum, true, options);
                }
                continue;
            }
            let mut tokens = parent.tokens.clone();
            tokens.push(candidate.token);
            beams.push(Beam {
                tokens,
                sum: candidate.sum,
            });
            parents.push(candidate.beam);
            if beams.len() == options.beams {
                break;
            }
        }
        self.beams = beams;
        let worst = self.kept.last().map(|answer| answer.score);
        self.done = self.kept.len() == options.beams && worst >= Some(best / length as f32);
        parents
    }

    /// The best `count` continuations, best first; of equals, the earlier beam and token.
    fn candidates(&self, scores: &[f32], vocabulary: usize, count: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
        for (beam, row) in scores.chunks_exact(vocabulary).enumerate() {
            let base = self.beams[beam].sum;
            for (token, score) in row.iter().enumerate() {
                let sum = base + score;
                if best.len() == count && best.last().is_some_and(|last| sum <= last.sum) {
                    continue;
                }
                let at = best.partition_point(|candidate| candidate.sum >= sum);
                let token = token as u32;
                best.insert(at, Candidate { beam, token, sum });
                best.truncate(count);
            }
        }
        best
    }

    /// Keeps an answer if it is among the best.
    fn keep(&mut self, tokens: &[u32], sum: f32, ended: bool, options: &BeamSearch) {
        let score = sum / tokens.len() as f32;
        let at = self.kept.partition_point(|answer| answer.score >= score);
        let answer = Generated {
            tokens: tokens[1..].to_vec(),
            log_probability: sum,
            score,
            ended,
        };
        self.kept.insert(at, answer);
        self.kept.truncate(options.beams);
    }

    fn finish(mut self, options: &BeamSearch) -> Vec<Generated> {
        if !self.done {
            for beam in std::mem::take(&mut self.beams) {
                self.keep(&beam.tokens, beam.sum, false, options);
            }
        }
        self.kept
    }
}

struct Candidate {
    beam: usize,
    token: u32,
    sum: f32,
}
