//! Takes typed values out of what was written, and remembers everything that was wrong with them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::written::{Entry, Origin, Value, Written};

/// How far a key may be from a known one to be offered instead (Jaro–Winkler, 1 is equal).
const NEAR: f64 = 0.75;

/// Reads knobs one by one. A knob that cannot be read yields a placeholder and a problem; [`Knobs::finish`] tells
/// all problems at once, so that a file is mended in one go.
pub struct Knobs<'a> {
    written: &'a Written,
    known: RefCell<BTreeSet<String>>,
    problems: RefCell<BTreeSet<(Origin, String)>>,
}

impl<'a> Knobs<'a> {
    /// Starts reading `written`.
    pub fn new(written: &'a Written) -> Self {
        Self {
            written,
            known: RefCell::default(),
            problems: RefCell::default(),
        }
    }

    /// A whole number in `range`.
    pub fn whole(&self, key: &str, range: RangeInclusive<usize>, default: usize) -> usize {
        let allowed = || match *range.end() {
            usize::MAX => format!("a whole number from {}", range.start()),
            end => format!("a whole number from {} to {end}", range.start()),
        };
        let read = |value: &Value| match value {
            Value::Integer(value) => usize::try_from(*value)
                .ok()
                .filter(|value| range.contains(value)),
            _ => None,
        };
        self.take(key, read, allowed).unwrap_or(default)
    }

    /// A number in `range`; whole numbers are taken too.
    pub fn number(&self, key: &str, range: RangeInclusive<f64>, default: f64) -> f64 {
        let read = |value: &Value| {
            let value = match value {
                Value::Float(value) => *value,
                Value::Integer(value) => *value as f64,
                _ => return None,
            };
            range.contains(&value).then_some(value)
        };
        let allowed = || format!("a number from {} to {}", range.start(), range.end());
        self.take(key, read, allowed).unwrap_or(default)
    }

    /// `true` or `false`.
    pub fn truth(&self, key: &str, default: bool) -> bool {
        let read = |value: &Value| match value {
            Value::Truth(value) => Some(*value),
            _ => None,
        };
        self.take(key, read, || "true or false".into())
            .unwrap_or(default)
    }

    /// A seed: any whole number that is not negative.
    pub fn seed(&self, key: &str, default: u64) -> u64 {
        let read = |value: &Value| match value {
            Value::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        };
        self.take(key, read, || "a whole number from 0".into())
            .unwrap_or(default)
    }

    /// One of the named choices.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> T {
        let read = |value: &Value| match value {
            Value::Text(text) => choices
                .iter()
                .find(|(name, _)| name == text)
                .map(|(_, choice)| *choice),
            _ => None,
        };
        let allowed = || {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("{name:?}"))
                .collect();
            names.join(" or ")
        };
        self.take(key, read, allowed).unwrap_or(default)
    }

    /// A name that may serve as a folder. Has no default.
    pub fn name(&self, key: &str) -> String {
        let read = |value: &Value| match value {
            Value::Text(text) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                let fits = (1..=64).contains(&text.len()) && text.chars().all(plain);
                (fits && !text.starts_with('.')).then(|| text.clone())
            }
            _ => None,
        };
        let allowed = || "1 to 64 letters, digits, '-', '_' or '.', not starting with '.'".into();
        self.required(key);
        self.take(key, read, allowed).unwrap_or_default()
    }

    /// A path: one from a file is relative to the file's folder, one from `--set` to the current folder.
    pub fn path(&self, key: &str, default: impl FnOnce() -> PathBuf) -> PathBuf {
        let read = |value: &Value| match value {
            Value::Text(text) if !text.is_empty() => Some(PathBuf::from(text)),
            _ => None,
        };
        let Some(path) = self.take(key, read, || "a path, as text".into()) else {
            return default();
        };
        let base = match self.written.entries.get(key).map(|entry| &entry.key_at) {
            Some(Origin::File { path, .. }) => path.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        // `absolute` fails only on an empty path or without a current folder; the plain path then serves messages.
        let joined = base.join(&path);
        std::path::absolute(&joined).map_or(joined, |path| clean(&path))
    }

    /// Says that `key` must be written, if it is not.
    pub fn required(&self, key: &str) {
        if !self.written.entries.contains_key(key) {
            let problem = format!("`{key}` must be given: it has no default");
            self.problem(Origin::Absent(self.written.path.clone()), problem);
        }
    }

    /// Adds a problem found by looking at several knobs; it is blamed on `key` where that was written.
    pub fn refuse(&self, key: &str, reason: &str) {
        match self.written.entries.get(key) {
            Some(entry) => self.problem(entry.value_at.clone(), format!("`{key}`: {reason}")),
            None => self.problem(
                Origin::Absent(self.written.path.clone()),
                format!("`{key}`, left at its default: {reason}"),
            ),
        }
    }

    /// All problems, or the known keys when there are none.
    pub fn finish(self) -> Result<BTreeSet<String>, Vec<String>> {
        let known = self.known.take();
        let mut problems = self.problems.take();
        for (key, Entry { key_at, .. }) in &self.written.entries {
            if !known.contains(key) {
                problems.insert((key_at.clone(), unknown(key, &known)));
            }
        }
        for (table, at) in &self.written.tables {
            let inside = format!("{table}.");
            let holds_keys = self
                .written
                .entries
                .keys()
                .any(|key| key.starts_with(&inside));
            if !holds_keys && !known.iter().any(|key| key.starts_with(&inside)) {
                problems.insert((at.clone(), unknown(table, &tables_of(&known))));
            }
        }
        if problems.is_empty() {
            return Ok(known);
        }
        Err(problems
            .into_iter()
            .map(|(origin, problem)| format!("{origin}: {problem}"))
            .collect())
    }

    fn take<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
        allowed: impl Fn() -> String,
    ) -> Option<T> {
        self.known.borrow_mut().insert(key.to_owned());
        let entry = self.written.entries.get(key)?;
        let value = read(&entry.value);
        if value.is_none() {
            let problem = format!("`{key}` is {}; allowed: {}", entry.value, allowed());
            self.problem(entry.value_at.clone(), problem);
        }
        value
    }

    fn problem(&self, at: Origin, problem: String) {
        self.problems.borrow_mut().insert((at, problem));
    }
}

fn unknown(key: &str, known: &BTreeSet<String>) -> String {
    let inside = format!("{key}.");
    if known.iter().any(|name| name.starts_with(&inside)) {
        return format!(
            "`{key}` is a table of keys, not a value; write [{key}] and its keys below"
        );
    }
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(key, name), name))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, name)) => format!("unknown key `{key}`; the nearest known key is `{name}`"),
        None => format!("unknown key `{key}`; configs/quickstart.toml shows every key"),
    }
}

fn tables_of(known: &BTreeSet<String>) -> BTreeSet<String> {
    let parents = |key: &String| {
        let dots: Vec<usize> = key.match_indices('.').map(|(at, _)| at).collect();
        dots.into_iter()
            .map(|at| key[..at].to_owned())
            .collect::<Vec<_>>()
    };
    known.iter().flat_map(parents).collect()
}

/// Drops `.` and resolves `..` by name, so that messages show the path a person would write.
fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned
}
