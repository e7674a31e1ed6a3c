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
    "`{word}` is not among the {kind} of the lexicon; the nearest is `{nearest}`; map the word to one of lexicon/{kind}.txt"
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::attributes::{Attributes, Finding, Modality};
    use crate::verify::verify;

    const ORGAN_LINES: &str = include_str!("../../lexicon/organs.txt");
    const PATHOLOGY_LINES: &str = include_str!("../../lexicon/pathologies.txt");

    /// The lines that are no comment, read by another rule than the parser's.
    fn lines(text: &str) -> Vec<Vec<&str>> {
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect()
    }

    /// All names of a line, the id with blanks.
    fn names(line: &[&str]) -> Vec<String> {
        let mut names = vec![line[0].replace('-', " "), line[1].to_owned()];
        names.extend((line[2] != "-").then(|| line[2].to_owned()));
        let synonyms = line[3].split(';').map(|name| name.trim().to_owned());
        names.extend(synonyms.filter(|name| !name.is_empty()));
        names
    }

    #[test]
    fn every_line_is_an_entry() {
        for (text, entries, least) in [
            (ORGAN_LINES, &ORGANS.entries, 60),
            (PATHOLOGY_LINES, &PATHOLOGIES.entries, 150),
        ] {
            let lines = lines(text);
            assert_eq!(lines.len(), entries.len());
            assert!(lines.len() >= least, "{}", lines.len());
            for line in &lines {
                assert_eq!(line.len(), 4, "{line:?}");
                assert!(line[..3].iter().all(|field| !field.is_empty()), "{line:?}");
            }
        }
    }

    #[test]
    fn ids_are_unique_and_in_kebab_case() {
        let mut seen = BTreeSet::new();
        for line in lines(ORGAN_LINES).into_iter().chain(lines(PATHOLOGY_LINES)) {
            let id = line[0];
            assert!(seen.insert(id), "{id} is there twice");
            for part in id.split('-') {
                let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
                assert!(!part.is_empty() && part.chars().all(plain), "{id}");
            }
        }
    }

    /// Captions are compared word by word in lower case, and a word is letters and digits only.
    #[test]
    fn names_are_words_as_captions_are_split() {
        for line in lines(ORGAN_LINES).into_iter().chain(lines(PATHOLOGY_LINES)) {
            for name in names(&line) {
                let plain = |letter: char| {
                    letter.is_ascii_lowercase() || letter.is_ascii_digit() || " -".contains(letter)
                };
                assert!(name.chars().all(plain), "{name}");
                assert!(!name.contains("  "), "{name}");
                // A side is of a structure or a place, and would be lost in a name.
                let mut words = name.split([' ', '-']);
                assert!(
                    !words.any(|word| word == "left" || word == "right"),
                    "{name}"
                );
            }
        }
    }

    /// Not within an entry but across both files: neither two organs, nor two pathologies, nor one of each.
    #[test]
    fn no_name_is_of_two_entries() {
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for line in lines(ORGAN_LINES).into_iter().chain(lines(PATHOLOGY_LINES)) {
            let id = line[0];
            for name in names(&line) {
                let owner = owners.entry(folded(&name)).or_insert(id);
                assert_eq!(*owner, id, "`{name}` is of two entries");
            }
            // Nor is a synonym written twice.
            let mut synonyms: Vec<String> = names(&line).split_off(1);
            synonyms.sort();
            let all = synonyms.len();
            synonyms.dedup();
            assert_eq!(synonyms.len(), all, "{line:?}");
        }
    }

    /// By the regular and the Latin plurals; what has another is listed here by hand.
    #[test]
    fn plurals_are_of_their_nouns() {
        const IRREGULAR: [(&str, &str); 6] = [
            ("tooth", "teeth"),
            ("foot", "feet"),
            ("lung apex", "lung apices"),
            ("pulmonary hilum", "pulmonary hila"),
            ("humerus", "humeri"),
            ("femur", "femora"),
        ];
        const ENDINGS: [(&str, &str); 8] = [
            ("", "s"),
            ("", "es"),
            ("y", "ies"),
            ("is", "es"),
            ("us", "i"),
            ("a", "ae"),
            ("x", "ces"),
            ("itis", "itides"),
        ];
        for line in lines(ORGAN_LINES).into_iter().chain(lines(PATHOLOGY_LINES)) {
            let (noun, plural) = (line[1], line[2]);
            if plural == "-" || IRREGULAR.contains(&(noun, plural)) {
                continue;
            }
            let regular = ENDINGS.iter().any(|(one, many)| {
                noun.strip_suffix(one)
                    .is_some_and(|stem| plural.strip_prefix(stem) == Some(many))
            });
            assert!(regular, "{noun}, {plural}");
            // "masss", "nodulees" and "opacitys" end regularly too.
            let ends = |ends: &[&str]| ends.iter().any(|end| noun.ends_with(end));
            let sibilant = ends(&["s", "x", "sh", "ch"]);
            let wrong = match plural.strip_prefix(noun) {
                Some("s") => sibilant || ends(&["y"]) && !ends(&["ay", "ey", "oy", "uy"]),
                Some("es") => !sibilant,
                _ => false,
            };
            assert!(!wrong, "{noun}, {plural}");
        }
    }

    #[test]
    fn labels_of_datasets_are_found_however_they_are_written() {
        // ChestX-ray14 without `Effusion` and `Edema`, which name no place; CheXpert; the RSNA's of 2018 and 2019.
        for label in [
            "Atelectasis",
            "Cardiomegaly",
            "Infiltration",
            "Mass",
            "Nodule",
            "Pneumonia",
            "Pneumothorax",
            "Consolidation",
            "Emphysema",
            "Fibrosis",
            "Pleural_Thickening",
            "Hernia",
            "Enlarged Cardiomediastinum",
            "Lung Opacity",
            "Lung Lesion",
            "Pleural Effusion",
            "Fracture",
            "Support Devices",
            "epidural-hemorrhage",
            "intraparenchymal hemorrhage",
            "INTRAVENTRICULAR_HEMORRHAGE",
            "subarachnoid  hemorrhage",
            "subdural hemorrhage",
            "COVID-19",
            "Viral Pneumonia",
        ] {
            assert!(Pathology::find(label).is_ok(), "{label}");
        }
        assert!(Pathology::find("Effusion").is_err() && Pathology::find("Edema").is_err());
        let thickening = Pathology::find("Pleural_Thickening");
        assert_eq!(thickening, Pathology::find("pleural thickening"));
        assert_eq!(thickening, Pathology::find(" PLEURAL-thickening "));
        assert_eq!(Organ::find("Esophagus"), Organ::find("oesophagus"));
        assert_eq!(Organ::find("teeth").map(Organ::id), Ok("tooth"));
        assert_eq!(
            Pathology::find("renal stones").map(Pathology::id),
            Ok("kidney-stone")
        );
    }

    #[test]
    fn an_unknown_word_is_told_the_nearest() {
        let nearest = |word| Pathology::find(word).unwrap_err().nearest;
        assert_eq!(nearest("Pnuemonia"), "pneumonia");
        assert_eq!(nearest("hydrocefalus"), "hydrocephalus");
        // By the American spelling, the id of the entry.
        assert_eq!(nearest("esophagal cancer"), "esophageal-cancer");
        let unknown = Organ::find("Splen").unwrap_err();
        assert_eq!((unknown.kind, unknown.nearest), ("organs", "spleen"));
        assert_eq!(
            unknown.to_string(),
            "`Splen` is not among the organs of the lexicon; the nearest is `spleen`; \
             map the word to one of lexicon/organs.txt"
        );
        // Neither is a long word repeated whole, nor does it take long.
        assert_eq!(
            Organ::find(&"x".repeat(1 << 20)).unwrap_err().word.len(),
            60
        );
        assert!(Organ::find("").is_err() && Organ::find("_-|;").is_err());
    }

    #[test]
    fn terms_are_written_as_their_ids() {
        let ids: Vec<&str> = Pathology::all().map(Pathology::id).collect();
        let written = serde_json::to_string(&Pathology::all().collect::<Vec<_>>()).unwrap();
        assert_eq!(written, serde_json::to_string(&ids).unwrap());
        let read: Vec<Pathology> = serde_json::from_str(&written).unwrap();
        assert!(read.into_iter().eq(Pathology::all()));
        for organ in Organ::all() {
            let written = serde_json::to_string(&organ).unwrap();
            assert_eq!(written, format!("\"{}\"", organ.id()));
            assert_eq!(serde_json::from_str::<Organ>(&written).unwrap(), organ);
            assert_eq!(organ.noun().parse(), Ok(organ));
        }
        assert!(serde_json::from_str::<Organ>("\"pneumonia\"").is_err());
    }

    /// Each name alone is understood as its entry and as no other: none is hidden by a shorter one inside it, or
    /// by another word of captions.
    #[test]
    fn the_verifier_tells_the_names_apart() {
        let xray = || Attributes {
            modality: Some(Modality::Xray),
            ..Attributes::default()
        };
        let of_organs: Vec<Attributes> = Organ::all()
            .map(|organ| Attributes {
                organ: Some(organ),
                ..xray()
            })
            .collect();
        let of_pathologies: Vec<Attributes> = Pathology::all()
            .map(|pathology| Attributes {
                findings: vec![Finding::new(pathology)],
                ..xray()
            })
            .collect();
        let mut wrong = Vec::new();
        for (lexicon, all, before) in [
            (&ORGANS, &of_organs, "X-ray of the"),
            (&PATHOLOGIES, &of_pathologies, "X-ray showing"),
        ] {
            for (index, entry) in lexicon.entries.iter().enumerate() {
                for name in entry.names().skip(1) {
                    let caption = format!("{before} {name}.");
                    for (other, attributes) in all.iter().enumerate() {
                        let accepted = verify(attributes, &caption).is_empty();
                        if accepted != (other == index) {
                            wrong.push((name, attributes.named()));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
