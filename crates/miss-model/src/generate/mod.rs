//! Writing answers: beam search, free or held to a set of candidates; sampling; ranking.

mod beam;
mod decoder;
mod prefix_tree;
mod ranking;
mod sampling;

pub use beam::{BeamSearch, LengthRule};
pub use prefix_tree::PrefixTree;
pub use ranking::{RankScoring, Ranked, Ranking};
pub use sampling::Sampling;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Tokens without `[DEC]` and `[SEP]`.
    pub tokens: Vec<u32>,
    /// Log-probability of each token under the model, `[SEP]` included if it was reached.
    pub token_log_probabilities: Vec<f32>,
    /// Their sum.
    pub log_probability: f32,
    /// What the search ranked by: the sum over a length ([`LengthRule`]).
    pub score: f32,
    /// Whether `[SEP]` was reached before `max_length`.
    pub ended: bool,
    /// Which candidate it is, when the search was held to a set of them.
    pub candidate: Option<usize>,
}

/// Why no answers could be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GenerateError {
    /// No beam to search with.
    #[error("a search needs at least 1 beam; 1 is greedy search")]
    NoBeams,
    /// No room for a token, or more than the model has positions for.
    #[error(
        "answers of {length} tokens, [DEC] counted, cannot be written: \
         choose a length from 2 to {positions}, the positions that the model has"
    )]
    Length {
        /// Length asked for.
        length: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// A temperature that no distribution has.
    #[error("a temperature of {0} is not above 0; for the most probable token search with 1 beam")]
    Temperature(f64),
    /// A share that is none.
    #[error("top_p is {0}; choose a share above 0 and up to 1 of the probability to draw from")]
    TopP(f64),
    /// Nothing to choose from.
    #[error("there are no candidates; give at least one")]
    NoCandidates,
    /// A candidate without tokens of its own.
    #[error("candidate {0} has no tokens between [CLS] and [SEP]; leave it out")]
    EmptyCandidate(usize),
    /// Not one key for every question.
    #[error("{keys} keys for {questions} questions; give each question one")]
    Keys {
        /// Keys given.
        keys: usize,
        /// Questions of the batch.
        questions: usize,
    },
    /// The device failed.
    #[error("the device did not give back what it computed: {0}")]
    Device(String),
}

/// The tokens of a candidate between `[CLS]` and `[SEP]`.
fn inner(candidates: &[Vec<u32>]) -> Result<Vec<&[u32]>, GenerateError> {
    if candidates.is_empty() {
        return Err(GenerateError::NoCandidates);
    }
    let inner = candidates.iter().enumerate().map(|(index, row)| {
        let inner = row.get(1..row.len().saturating_sub(1)).unwrap_or_default();
        match inner.is_empty() {
            true => Err(GenerateError::EmptyCandidate(index)),
            false => Ok(inner),
        }
    });
    inner.collect()
}
