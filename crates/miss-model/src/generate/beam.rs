//! Beam search.

use super::decoder::Decoder;
use super::prefix_tree::PrefixTree;
use super::{GenerateError, Generated};
use crate::tokens::SpecialTokens;
use crate::vqa::{QuestionStates, VqaModel};

/// What the log-probability of an answer is divided by (`reference.md` 1.6, 3 and 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LengthRule {
    /// Its tokens, `[DEC]` counted and `[SEP]` not: the rule of the library that the reference pins.
    #[default]
    CountsPrompt,
    /// Its tokens, `[SEP]` counted and `[DEC]` not: the rule of newer versions. It differs only for
    /// answers that are cut at `max_length`.
    CountsEnd,
}

/// How answers are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeamSearch {
    /// Beams kept for each question; 1 is greedy search.
    pub beams: usize,
    /// Longest answer in tokens, `[DEC]` counted and `[SEP]` included: 10 in the reference.
    pub max_length: usize,
    /// What answers are compared by.
    pub length_rule: LengthRule,
    /// Whether padding of a question is hidden from the decoder. With it hidden an answer does not
    /// depend on what else is in the batch; the released code attends to it.
    pub mask_question_padding: bool,
    /// Special token ids.
    pub special: SpecialTokens,
}

impl Default for BeamSearch {
    /// The reference's search, with padding hidden.
    fn default() -> Self {
        Self {
            beams: 3,
            max_length: 10,
            length_rule: LengthRule::default(),
            mask_question_padding: true,
            special: SpecialTokens::default(),
        }
    }
}

impl BeamSearch {
    /// Answers to `states`, best first: for each question at most `beams` of them.
    ///
    /// The rules are those of the reference's library (`reference.md` 1.6): length-normalised
    /// scores; a question is done when its worst kept answer is no worse than the best that a live
    /// beam could still become. A question that is done leaves the batch.
    ///
    /// # Errors
    ///
    /// When there is no beam, `max_length` does not fit the model, or the device fails.
    pub fn run(
        &self,
        model: &VqaModel,
        states: &QuestionStates,
    ) -> Result<Vec<Vec<Generated>>, GenerateError> {
        self.search(model, states, None)
    }

    /// The same among `candidates` only; every answer names its candidate. A candidate is never cut:
    /// `max_length` does not count. Log-probabilities are the model's own, not those of the
    /// candidates among each other.
    ///
    /// With at least as many beams as candidates the answers are all of them, in order.
    ///
    /// # Errors
    ///
    /// As [`BeamSearch::run`].
    pub fn run_among(
        &self,
        model: &VqaModel,
        states: &QuestionStates,
        candidates: &PrefixTree,
    ) -> Result<Vec<Vec<Generated>>, GenerateError> {
        self.search(model, states, Some(candidates))
    }

    fn search(
        &self,
        model: &VqaModel,
        states: &QuestionStates,
        tree: Option<&PrefixTree>,
    ) -> Result<Vec<Vec<Generated>>, GenerateError> {
        if self.beams == 0 {
            return Err(GenerateError::NoBeams);
        }
        // Of a candidate all tokens, and [DEC] and [SEP].
        let max_length = tree.map_or(self.max_length, |tree| tree.longest() + 2);
        model.check_length(max_length)?;
        let [questions, ..] = states.hidden.dims();
        let mut decoder = Decoder::new(model, states, self.mask_question_padding);
        let mut searches: Vec<Search<'_>> =
            (0..questions).map(|_| Search::new(self, tree)).collect();
        // All beams of a question begin alike: one row will do, and the caches are repeated after.
        let mut live: Vec<usize> = (0..questions).collect();
        let mut width = 1;
        for length in 1..max_length {
            let last: Vec<u32> = live
                .iter()
                .flat_map(|question| searches[*question].last_tokens(width))
                .collect();
            let next = decoder.step(&last)?;
            let (mut origins, mut kept, mut going) = (Vec::new(), Vec::new(), Vec::new());
            for (place, question) in live.iter().enumerate() {
                let search = &mut searches[*question];
                let first = place * width;
                let parents = search.advance(|beam| next.row(first + beam), length);
                if search.done {
                    continue;
                }
                origins.extend((0..self.beams).map(|beam| {
                    // A place without a beam repeats the first one's row, unread.
                    first + parents.get(beam).copied().unwrap_or(parents[0])
                }));
                kept.push(place);
                going.push(*question);
            }
            if going.is_empty() {
                break;
            }
            decoder.go_on(&origins, &kept, self.beams);
            (live, width) = (going, self.beams);
        }
        Ok(searches.into_iter().map(Search::finish).collect())
    }
}

/// A live beam: tokens so far, `[DEC]` first, and their log-probabilities.
#[derive(Clone, Debug)]
struct Beam {
    tokens: Vec<u32>,
    log_probabilities: Vec<f32>,
    sum: f32,
    /// Where it stands in the tree of candidates.
    node: usize,
}

/// The search for one question's answer.
struct Search<'a> {
    options: &'a BeamSearch,
    tree: Option<&'a PrefixTree>,
    beams: Vec<Beam>,
    kept: Vec<Generated>,
    done: bool,
}

/// A beam continued by a token.
struct Candidate {
    beam: usize,
    token: u32,
    sum: f32,
    node: usize,
}

impl<'a> Search<'a> {
    fn new(options: &'a BeamSearch, tree: Option<&'a PrefixTree>) -> Self {
        Self {
            options,
            tree,
            beams: vec![Beam {
                tokens: vec![options.special.decoder],
                log_probabilities: Vec::new(),
                sum: 0.0,
                node: PrefixTree::ROOT,
            }],
            kept: Vec::new(),
            done: false,
        }
    }

    /// The last token of every beam, `width` of them; a place without a beam repeats the first.
    fn last_tokens(&self, width: usize) -> impl Iterator<Item = u32> + '_ {
        (0..width).map(|place| {
            let beam = self.beams.get(place).or(self.beams.first());
            let last = beam.and_then(|beam| beam.tokens.last());
            last.copied().unwrap_or(self.options.special.padding)
        })
    }

    /// Continues every beam by one token; returns which beam each new one continues.
    ///
    /// `scores` gives the log-probabilities of the next token after a beam, `length` is the number
    /// of tokens so far, `[DEC]` counted.
    fn advance<'s>(&mut self, scores: impl Fn(usize) -> &'s [f32], length: usize) -> Vec<usize> {
        let candidates = self.candidates(&scores, 2 * self.options.beams);
        let best = candidates.first().map(|candidate| candidate.sum);
        let (mut parents, mut beams) = (Vec::new(), Vec::new());
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let parent = &self.beams[candidate.beam];
            let mut log_probabilities = parent.log_probabilities.clone();
            log_probabilities.push(scores(candidate.beam)[candidate.token as usize]);
            let mut tokens = parent.tokens.clone();
            if candidate.token == self.options.special.separator {
                if rank < self.options.beams {
                    let ended = Beam {
                        tokens,
                        log_probabilities,
                        sum: candidate.sum,
                        node: candidate.node,
                    };
                    self.keep(ended, true);
                }
                continue;
            }
            tokens.push(candidate.token);
            beams.push(Beam {
                tokens,
                log_probabilities,
                sum: candidate.sum,
                node: candidate.node,
            });
            parents.push(candidate.beam);
            if beams.len() == self.options.beams {
                break;
            }
        }
        self.beams = beams;
        let worst = self.kept.last().map(|answer| answer.score);
        let full = self.kept.len() == self.options.beams;
        let settled = full && worst >= best.map(|best| best / length as f32);
        self.done = settled || self.beams.is_empty();
        parents
    }

    /// The best `count` continuations, best first; of equals, the earlier beam and token.
    fn candidates<'s>(&self, scores: &impl Fn(usize) -> &'s [f32], count: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::with_capacity(count + 1);
        let mut offer = |candidate: Candidate| {
            if best.len() == count && best.last().is_some_and(|last| candidate.sum <= last.sum) {
                return;
            }
            let at = best.partition_point(|other| other.sum >= candidate.sum);
            best.insert(at, candidate);
            best.truncate(count);
        };
        for (index, beam) in self.beams.iter().enumerate() {
            let row = scores(index);
            let mut continue_with = |token: u32, node: usize| {
                offer(Candidate {
                    beam: index,
                    token,
                    sum: beam.sum + row[token as usize],
                    node,
                });
            };
            match self.tree {
                None => (0..row.len() as u32).for_each(|token| continue_with(token, 0)),
                Some(tree) => {
                    if tree.candidate(beam.node).is_some() {
                        continue_with(self.options.special.separator, beam.node);
                    }
                    for (token, node) in tree.children(beam.node) {
                        continue_with(token, node);
                    }
                }
            }
        }
        best
    }

    /// Keeps an answer if it is among the best.
    fn keep(&mut self, beam: Beam, ended: bool) {
        let length = match (self.options.length_rule, ended) {
            (LengthRule::CountsPrompt, _) | (LengthRule::CountsEnd, true) => beam.tokens.len(),
            (LengthRule::CountsEnd, false) => beam.tokens.len() - 1,
        };
        let score = beam.sum / length as f32;
        let at = self.kept.partition_point(|answer| answer.score >= score);
        let answer = Generated {
            tokens: beam.tokens[1..].to_vec(),
            token_log_probabilities: beam.log_probabilities,
            log_probability: beam.sum,
            score,
            ended,
            candidate: self.tree.and_then(|tree| tree.candidate(beam.node)),
        };
        self.kept.insert(at, answer);
        self.kept.truncate(self.options.beams);
    }

    fn finish(mut self) -> Vec<Generated> {
        // Beams that are cut count as answers; part of a candidate does not.
        if !self.done && self.tree.is_none() {
            for beam in std::mem::take(&mut self.beams) {
                self.keep(beam, false);
            }
        }
        self.kept
    }
}
