//! The parts of compound figures: where each lies and what the caption says about it.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::{figure_id, image_name};
use super::{json_line, plain_name};
use crate::jsonl::Notes;
use crate::lines::{each_line, open};
use crate::read::{Outcome, Place, Read, ReadError};

/// The file of parts, below the dataset's folder.
pub const SUBCAPTIONS_FILE: &str = "subcaptions_public.jsonl";
/// The largest side of a figure, in pixels, that a point may lie in.
const MAX_SIDE: f64 = 1e6;
/// Parts of one figure; far more than an article prints.
const MAX_PARTS: usize = 100;
/// Tokens of one caption.
const MAX_TOKENS: usize = 1 << 12;

/// A figure made of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompoundFigure {
    /// The id of the [`Figure`](crate::Figure) it is the parts of.
    pub id: String,
    /// The image's name below the folder of figures.
    pub image: String,
    /// The caption's tokens.
    pub tokens: Vec<String>,
    /// At least one, in the order of the file.
    pub parts: Vec<Subfigure>,
}

/// A part of a compound figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subfigure {
    /// What the annotators call it.
    pub label: String,
    /// The corners of its outline, `[x, y]` in pixels of the figure from its left and top.
    pub outline: Vec<[f64; 2]>,
    /// Ascending indices into [`CompoundFigure::tokens`].
    pub tokens: Vec<usize>,
    /// These tokens as text, with what the part shares with others: "CT of the chest, (A) axial".
    pub caption: String,
}

impl Subfigure {
    /// The smallest upright rectangle around the outline: `[left, top, right, bottom]` in pixels.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        let nothing = [
            f64::INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
        ];
        self.outline
            .iter()
            .fold(nothing, |[left, top, right, bottom], &[x, y]| {
                [left.min(x), top.min(y), right.max(x), bottom.max(y)]
            })
    }
}

/// Reads the parts of the compound figures of the MedICaT folder `root`.
///
/// # Errors
///
/// [`ReadError`] if the file cannot be read. A line that cannot be used is a finding.
pub fn read_subfigures(root: &Path) -> Result<Read<CompoundFigure>, ReadError> {
    let path = root.join(SUBCAPTIONS_FILE);
    let remedy = format!("the folder must hold `{SUBCAPTIONS_FILE}`");
    parse_subfigures(open(&path, &remedy)?, &path)
}

/// Reads parts from lines of JSON; `path` names them in findings.
///
/// As in the publishers' own code, a figure counts only if its annotators accepted it and marked both parts
/// and subcaptions, and a part only if its label has a subcaption; what is left out is noted. Unlike there,
/// a subcaption keeps the words all parts share: `tokens` let a program take them out.
///
/// # Errors
///
/// [`ReadError`] if `reader` fails or gives far more than any release.
pub fn parse_subfigures(
    reader: impl BufRead,
    path: &Path,
) -> Result<Read<CompoundFigure>, ReadError> {
    let mut records = Vec::new();
    let mut notes = Notes::new(path);
    let mut seen = HashSet::new();
    each_line(reader, path, |line, bytes| {
        let mut find = |outcome, what| notes.find(Place::Line(line), outcome, what);
        let compound = json_line::<Annotation>(bytes).and_then(|found| found.compound(&mut find));
        match compound {
            Ok(Some(compound)) if !seen.insert(compound.id.clone()) => find(
                Outcome::Dropped,
                format!(
                    "the figure `{}` is on an earlier line too; keep one",
                    compound.id
                ),
            ),
            Ok(Some(compound)) => records.push(compound),
            Ok(None) => {}
            Err(what) => find(
                Outcome::Dropped,
                format!("{what}; mend the line or fetch the file again"),
            ),
        }
    })?;
    Ok(Read {
        records,
        findings: notes.finish()?,
    })
}

/// A line of the file; other keys are the annotation tool's own.
#[derive(Deserialize)]
struct Annotation {
    pdf_hash: String,
    fig_uri: String,
    answer: String,
    tokens: Vec<Token>,
    #[serde(default)]
    spans: Vec<Span>,
    #[serde(default)]
    subcaptions: BTreeMap<String, Vec<usize>>,
}

#[derive(Deserialize)]
struct Span {
    label: String,
    points: Vec<[f64; 2]>,
}

/// The publishers' code reads `text`; plain text is taken too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Object { text: String },
    Plain(String),
}

impl Annotation {
    fn compound(
        self,
        find: &mut impl FnMut(Outcome, String),
    ) -> Result<Option<CompoundFigure>, String> {
        let image = image_name(&self.pdf_hash, &self.fig_uri);
        plain_name(&image)?;
        let unused = match () {
            () if self.answer != "accept" => Some(format!("answered {:?}", self.answer)),
            () if self.spans.is_empty() => Some("no parts marked".into()),
            () if self.subcaptions.is_empty() => Some("no subcaptions marked".into()),
            () => None,
        };
        if let Some(why) = unused {
            find(
                Outcome::Kept,
                format!("{why}: left out, as its publishers do"),
            );
            return Ok(None);
        }
        let text = |token| match token {
            Token::Object { text } | Token::Plain(text) => text,
        };
        let tokens: Vec<String> = self.tokens.into_iter().map(text).collect();
        if self.spans.len() > MAX_PARTS || tokens.len() > MAX_TOKENS {
            return Err(format!(
                "{} parts and {} tokens, where at most {MAX_PARTS} and {MAX_TOKENS} can be meant",
                self.spans.len(),
                tokens.len()
            ));
        }
        let mut parts = Vec::new();
        for Span { label, points } in self.spans {
            let indices = self.subcaptions.get(&label).filter(|list| !list.is_empty());
            let Some(indices) = indices else {
                find(
                    Outcome::Kept,
                    format!("part `{label}` has no subcaption: left out"),
                );
                continue;
            };
            parts.push(subfigure(label, points, indices, &tokens)?);
        }
        if parts.is_empty() {
            return Err("no part has a subcaption".into());
        }
        Ok(Some(CompoundFigure {
            id: figure_id(&self.pdf_hash, &self.fig_uri),
            image,
            tokens,
            parts,
        }))
    }
}

fn subfigure(
    label: String,
    outline: Vec<[f64; 2]>,
    indices: &[usize],
    tokens: &[String],
) -> Result<Subfigure, String> {
    if outline.is_empty() {
        return Err(format!("part `{label}` has no points"));
    }
    if let Some(point) = outline
        .iter()
        .flatten()
        .find(|value| value.abs() > MAX_SIDE)
    {
        return Err(format!("part `{label}` has a point at {point} pixels"));
    }
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    indices.dedup();
    let word = |&index: &usize| {
        let word = tokens.get(index).map(String::as_str);
        word.ok_or_else(|| format!("part `{label}` names token {index} of {}", tokens.len()))
    };
    let words: Vec<&str> = indices.iter().map(word).collect::<Result<_, _>>()?;
    Ok(Subfigure {
        caption: words.join(" "),
        label,
        outline,
        tokens: indices,
    })
}
