//! Reader of MedICaT (Subramanian et al., Findings of EMNLP 2020): figures of medical articles with captions,
//! the paragraphs that mention them, and for some compound figures their parts.
//!
//! A dataset's folder holds one file of JSON lines and `figures/`. The release has 217,060 figures; the file
//! is read by line. Each article has its own licence, or none that was found: see [`Options::licences`].

mod entry;
mod subfigures;
mod subset;

use std::collections::HashSet;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

pub use entry::{Entry, OaInfo, OpenAccess};
pub use subfigures::{
    CompoundFigure, SUBCAPTIONS_FILE, Subfigure, parse_subfigures, read_subfigures,
};
pub use subset::Subset;

use crate::figure::Figure;
use crate::jsonl::{Notes, json_error};
use crate::lines::{MAX_LINE, each_line, open};
use crate::manifest::stays_below;
use crate::read::{Outcome, Place, Read, ReadError};
use crate::rows::collapse;

/// The folder of images, below the dataset's folder.
pub const IMAGES_DIR: &str = "figures";

/// Which figures are taken, and with what texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which of the two extractions of a caption is preferred.
    pub caption: CaptionChoice,
    /// Takes the paragraphs that mention the figure as further captions.
    pub references: bool,
    /// Takes `Figure 4.` and the like off the start of captions. They are kept by default: a caption is data.
    pub strip_label: bool,
    /// Only what is marked as radiological, as the MISS paper takes it.
    pub radiology_only: bool,
    /// Only figures of articles under one of these licences, written as the file writes them (`cc-by`). An
    /// article without a known licence is then never taken. `None` takes all.
    pub licences: Option<Vec<String>>,
    /// Only so many, drawn from what the other options leave.
    pub subset: Option<Subset>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            caption: CaptionChoice::default(),
            references: false,
            strip_label: false,
            radiology_only: true,
            licences: None,
            subset: None,
        }
    }
}

/// Where the caption is taken from; the other source is taken where the preferred one has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptionChoice {
    /// `s2_caption`, then `s2orc_caption`.
    #[default]
    S2First,
    /// `s2orc_caption`, then `s2_caption`.
    S2orcFirst,
}

/// Reads the figures of the MedICaT folder `root`, from its one `*.jsonl` (not counting
/// [`SUBCAPTIONS_FILE`]).
///
/// # Errors
///
/// [`ReadError`] if there is no such file, or more than one, or it cannot be read. A line that cannot be
/// used is a finding, and so is how many figures the options leave out.
pub fn read(root: &Path, options: &Options) -> Result<Read<Figure>, ReadError> {
    let path = figures_file(root)?;
    parse(open(&path, REMEDY)?, &path, options)
}

/// Reads figures from lines of JSON; `path` names them in findings.
///
/// # Errors
///
/// [`ReadError`] if `reader` fails or gives far more than any release.
pub fn parse(
    reader: impl BufRead,
    path: &Path,
    options: &Options,
) -> Result<Read<Figure>, ReadError> {
    let mut reading = Reading {
        options,
        records: Vec::new(),
        notes: Notes::new(path),
        seen: HashSet::new(),
        not_radiology: 0,
        not_licensed: 0,
    };
    each_entry(reader, path, |line, entry| reading.take(line, entry))?;
    reading.finish()
}

/// Gives each line's number, from 1, and its [`Entry`] or why it is none to `take`: all that the file says,
/// in the memory of one line.
///
/// # Errors
///
/// [`ReadError`] if `reader` fails or gives far more than any release.
pub fn each_entry(
    reader: impl BufRead,
    path: &Path,
    mut take: impl FnMut(usize, Result<Entry, String>),
) -> Result<(), ReadError> {
    each_line(reader, path, |number, line| {
        take(number, json_line(line));
    })
}

const REMEDY: &str = "the folder must hold one file of MedICaT's JSON lines and `figures/`";

/// A line as JSON of one kind.
fn json_line<T: serde::de::DeserializeOwned>(line: Option<&[u8]>) -> Result<T, String> {
    let line = line.ok_or_else(|| format!("the line has more than {MAX_LINE} bytes"))?;
    serde_json::from_slice(line).map_err(|error| json_error(&error))
}

fn figures_file(root: &Path) -> Result<PathBuf, ReadError> {
    let failed = |source| ReadError::Io {
        path: root.into(),
        source,
        remedy: REMEDY.into(),
    };
    let mut names = Vec::new();
    for file in fs::read_dir(root).map_err(failed)? {
        let name = file.map_err(failed)?.file_name();
        let is_lines = Path::new(&name)
            .extension()
            .is_some_and(|end| end == "jsonl");
        if is_lines && name != SUBCAPTIONS_FILE {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    match names.as_slice() {
        [name] => Ok(root.join(name)),
        [] => Err(failed(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "no `*.jsonl` in it",
        ))),
        several => Err(ReadError::Format {
            path: root.into(),
            expected: "a folder with one `*.jsonl`",
            what: format!("it has {}; keep one", several.join(", ")),
        }),
    }
}

struct Reading<'a> {
    options: &'a Options,
    records: Vec<Figure>,
    notes: Notes<'a>,
    seen: HashSet<String>,
    not_radiology: usize,
    not_licensed: usize,
}

impl Reading<'_> {
    fn take(&mut self, line: usize, entry: Result<Entry, String>) {
        match entry.and_then(|entry| self.figure(line, &entry)) {
            Ok(Some(figure)) => self.records.push(figure),
            Ok(None) => {}
            Err(what) => self.notes.find(
                Place::Line(line),
                Outcome::Dropped,
                format!("{what}; mend the line or fetch the file again"),
            ),
        }
    }

    /// The figure, if the options take it.
    fn figure(&mut self, line: usize, entry: &Entry) -> Result<Option<Figure>, String> {
        let image = entry.image();
        plain_name(&image)?;
        let id = entry.id();
        if self.seen.contains(&id) {
            return Err(format!("the figure `{id}` is on an earlier line too"));
        }
        if self.options.radiology_only && entry.radiology != Some(true) {
            self.not_radiology += 1;
            return Ok(None);
        }
        let licence = entry.licence();
        if let Some(allowed) = &self.options.licences
            && !licence.is_some_and(|licence| allowed.iter().any(|one| one == licence))
        {
            self.not_licensed += 1;
            return Ok(None);
        }
        let captions = self.captions(line, entry);
        if captions.is_empty() {
            return Err(format!("the figure `{id}` has no caption"));
        }
        self.seen.insert(id.clone());
        Ok(Some(Figure {
            id,
            image,
            captions,
            group: Some(entry.pdf_hash.clone()),
            licence: licence.map(str::to_owned),
            part: None,
        }))
    }

    fn captions(&mut self, line: usize, entry: &Entry) -> Vec<String> {
        let own = [&entry.s2_caption, &entry.s2orc_caption];
        let [first, second] = match self.options.caption {
            CaptionChoice::S2First => own,
            CaptionChoice::S2orcFirst => [own[1], own[0]],
        };
        let caption = [first, second]
            .into_iter()
            .flatten()
            .map(|text| self.tidy(text))
            .find(|text| !text.is_empty());
        let has_own = caption.is_some();
        let mut captions: Vec<String> = caption.into_iter().collect();
        if self.options.references {
            let mut seen: HashSet<String> = captions.iter().cloned().collect();
            let texts = entry.s2orc_references.iter().flatten();
            let texts = texts.map(|text| collapse(text));
            captions.extend(texts.filter(|text| !text.is_empty() && seen.insert(text.clone())));
        }
        if !has_own && !captions.is_empty() {
            let what = "no caption: only paragraphs that mention the figure";
            self.notes
                .find(Place::Line(line), Outcome::Kept, what.into());
        }
        captions
    }

    fn tidy(&self, caption: &str) -> String {
        let collapsed = collapse(caption);
        match self.options.strip_label {
            true => without_label(&collapsed).to_owned(),
            false => collapsed,
        }
    }

    fn finish(mut self) -> Result<Read<Figure>, ReadError> {
        for (count, why) in [
            (self.not_radiology, "are not marked as radiological"),
            (
                self.not_licensed,
                "are under none of the licences asked for",
            ),
        ] {
            if count > 0 {
                let what = format!("{count} figures {why}: left out as asked");
                self.notes.find(Place::Whole, Outcome::Kept, what);
            }
        }
        if let Some(subset) = self.options.subset {
            let found = self.records.len();
            let ids: Vec<&str> = self.records.iter().map(|one| one.id.as_str()).collect();
            let mut drawn = subset.drawn(&ids).into_iter();
            self.records.retain(|_| drawn.next() == Some(true));
            let what = match found.checked_sub(subset.size) {
                None => format!(
                    "{found} figures where {} are to be drawn: all taken",
                    subset.size
                ),
                Some(rest) => format!("{rest} figures were not drawn: left out as asked"),
            };
            self.notes.find(Place::Whole, Outcome::Kept, what);
        }
        Ok(Read {
            records: self.records,
            findings: self.notes.finish()?,
        })
    }
}

/// A path out of the image folder is refused here, once, for all who open it later.
fn plain_name(name: &str) -> Result<(), String> {
    match stays_below(name) && !name.contains('/') {
        true => Ok(()),
        false => Err(format!("`{name}` is not a plain file name")),
    }
}

/// `caption` without `Figure 4.`, `Fig. 2:`, `FIG 3 -` at its start. What has no number, or nothing
/// behind it, is left as it is.
fn without_label(caption: &str) -> &str {
    let word = caption
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(caption.len());
    let (word, rest) = caption.split_at(word);
    if !["fig", "figure"].contains(&word.to_ascii_lowercase().as_str()) {
        return caption;
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest).trim_start();
    let text = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if text.len() == rest.len() {
        return caption;
    }
    // A letter behind the number belongs to the text (`Figure 1A shows`): the label names a part then.
    let behind = text.trim_start_matches(['.', ':', '-', '–', ' ']);
    match behind.is_empty() || behind.len() == text.len() {
        true => caption,
        false => behind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_label_is_stripped() {
        for (caption, text) in [
            ("Figure 4. Brain MRI.", "Brain MRI."),
            ("Fig. 1. Brain CT (A)", "Brain CT (A)"),
            ("Fig 3. Control", "Control"),
            ("FIGURE 12: Chest", "Chest"),
            ("Figure 2 – Été", "Été"),
            ("Figure 1A shows", "Figure 1A shows"),
            ("Figure 4.", "Figure 4."),
            ("Figure of eight", "Figure of eight"),
            ("Figures 1 and 2", "Figures 1 and 2"),
            ("Brain", "Brain"),
            ("", ""),
        ] {
            assert_eq!(without_label(caption), text);
        }
    }
}
