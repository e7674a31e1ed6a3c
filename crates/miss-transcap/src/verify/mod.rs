//! Whether a caption says what its attributes say, and nothing else.
//!
//! Sound before complete: a closed vocabulary, and whatever is not understood is refused.

mod compare;
mod places;
mod read;
mod similar;
mod words;

use std::fmt;

use crate::attributes::{Attributes, Organ, Pathology};

pub use similar::{SIMILAR, distinct_n, near_duplicates};

/// The longest caption that is read, in bytes.
pub const MAX_CAPTION: usize = 2_000;

/// Why a caption is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No words, or more bytes than [`MAX_CAPTION`].
    Length(usize),
    /// A word outside the vocabulary: it may say anything.
    UnknownWord(String),
    /// A finding that the attributes do not have, or that is said to be absent and nobody knows.
    AddedFinding(Pathology),
    /// An organ that the attributes do not have.
    AddedOrgan(Organ),
    /// Something else that the attributes do not say: `modality`, `plane`, `class`, `location`, …
    Added(&'static str),
    /// Another value than the attributes': `count`, `location`, `sides`, …
    Contradicts(&'static str),
    /// A finding of the attributes is said to be absent.
    Negated(Pathology),
    /// Something of the attributes is not said.
    Missing(&'static str),
    /// Words that are known, in an order that is not understood.
    Unclear(&'static str),
}

impl Reason {
    /// Its kind, for counting.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::UnknownWord(_) => "unknown word",
            Self::AddedFinding(_) => "added finding",
            Self::AddedOrgan(_) => "added organ",
            Self::Added(_) => "added",
            Self::Contradicts(_) => "contradicts",
            Self::Negated(_) => "negated",
            Self::Missing(_) => "missing",
            Self::Unclear(_) => "unclear",
        }
    }
}

/// The kind and what is wrong: `unknown word: severe`, `contradicts: count`. Stable, as they are counted, kept in
/// journals and told to a model that is asked again.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Self::Length(bytes) => write!(f, "{bytes} bytes, not 1 to {MAX_CAPTION}"),
            Self::UnknownWord(word) => write!(f, "{}", word.escape_debug()),
            Self::AddedOrgan(what) => write!(f, "{what}"),
            Self::AddedFinding(what) | Self::Negated(what) => write!(f, "{what}"),
            Self::Added(what)
            | Self::Contradicts(what)
            | Self::Missing(what)
            | Self::Unclear(what) => f.write_str(what),
        }
    }
}

/// Why `caption` is not exactly what the attributes say; empty if it is.
///
/// A bare "left" is taken to be meant as [`Attributes::sides`] declares, as in the paper's own captions; a side
/// of the image, of the patient or of an organ must be of the declared convention. "A nodule" is one where the
/// attributes count, and otherwise says only that there is such a thing. Of what is absent, only what the class
/// says may be said.
#[must_use]
pub fn verify(attributes: &Attributes, caption: &str) -> Vec<Reason> {
    if caption.len() > MAX_CAPTION || caption.trim().is_empty() {
        return vec![Reason::Length(caption.len())];
    }
    let said = read::read(attributes, &words::lex(caption));
    let mut reasons = compare::compare(attributes, said);
    let mut kept: Vec<Reason> = Vec::new();
    for reason in reasons.drain(..) {
        if !kept.contains(&reason) {
            kept.push(reason);
        }
    }
    kept
}
