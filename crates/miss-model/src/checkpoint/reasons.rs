//! Why a tensor or a parameter may be left out, for each family.

use super::family::{Family, Table};
use super::names::Parameter;
use super::{LoadOptions, TokenTypes};

/// Which parts a module has.
pub(super) struct Holder {
    names: Vec<String>,
    tied_decoder: bool,
}

impl Holder {
    pub(super) fn new(parameters: &[Parameter]) -> Self {
        Self {
            names: parameters.iter().map(|p| p.name.clone()).collect(),
            tied_decoder: parameters.iter().any(|p| p.path.starts_with("decoder.")),
        }
    }

    fn has(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }

    fn has_token_types(&self) -> bool {
        let types = |name: &String| name.ends_with(".token_type_embeddings.weight");
        self.names.iter().any(types)
    }
}

/// Names of pretraining that stand beside encoders and decoder.
const PRETRAINING: [&str; 4] = ["vision_proj.", "text_proj.", "itm_head.", "temp"];
/// A matching head of two layers, as MUMC has it.
const TWO_LAYERS: &str = "itm_head.0.";

/// Why the original tensor `name` may go unused; none when it should not.
pub(super) fn why_ignored(
    name: &str,
    holder: &Holder,
    options: &LoadOptions,
) -> Option<&'static str> {
    if matches!(name, "image_queue" | "text_queue" | "queue_ptr") {
        return Some("a queue of pretraining: Checkpoint::queues reads it");
    }
    let first = name.split('.').next().unwrap_or_default();
    let name = match (first.strip_suffix("_m"), options.momentum) {
        (Some(_), false) => return Some("a momentum copy: LoadOptions::momentum loads it"),
        (None, true) => return Some("not a momentum copy, which was asked for"),
        (Some(online), true) => format!("{online}{}", &name[first.len()..]),
        (None, false) => name.to_string(),
    };
    let absent = |prefix: &str| name.starts_with(prefix) && !holder.has(prefix);
    if PRETRAINING.iter().any(|head| absent(head)) {
        return Some("a head of pretraining, which this module does not have");
    }
    if ["itm_head.0.", "itm_head.1.", "itm_head.3."]
        .iter()
        .any(|layer| name.starts_with(layer))
    {
        return Some("MUMC's matching head has two layers, this model's has one");
    }
    if absent("visual_encoder.") {
        return Some("this module has no image encoder");
    }
    if absent("text_encoder.cls.") {
        return Some("this module's text encoder has no language model head");
    }
    if absent("text_encoder.") {
        return Some("this module has no text encoder");
    }
    let decodes = holder.has("text_decoder.bert.") || holder.tied_decoder;
    if name.starts_with("text_decoder.") && !decodes {
        return Some("this module has no text decoder");
    }
    // Those that are folded count as used.
    if name.ends_with(".token_type_embeddings.weight") && !holder.has_token_types() {
        return match options.token_types {
            TokenTypes::Drop => Some("token types, dropped as asked (TokenTypes::Drop)"),
            TokenTypes::Fold => None,
        };
    }
    None
}

/// Why a file of `family` has nothing for the parameter that the original calls `name`; none when
/// it should have.
pub(super) fn why_missing(family: Family, name: &str, table: &Table) -> Option<&'static str> {
    match family {
        Family::Vit | Family::HuggingFaceDinov2 => (!name.starts_with("visual_encoder."))
            .then_some("an image encoder's file fills nothing else"),
        Family::Bert => {
            if !name.starts_with("text_") || name.starts_with("text_proj.") {
                Some("a text encoder's file fills nothing else")
            } else if name.contains(".crossattention.") {
                Some("BERT has no cross-attention")
            } else if name.contains(".cls.predictions.") && !table.has("text_encoder.cls.") {
                Some("this file has no language model head")
            } else {
                None
            }
        }
        Family::Albef if name.starts_with("itm_head.") && table.has(TWO_LAYERS) => {
            Some("MUMC's matching head has two layers, this model's has one")
        }
        Family::Blip | Family::HuggingFaceBlip | Family::Albef => None,
    }
}
