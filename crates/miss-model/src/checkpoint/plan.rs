//! Decides, by names and shapes alone, which tensor goes where.

use std::collections::{BTreeMap, BTreeSet};

use super::family::{Family, Table};
use super::fit::{Fit, fit};
use super::leftovers::{Tied, copies};
use super::names::{Layout, Parameter};
use super::reasons::why_missing;
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
    /// First layer of the file's text encoder that has cross-attention.
    fusion_layer: usize,
    /// Tensors of the file that some parameter took.
    pub(super) used: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        source: &'a Source,
        table: &'a Table,
        family: Family,
        options: &'a LoadOptions,
        parameters: &'a [Parameter],
    ) -> Self {
        let layers = table.tensors.keys().filter_map(|name| {
            let rest = name.strip_prefix("text_encoder.encoder.layer.")?;
            let (layer, rest) = rest.split_once('.')?;
            rest.starts_with("crossattention.")
                .then(|| layer.parse().ok())?
        });
        Self {
            fusion_layer: layers.min().unwrap_or(0),
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
        let offset = match self.family {
            Family::Albef => self.fusion_layer,
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
