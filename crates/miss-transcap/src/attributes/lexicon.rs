//! The closed lexicon: every organ and every pathology that can be named, in a caption or in a request.
//!
//! A dataset's own words become attributes only by being found here, so nothing else of a dataset can pass.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// One line of a lexicon: `id | noun | plural | synonym; synonym; …`. A dash for the plural marks a noun that
/// cannot be counted. British and American spellings are synonyms of each other.
#[derive(Debug)]
struct Entry {
    id: &'static str,
    noun: &'static str,
    plural: Option<&'static str>,
    synonyms: Vec<&'static str>,
}

struct Lexicon {
    entries: Vec<Entry>,
    by_name: HashMap<String, u16>,
}

impl Lexicon {
    /// Lines that do not parse are left out; a test holds that there are none.
    fn parse(text: &'static str) -> Self {
        let mut entries: Vec<Entry> = text.lines().filter_map(Entry::parse).collect();
        entries.sort_by_key(|entry| entry.id);
        let mut by_name = HashMap::new();
        for (index, entry) in (0_u16..).zip(&entries) {
            for name in entry.names() {
                by_name.entry(folded(name)).or_insert(index);
            }
        }
        Self { entries, by_name }
    }
}

impl Entry {
    fn parse(line: &'static str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut fields = line.split('|').map(str::trim);
        let (id, noun, plural) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            id,
            noun,
            plural: (plural != "-").then_some(plural),
            synonyms: fields
                .next()
                .unwrap_or_default()
                .split(';')
                .map(str::trim)
                .filter(|synonym| !synonym.is_empty())
                .collect(),
        })
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        [self.id, self.noun]
            .into_iter()
            .chain(self.plural)
            .chain(self.synonyms.iter().copied())
    }
}

/// Lower case, with single spaces for whatever separates words, so that `Pleural_Thickening` is found.
fn folded(name: &str) -> String {
    let words: Vec<String> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

static ORGANS: LazyLock<Lexicon> =
    LazyLock::new(|| Lexicon::parse(include_str!("../../lexicon/organs.txt")));
static PATHOLOGIES: LazyLock<Lexicon> =
    LazyLock::new(|| Lexicon::parse(include_str!("../../lexicon/pathologies.txt")));

/// A word that is not in the lexicon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{word}` is no {kind} of the lexicon; the nearest is `{nearest}`; map the word to one of lexicon/{kind}.txt"
)]
pub struct UnknownTerm {
    /// `organs` or `pathologies`.
    pub kind: &'static str,
    /// What was looked up.
    pub word: String,
    /// The id that is spelt most like it.
    pub nearest: &'static str,
}

macro_rules! term {
    ($(#[$doc:meta])* $name:ident, $lexicon:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        pub struct $name(u16);

        impl $name {
            /// The term with this id, noun, plural or synonym, in any case.
            ///
            /// # Errors
            /// Names the nearest id.
            pub fn find(word: &str) -> Result<Self, UnknownTerm> {
                match $lexicon.by_name.get(&folded(word)) {
                    Some(index) => Ok(Self(*index)),
                    None => Err(UnknownTerm {
                        kind: $kind,
                        word: word.chars().take(60).collect(),
                        nearest: nearest(&$lexicon, word),
                    }),
                }
            }

            /// Every term, by id.
            pub fn all() -> impl Iterator<Item = Self> {
                (0_u16..).zip(&$lexicon.entries).map(|(index, _)| Self(index))
            }

            fn entry(self) -> &'static Entry {
                &$lexicon.entries[usize::from(self.0)]
            }

            /// Stable name, as in files: `lung-opacity`.
            #[must_use]
            pub fn id(self) -> &'static str {
                self.entry().id
            }

            /// The noun, in the singular where it has one: `lung opacity`.
            #[must_use]
            pub fn noun(self) -> &'static str {
                self.entry().noun
            }

            /// The plural, `lung opacities`; `None` for what cannot be counted, as `oedema`.
            #[must_use]
            pub fn plural(self) -> Option<&'static str> {
                self.entry().plural
            }

            /// Other words for the same.
            #[must_use]
            pub fn synonyms(self) -> &'static [&'static str] {
                &self.entry().synonyms
            }
        }

        impl FromStr for $name {
            type Err = UnknownTerm;

            fn from_str(word: &str) -> Result<Self, UnknownTerm> {
                Self::find(word)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnknownTerm;

            fn try_from(word: String) -> Result<Self, UnknownTerm> {
                Self::find(&word)
            }
        }

        impl From<$name> for &'static str {
            fn from(term: $name) -> Self {
                term.id()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.noun())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.id())
            }
        }
    };
}

term!(
    /// An organ, a part of one, or a region of the body, from `lexicon/organs.txt`.
    Organ,
    ORGANS,
    "organs"
);
term!(
    /// A finding or disease, from `lexicon/pathologies.txt`.
    Pathology,
    PATHOLOGIES,
    "pathologies"
);

fn nearest(lexicon: &Lexicon, word: &str) -> &'static str {
    let word: String = folded(word).chars().take(60).collect();
    lexicon
        .by_name
        .iter()
        .min_by_key(|(name, index)| (strsim::levenshtein(&word, name), **index))
        .map_or("", |(_, index)| lexicon.entries[usize::from(*index)].id)
}
