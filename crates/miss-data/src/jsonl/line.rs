//! The fields of one line, taken one by one, with a note for everything that is repaired.

use serde_json::{Map, Value};

use super::notes::Notes;
use crate::import::usual_keys;
use crate::manifest::stays_below;
use crate::read::{Outcome, Place};
use crate::rows::{collapse, shown};

/// A key this many edits from a known one is taken for a slip.
const SLIP: usize = 2;

pub(crate) struct Line<'n, 'p> {
    fields: Map<String, Value>,
    known: Vec<&'static str>,
    place: Place,
    notes: &'n mut Notes<'p>,
}

impl<'n, 'p> Line<'n, 'p> {
    pub(crate) fn new(fields: Map<String, Value>, place: Place, notes: &'n mut Notes<'p>) -> Self {
        Self {
            fields,
            known: Vec::new(),
            place,
            notes,
        }
    }

    /// Says which keys nobody asked for.
    pub(crate) fn finish(self) {
        for key in self.fields.keys() {
            let is_slip = |known: &&&str| strsim::levenshtein(&key.to_lowercase(), known) <= SLIP;
            let meant = usual_keys(key)
                .and_then(|keys| keys.into_iter().find(|meant| self.known.contains(meant)))
                .or_else(|| self.known.iter().find(is_slip).copied());
            let hint = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            let short: String = key.chars().take(80).collect();
            let what = format!("unknown key {short:?} ignored{hint}");
            self.notes.once(self.place, what);
        }
    }

    /// Takes a field out; `null` is as good as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.fields.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn repaired(&mut self, what: String) {
        self.notes.find(self.place, Outcome::Repaired, what);
    }

    /// Says something that may concern every line of the file.
    pub(super) fn of_the_file(&mut self, what: &str) {
        self.notes.once(Place::Whole, what.into());
    }

    /// The id as written.
    pub(crate) fn id(&mut self) -> Result<Option<String>, String> {
        match self.take("id") {
            None => Ok(None),
            Some(Value::String(id)) if id.is_empty() => {
                self.repaired("`id` is empty: taken as absent".into());
                Ok(None)
            }
            Some(Value::String(id)) => Ok(Some(id)),
            Some(value) => self.plain("id", value).map(Some),
        }
    }

    /// A path below the image folder, in the one way it can be written.
    pub(super) fn image(&mut self) -> Result<String, String> {
        let written = match self.take("image") {
            None => return Err("`image` is missing".into()),
            Some(Value::String(text)) => text,
            Some(other) => return Err(format!("`image` is {}, not text", shown(&other))),
        };
        // Two ways to write one path would hide that two records share an image.
        let parts = written.split('/');
        let plain: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
        let path = plain.join("/");
        if written.starts_with('/') || !stays_below(&path) {
            return Err(format!(
                "`image` is {written:?}: it must be a path below the image folder, parts separated by `/`"
            ));
        }
        if path != written {
            self.repaired(format!("`image` {written:?} taken as {path:?}"));
        }
        Ok(path)
    }

    /// Text that must be there.
    pub(super) fn text(&mut self, key: &'static str) -> Result<String, String> {
        match self.perhaps_empty(key)? {
            text if text.is_empty() => Err(format!("`{key}` is empty")),
            text => Ok(text),
        }
    }

    /// The answer. One dataset has an empty one, and a record is not taken away for it.
    pub(super) fn answer(&mut self) -> Result<String, String> {
        let answer = self.perhaps_empty("answer")?;
        if answer.is_empty() {
            let what = "`answer` is empty: no answer can be right";
            self.notes.find(self.place, Outcome::Kept, what.into());
        }
        Ok(answer)
    }

    fn perhaps_empty(&mut self, key: &'static str) -> Result<String, String> {
        match self.take(key) {
            None => Err(format!("`{key}` is missing")),
            Some(Value::String(text)) if text.is_empty() => Ok(text),
            Some(value) => {
                let text = self.plain(key, value)?;
                Ok(self.collapsed(key, text).unwrap_or_default())
            }
        }
    }

    /// Text that may be absent.
    pub(super) fn optional(&mut self, key: &'static str) -> Result<Option<String>, String> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let text = self.plain(key, value)?;
        let text = self.collapsed(key, text);
        if text.is_none() {
            self.repaired(format!("`{key}` is empty: taken as absent"));
        }
        Ok(text)
    }

    /// A list of texts, empty if absent. Texts without content are left out.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, String> {
        let values = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(one) => {
                let what = format!("`{key}` is {}, taken as a list of one", shown(&one));
                self.repaired(what);
                vec![one]
            }
        };
        let mut texts = Vec::with_capacity(values.len());
        for value in values {
            let text = self.plain(key, value)?;
            match self.collapsed(key, text) {
                Some(text) => texts.push(text),
                None => self.repaired(format!("an empty text in `{key}` left out")),
            }
        }
        Ok(texts)
    }

    /// One of a few words. `others` are other ways to write them, in lower case.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        others: &[(&str, T)],
    ) -> Result<Option<T>, String> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        if let Value::String(text) = &value
            && let Some((_, word)) = words.iter().find(|(word, _)| word == text)
        {
            return Ok(Some(*word));
        }
        let written = self.plain(key, value)?;
        let lower = written.trim().to_lowercase();
        if lower.is_empty() {
            self.repaired(format!("`{key}` is empty: taken as absent"));
            return Ok(None);
        }
        let same = words.iter().find(|(word, _)| word.to_lowercase() == lower);
        match same.or_else(|| others.iter().find(|(other, _)| *other == lower)) {
            Some((_, word)) => {
                self.repaired(format!("`{key}` {written:?} taken for what it means"));
                Ok(Some(*word))
            }
            None => {
                let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let written = shown(&Value::String(written));
                Err(format!(
                    "`{key}` is {written}: it must be {}",
                    names.join(" or ")
                ))
            }
        }
    }

    /// Text as written; a number is taken as its digits.
    fn plain(&mut self, key: &str, value: Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => {
                self.repaired(format!("`{key}` is the number {number}, taken as text"));
                Ok(number.to_string())
            }
            other => Err(format!("`{key}` is {}, not text", shown(&other))),
        }
    }

    /// `None` if nothing is left.
    fn collapsed(&mut self, key: &str, written: String) -> Option<String> {
        let text = collapse(&written);
        if text != written {
            let written = shown(&Value::String(written));
            self.repaired(format!("`{key}` is {written}: stray white space dropped"));
        }
        (!text.is_empty()).then_some(text)
    }
}
