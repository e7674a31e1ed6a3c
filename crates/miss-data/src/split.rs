//! Splits: lists of record ids with a hash, made so that what must not be on two sides is not.
//!
//! [`make`] makes any of them by its [`SplitKind`]; [`audit`](crate::audit) says what still leaks.

mod draw;
mod groups;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use draw::{by_group, image_disjoint, random};
pub use parts::{bilingual_safe, official, official_dedup};

use crate::file::sha256_hex;
use crate::record::{Language, Question};

/// A partition of records into three sides, each a list of ids in file order. As JSON it carries its
/// [`hash`](Self::hash), and lists that do not fit their hash are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Split {
    /// How it was made: the name of a [`SplitKind`].
    pub name: String,
    /// The seed it was made with; 0 where there is nothing random.
    pub seed: u64,
    /// Ids to train on.
    pub train: Vec<String>,
    /// Ids to select a model on.
    pub validation: Vec<String>,
    /// Ids to report on; opened by prediction and evaluation only.
    pub test: Vec<String>,
}

/// The ways to divide questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// The publishers' own: [`official`].
    Official,
    /// The publishers' own without repeated rows: [`official_dedup`].
    OfficialDedup,
    /// VQA-RAD as MEVF divides it: [`official`] of its own rows.
    Mevf,
    /// No image and no rephrased question on two sides: [`image_disjoint`].
    ImageDisjoint,
    /// Questions drawn one by one, whatever they share: [`random`].
    Random,
    /// The publishers' own of the English questions. In SLAKE one of them, for training, has no answer
    /// (`slake/1622`); it is in the list, as it is in the published count of 4,919, and is to be left out
    /// when learning.
    En,
    /// The publishers' own of the Chinese questions.
    Zh,
    /// Both languages, no image on two sides: [`bilingual_safe`].
    BilingualSafe,
    /// Own data: by the parts given in it, groups kept together: [`by_group`].
    ByGroup,
}

/// Why a split could not be made.
#[derive(Debug, Error, PartialEq)]
pub enum SplitError {
    /// A fraction is not a share of a whole.
    #[error(
        "validation fraction {validation} and test fraction {test}: each must be at least 0 and their sum below 1"
    )]
    Fractions {
        /// The validation fraction asked for.
        validation: f64,
        /// The test fraction asked for.
        test: f64,
    },
    /// Two rows have one id.
    #[error("two questions have the id `{id}`: ids must be unique")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A side that was asked for got nothing.
    #[error(
        "the {side} side of {questions} questions in {groups} groups that must stay together is empty: \
         add data or change the fractions"
    )]
    EmptySide {
        /// `train`, `validation` or `test`.
        side: &'static str,
        /// How many questions there were.
        questions: usize,
        /// How many groups they form.
        groups: usize,
    },
    /// The data has not what the kind divides by.
    #[error("the split `{kind}` does not fit these {questions} questions: {needs}")]
    Unfit {
        /// The kind asked for.
        kind: SplitKind,
        /// How many questions there were.
        questions: usize,
        /// What it needs, and what to take instead.
        needs: &'static str,
    },
    /// The parts given in the data tear apart what must stay together.
    #[error(
        "questions `{a}` and `{b}` are given different parts, but share an image or a linked id, directly or \
         through others: give them one part"
    )]
    TornGroup {
        /// Id of one question.
        a: String,
        /// Id of another.
        b: String,
    },
}

/// Divides `questions` in the way `kind`. The seed and the fractions (of questions) matter to the kinds
/// that draw: `image-disjoint`, `random`, and `by-group` as far as no parts are given.
///
/// # Errors
///
/// [`SplitError`] for data that the kind does not fit, impossible fractions, duplicate ids, and a side
/// that stays empty though it was asked for.
pub fn make(
    kind: SplitKind,
    questions: &[Question],
    seed: u64,
    validation_fraction: f64,
    test_fraction: f64,
) -> Result<Split, SplitError> {
    unique_ids(questions)?;
    let unfit = |needs| SplitError::Unfit {
        kind,
        questions: questions.len(),
        needs,
    };
    let (validation, test) = (validation_fraction, test_fraction);
    let split = match kind {
        SplitKind::ImageDisjoint => return image_disjoint(questions, seed, validation, test),
        SplitKind::Random => return random(questions, seed, validation, test),
        SplitKind::ByGroup => return by_group(questions, seed, validation, test),
        SplitKind::Official => official(questions),
        SplitKind::OfficialDedup => official_dedup(questions),
        SplitKind::Mevf => {
            if !questions
                .iter()
                .all(|row| row.id.starts_with("vqa-rad-mevf/"))
            {
                return Err(unfit(
                    "it needs the rows of MEVF's files, `trainset.json` and `testset.json`; for those of the \
                     official release take `official`",
                ));
            }
            official(questions)
        }
        SplitKind::En | SplitKind::Zh | SplitKind::BilingualSafe => {
            let speaks = |language| questions.iter().any(|row| row.language == language);
            if !(speaks(Language::En) && speaks(Language::Zh)) {
                return Err(unfit(
                    "it needs questions in English and in Chinese, as SLAKE has; for one language take \
                     `official`",
                ));
            }
            match kind {
                SplitKind::En => parts::of_language(questions, Language::En),
                SplitKind::Zh => parts::of_language(questions, Language::Zh),
                _ => bilingual_safe(questions),
            }
        }
    };
    if split.train.is_empty() || split.test.is_empty() {
        return Err(unfit(
            "it needs questions that are given the parts `train` and `test`; where there are none take \
             `image-disjoint`",
        ));
    }
    Ok(Split {
        name: kind.name().into(),
        ..split
    })
}

impl SplitKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Official,
        Self::OfficialDedup,
        Self::Mevf,
        Self::ImageDisjoint,
        Self::Random,
        Self::En,
        Self::Zh,
        Self::BilingualSafe,
        Self::ByGroup,
    ];

    /// Its name in recipes, on the command line and in [`Split::name`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::OfficialDedup => "official-dedup",
            Self::Mevf => "mevf",
            Self::ImageDisjoint => "image-disjoint",
            Self::Random => "random",
            Self::En => "en",
            Self::Zh => "zh",
            Self::BilingualSafe => "bilingual-safe",
            Self::ByGroup => "by-group",
        }
    }

    /// Whether it promises that no image is on two sides, so that a leak is a fault.
    #[must_use]
    pub fn promises_no_leak(self) -> bool {
        matches!(
            self,
            Self::ImageDisjoint | Self::BilingualSafe | Self::ByGroup
        )
    }
}

impl fmt::Display for SplitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A name that no split has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("there is no split `{name}`; there are {}", SplitKind::ALL.map(SplitKind::name).join(", "))]
pub struct UnknownKind {
    /// The name.
    pub name: String,
}

impl FromStr for SplitKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownKind { name: name.into() })
    }
}

impl Split {
    /// Hexadecimal sha256 of the three lists. The name and the seed are not part of it: two ways to
    /// the same lists give the same hash.
    #[must_use]
    pub fn hash(&self) -> String {
        // A JSON list of lists is unambiguous whatever stands in an id.
        sha256_hex(
            serde_json::json!([self.train, self.validation, self.test])
                .to_string()
                .as_bytes(),
        )
    }
}

/// A split as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    seed: u64,
    /// Absent from files made by hand.
    hash: Option<String>,
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl From<Split> for Written {
    fn from(split: Split) -> Self {
        Self {
            hash: Some(split.hash()),
            name: split.name,
            seed: split.seed,
            train: split.train,
            validation: split.validation,
            test: split.test,
        }
    }
}

impl TryFrom<Written> for Split {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let split = Self {
            name: written.name,
            seed: written.seed,
            train: written.train,
            validation: written.validation,
            test: written.test,
        };
        let mut seen = HashSet::new();
        for id in [&split.train, &split.validation, &split.test]
            .into_iter()
            .flatten()
        {
            if !seen.insert(id.as_str()) {
                return Err(format!(
                    "the id `{id}` stands twice in the lists of the split `{}`: keep one",
                    split.name
                ));
            }
        }
        let found = split.hash();
        match written.hash {
            Some(hash) if hash != found => Err(format!(
                "the lists of the split `{}` have the hash {found}, not {hash}: they were changed; make the \
                 split again",
                split.name
            )),
            _ => Ok(split),
        }
    }
}

fn unique_ids(questions: &[Question]) -> Result<(), SplitError> {
    let mut seen = HashSet::new();
    match questions.iter().find(|row| !seen.insert(row.id.as_str())) {
        Some(twin) => Err(SplitError::DuplicateId {
            id: twin.id.clone(),
        }),
        None => Ok(()),
    }
}

fn ids<'a>(rows: impl Iterator<Item = &'a Question>) -> Vec<String> {
    rows.map(|row| row.id.clone()).collect()
}
