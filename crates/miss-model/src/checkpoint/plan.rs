//! Decides, by names and shapes alone, which tensor goes where.

use std::collections::{BTreeMap, BTreeSet};

use super::family::{Family, Table};
use super::names::{Layout, Parameter};
use super::reasons::{Holder, why_ignored, why_missing};
use super::report::{LoadEntry, LoadReport};
use super::source::Source;
use super::{LoadOptions, TokenTypes};

/// Where a parameter's values come from.
pub(super) struct Take {
    /// Tensors of the file, one below the other.
    pub(super) tensors: Vec<String>,
    /// A tensor whose first row is added to every row.
    pub(super) add_row: Option<String>,
    pub(super) layout: Layout,
    pub(super) fit: Fit,
}

/// How a tensor comes to the size of its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It has it.
    Whole,
    /// Interpolated from another grid of patches.
    Interpolated,
    /// Its first rows are the parameter.
    FirstRows,
    /// It is the first rows of the parameter; the rest stay as they are.
    MoreRows,
}

/// Two names of what our model has once: the copy and the one that is loaded.
pub(super) struct Tied {
    pub(super) copy: String,
    pub(super) original: String,
}

/// A plan: what to take for each parameter path, and the report so far.
pub(super) struct Plan {
    pub(super) takes: BTreeMap<String, Take>,
    pub(super) report: LoadReport,
    /// Copies of tied tensors, to be compared with what they copy.
    pub(super) tied: Vec<Tied>,
}

pub(super) struct Planner<'a> {
    pub(super) source: &'a Source,
    pub(super) table: &'a Table,
    pub(super) family: Family,
    pub(super) options: &'a LoadOptions,
    pub(super) parameters: &'a [Parameter],
    used: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        source: &'a Source,
        table: &'a Table,
        family: Family,
        options: &'a LoadOptions,
        parameters: &'a [Parameter],
    ) -> Self {
        Self {
            source,
            table,
            family,
            options,
            parameters,
            used: BTreeSet::new(),
        }
    }

    pub(super) fn plan(mut self) -> Plan {
        let mut report = LoadReport::default();
        let mut takes = BTreeMap::new();
        let parameters = self.parameters;
        for parameter in parameters {
            self.place(parameter, &mut takes, &mut report);
        }
        let tied = self.leftovers(&mut report);
        Plan {
            takes,
            report,
            tied,
        }
    }

    fn place(
        &mut self,
        parameter: &Parameter,
        takes: &mut BTreeMap<String, Take>,
        report: &mut LoadReport,
    ) {
        let mut entry = LoadEntry {
            parameter: Some(parameter.path.clone()),
            tensor: None,
            shape: parameter.shape.clone(),
            stored: Vec::new(),
            reason: String::new(),
            expected: true,
        };
        let Some(name) = self.find(&parameter.name) else {
            let known = why_missing(self.family, &parameter.name, self.table);
            entry.expected = known.is_some();
            entry.reason = known.map_or_else(
                || format!("the file has no {}", self.chosen(&parameter.name)),
                str::to_string,
            );
            report.initialised.push(entry);
            return;
        };
        let tensors = self.table.tensors[&name].clone();
        self.used.extend(tensors.iter().cloned());
        entry.tensor = Some(tensors.join(" + "));
        entry.stored = self.stored_shape(&tensors);
        if !tensors.iter().all(|tensor| self.is_float(tensor)) {
            entry.expected = false;
            entry.reason = "it does not hold floats of 16, 32 or 64 bits".into();
            report.mismatched.push(entry);
            return;
        }
        match fit(parameter, &entry.stored) {
            Err(reason) => {
                entry.expected = false;
                entry.reason = reason;
                report.mismatched.push(entry);
                return;
            }
            Ok((fit, reason)) => {
                let add_row = self.token_type(parameter, &name);
                entry.reason = reason;
                if add_row.is_some() {
                    entry.reason += "token type 0 added to every position";
                }
                let take = Take {
                    tensors,
                    add_row,
                    layout: parameter.layout,
                    fit,
                };
                takes.insert(parameter.path.clone(), take);
                match fit {
                    Fit::Whole => report.loaded.push(entry),
                    _ => report.resized.push(entry),
                }
            }
        }
    }

    /// The name under which the table has the parameter called `name`.
    fn find(&self, name: &str) -> Option<String> {
        let candidates = self.candidates(name).into_iter();
        candidates
            .map(|candidate| self.chosen(&candidate))
            .find(|candidate| self.table.tensors.contains_key(candidate))
    }

    /// `name`, or that of its momentum copy.
    fn chosen(&self, name: &str) -> String {
        match (self.options.momentum, name.split_once('.')) {
            (false, _) => name.to_string(),
            (true, Some((first, rest))) => format!("{first}_m.{rest}"),
            (true, None) => format!("{name}_m"),
        }
    }

    /// Where to look for `name`, best first.
    fn candidates(&self, name: &str) -> Vec<String> {
        let mut candidates = vec![name.to_string()];
        if let Some((copy, _)) = copies().find(|(_, original)| *original == name) {
            candidates.push(copy);
        }
        // A decoder that a file does not have begins as a copy of the encoder, and its head as the
        // encoder's.
        let copies_encoder = matches!(self.family, Family::Bert | Family::Albef);
        if copies_encoder && !self.table.has("text_decoder.") {
            if let Some(rest) = name.strip_prefix("text_decoder.bert.") {
                candidates.extend(self.candidates(&format!("text_encoder.{}", self.lift(rest))));
            } else if let Some(rest) = name.strip_prefix("text_decoder.cls.") {
                candidates.extend(self.candidates(&format!("text_encoder.cls.{rest}")));
            }
        }
        candidates
    }

    /// ALBEF's decoder begins as the layers of its encoder that have cross-attention
    /// (`reference.md` 3.4); BERT has none, and its first layers are taken.
    fn lift(&self, rest: &str) -> String {
        let Some((layer, tail)) = rest
            .strip_prefix("encoder.layer.")
            .and_then(|rest| rest.split_once('.'))
        else {
            return rest.to_string();
        };
        let fuses = |layer: usize| {
            self.table.has(&format!(
                "text_encoder.encoder.layer.{layer}.crossattention."
            ))
        };
        let offset = match self.family {
            // A bound, since a file need not have any.
            Family::Albef => (0..1000).find(|layer| fuses(*layer)).unwrap_or(0),
            _ => 0,
        };
        let layer = layer.parse::<usize>().unwrap_or(0) + offset;
        format!("encoder.layer.{layer}.{tail}")
    }

    /// The token types to add to position embeddings, for a module that keeps none.
    fn token_type(&mut self, parameter: &Parameter, name: &str) -> Option<String> {
        let stem = name.strip_suffix(".position_embeddings.weight")?;
        let own = |other: &Parameter| other.path.ends_with("embeddings.token_types.weight");
        if self.options.token_types == TokenTypes::Drop || self.parameters.iter().any(own) {
            return None;
        }
        let types = format!("{stem}.token_type_embeddings.weight");
        let tensor = self.table.tensors.get(&types)?.first()?.clone();
        let fits = matches!(
            self.source.tensors.get(&tensor)?.shape.as_slice(),
            [types, width] if *types > 0 && Some(width) == parameter.shape.last()
        );
        if !fits || !self.is_float(&tensor) {
            return None;
        }
        self.used.insert(tensor.clone());
        Some(tensor)
    }

    /// Accounts for the tensors that no parameter took.
    fn leftovers(&self, report: &mut LoadReport) -> Vec<Tied> {
        let holder = Holder::new(self.parameters);
        let mut ignored = Vec::new();
        let mut tied = Vec::new();
        for (tensor, reason) in &self.table.ignored {
            ignored.push((tensor.clone(), Some((*reason).to_string())));
        }
        for (name, tensors) in &self.table.tensors {
            if tensors.iter().all(|tensor| self.used.contains(tensor)) {
                continue;
            }
            let reason = why_ignored(name, &holder, self.options);
            if reason.is_none()
                && let Some(original) = self.tied_to(name)
            {
                tied.push(Tied {
                    copy: name.clone(),
                    original,
                });
                continue;
            }
            for tensor in tensors {
                ignored.push((tensor.clone(), reason.map(str::to_string)));
            }
        }
        for (tensor, reason) in ignored {
            report.ignored.push(self.leftover(tensor, reason));
        }
        for (group, count) in &self.source.beside {
            report.ignored.push(LoadEntry {
                parameter: None,
                tensor: Some(format!("{group}.*")),
                shape: Vec::new(),
                stored: vec![*count],
                reason: format!("{count} tensors beside the model"),
                expected: true,
            });
        }
        tied
    }

    /// The tensor that `name` is a copy of, where both are in the file.
    fn tied_to(&self, name: &str) -> Option<String> {
        let present = |original: &String| self.table.tensors.contains_key(original);
        if let Some((_, original)) = copies().find(|(copy, _)| copy == name)
            && present(&original)
        {
            return Some(original);
        }
        // What the pretraining model of ours has once and BLIP stores under both names.
        let shared = self
            .parameters
            .iter()
            .any(|p| p.path.starts_with("decoder."))
            && !name.contains(".attention.");
        let rest = name.strip_prefix("text_decoder.bert.")?;
        let original = format!("text_encoder.{rest}");
        (shared && present(&original)).then_some(original)
    }

    pub(super) fn leftover(&self, tensor: String, reason: Option<String>) -> LoadEntry {
        let stored = self.source.tensors.get(&tensor);
        LoadEntry {
            parameter: None,
            shape: Vec::new(),
            stored: stored.map_or_else(Vec::new, |stored| stored.shape.clone()),
            tensor: Some(tensor),
            expected: reason.is_some(),
            reason: reason.unwrap_or_else(|| "this model has no place for it".into()),
        }
    }

    fn is_float(&self, tensor: &str) -> bool {
        let stored = self.source.tensors.get(tensor);
        stored.is_some_and(|stored| stored.element.is_float())
    }

    fn stored_shape(&self, tensors: &[String]) -> Vec<usize> {
        let mut shapes = tensors
            .iter()
            .filter_map(|tensor| self.source.tensors.get(tensor))
            .map(|stored| stored.shape.clone());
        let mut shape = shapes.next().unwrap_or_default();
        for next in shapes {
            match (shape.split_first_mut(), next.split_first()) {
                (Some((rows, rest)), Some((more, other))) if *rest == *other => *rows += more,
                // Not to be joined: a shape that fits nothing.
                _ => return Vec::new(),
            }
        }
        shape
    }
}

/// Copies of tied tensors and what they copy: the vocabulary projection is the word embeddings, and
/// its bias has two names (`reference.md` 3.1).
fn copies() -> impl Iterator<Item = (String, String)> {
    let pairs = [
        ("text_encoder.", "text_encoder.cls.predictions."),
        ("text_decoder.bert.", "text_decoder.cls.predictions."),
    ];
    pairs.into_iter().flat_map(|(stack, head)| {
        [
            (format!("{head}decoder.bias"), format!("{head}bias")),
            (
                format!("{head}decoder.weight"),
                format!("{stack}embeddings.word_embeddings.weight"),
            ),
        ]
    })
}

/// Whether a tensor of the shape `stored` can become `parameter`, and how; or why not.
fn fit(parameter: &Parameter, stored: &[usize]) -> Result<(Fit, String), String> {
    let ours = parameter.shape.as_slice();
    let same = match (parameter.layout, ours, stored) {
        (Layout::Linear, [input, output], [rows, columns]) => rows == output && columns == input,
        (Layout::Patch, [input, output], [width, 3, height, side]) => {
            width == output && height == side && 3 * height * side == *input
        }
        // Scalars are `[]` there and `[1]` here.
        (Layout::Same, [1], []) => true,
        (Layout::Same, ours, stored) => ours == stored,
        _ => false,
    };
    if same {
        return Ok((Fit::Whole, String::new()));
    }
    let name = parameter.name.as_str();
    match (ours, stored) {
        ([1, to, width], [1, from, other])
            if name.ends_with(".pos_embed") && width == other && grid(*to) && grid(*from) =>
        {
            let reason = format!("position embeddings of {from} tokens interpolated to {to}");
            return Ok((Fit::Interpolated, reason));
        }
        ([to, width], [from, other]) if name.contains("position_embeddings") && width == other => {
            return Ok(rows("positions", *from, *to));
        }
        ([to, width], [from, other])
            if name.contains("word_embeddings") && width == other && from < to =>
        {
            return Ok(rows("words", *from, *to));
        }
        ([to], [from]) if name.ends_with(".cls.predictions.bias") && from < to => {
            return Ok(rows("words", *from, *to));
        }
        _ => {}
    }
    Err(match name.contains(".crossattention.self.") {
        true => "cross-attention reads states of another width here; its keys and values stay as \
                 initialised"
            .into(),
        false => "the shapes differ; use the sizes that the file was made with".into(),
    })
}

fn rows(what: &str, from: usize, to: usize) -> (Fit, String) {
    match from < to {
        true => (
            Fit::MoreRows,
            format!(
                "the first {from} {what} loaded, the other {} initialised",
                to - from
            ),
        ),
        false => (
            Fit::FirstRows,
            format!("the first {to} of {from} {what} loaded"),
        ),
    }
}

/// Whether `tokens` are a class token and a square grid of patches.
fn grid(tokens: usize) -> bool {
    tokens > 1 && (tokens - 1).isqrt().pow(2) == tokens - 1
}
