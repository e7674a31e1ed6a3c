//! Accounts for the tensors that no parameter took.

use super::plan::Planner;
use super::reasons::{Holder, why_ignored};
use super::report::{LoadEntry, LoadReport};

/// Two names of what our model has once: the copy and the one that is loaded.
pub(super) struct Tied {
    pub(super) copy: String,
    pub(super) original: String,
}

impl Planner<'_> {
    /// Accounts for the tensors that no parameter took.
    pub(super) fn leftovers(&self, report: &mut LoadReport) -> Vec<Tied> {
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

    fn leftover(&self, tensor: String, reason: Option<String>) -> LoadEntry {
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
}

/// Copies of tied tensors and what they copy: the vocabulary projection is the word embeddings, and
/// its bias has two names (`reference.md` 3.1).
pub(super) fn copies() -> impl Iterator<Item = (String, String)> {
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
