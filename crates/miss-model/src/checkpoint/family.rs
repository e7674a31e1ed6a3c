//! Which model a file is of, and what its tensors are called in the original BLIP checkpoints.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Serialize;

use super::source::Stored;

/// A family of checkpoints that share their names (`reference.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// BLIP and MISS as their authors save them, pretraining or question answering.
    Blip,
    /// BLIP in Hugging Face's names.
    HuggingFaceBlip,
    /// ALBEF, M2I2 and MUMC: cross-attention only in the upper layers, token types.
    Albef,
    /// BERT and encoders of its shape, such as MiniLM.
    Bert,
    /// A vision transformer in timm's names: DeiT, MAE, the original DINOv2.
    Vit,
    /// DINOv2 in Hugging Face's names.
    HuggingFaceDinov2,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blip => "BLIP or MISS",
            Self::HuggingFaceBlip => "BLIP (Hugging Face)",
            Self::Albef => "ALBEF, M2I2 or MUMC",
            Self::Bert => "BERT",
            Self::Vit => "ViT (timm names)",
            Self::HuggingFaceDinov2 => "DINOv2 (Hugging Face)",
        })
    }
}

/// A file's tensors by their names in the original checkpoints.
pub(super) struct Table {
    /// Original name → the file's tensors that make it up, one below the other.
    pub(super) tensors: BTreeMap<String, Vec<String>>,
    /// The file's tensors that no model of ours has a place for, and why.
    pub(super) ignored: BTreeMap<String, &'static str>,
}

impl Table {
    /// Whether any name begins with `prefix`.
    pub(super) fn has(&self, prefix: &str) -> bool {
        let mut from = self.tensors.range(prefix.to_string()..);
        from.next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }
}

/// What a name of the file means.
enum Meaning {
    Tensor(String),
    /// One of three parts of a tensor.
    Part(String, usize),
    Ignored(&'static str),
}

impl Family {
    /// The family that names are of.
    pub(super) fn of(tensors: &BTreeMap<String, Stored>) -> Option<Self> {
        let any = |matches: &dyn Fn(&str) -> bool| tensors.keys().any(|name| matches(name));
        let has = |name: &str| tensors.contains_key(name);
        let original = any(&|name| name.starts_with("visual_encoder."))
            || any(&|name| name.starts_with("text_decoder.bert."))
            || any(&|name| name.starts_with("text_encoder."));
        if any(&|name| name.starts_with("vision_model.")) {
            Some(Self::HuggingFaceBlip)
        } else if original {
            let split = any(&|name| {
                name.starts_with("text_encoder.bert.") || name.contains(".token_type_embeddings.")
            });
            Some(if split { Self::Albef } else { Self::Blip })
        } else if any(&|name| {
            name.trim_start_matches("bert.") == "embeddings.word_embeddings.weight"
        }) {
            Some(Self::Bert)
        } else if has("patch_embed.proj.weight") && has("cls_token") {
            Some(Self::Vit)
        } else if any(&|name| name.ends_with("layer.0.layer_scale1.lambda1")) {
            Some(Self::HuggingFaceDinov2)
        } else {
            None
        }
    }

    /// Translates every name of a file.
    pub(super) fn table(self, tensors: &BTreeMap<String, Stored>) -> Table {
        let mut parts: BTreeMap<String, BTreeMap<usize, String>> = BTreeMap::new();
        let mut ignored = BTreeMap::new();
        for (name, stored) in tensors {
            let buffer = name.ends_with("position_ids") && !stored.element.is_float();
            let meaning = match buffer {
                true => Meaning::Ignored("a buffer of indices, no parameter"),
                false => self.meaning(name),
            };
            let (original, index) = match meaning {
                Meaning::Tensor(original) => (original, 0),
                Meaning::Part(original, index) => (original, index),
                Meaning::Ignored(reason) => {
                    ignored.insert(name.clone(), reason);
                    continue;
                }
            };
            match parts.entry(original).or_default().entry(index) {
                Entry::Vacant(slot) => {
                    slot.insert(name.clone());
                }
                // A second tensor of one meaning: it keeps its name, under which nobody takes it.
                Entry::Occupied(_) => {
                    parts.insert(name.clone(), [(0, name.clone())].into());
                }
            }
        }
        let tensors = parts.into_iter();
        Table {
            tensors: tensors
                .map(|(name, parts)| (name, parts.into_values().collect()))
                .collect(),
            ignored,
        }
    }

    fn meaning(self, name: &str) -> Meaning {
        match self {
            Self::Blip => Meaning::Tensor(name.to_string()),
            Self::Albef => albef(name),
            Self::HuggingFaceBlip => Meaning::Tensor(match name.strip_prefix("vision_model.") {
                Some(rest) => format!("visual_encoder.{}", blip_vision(rest)),
                None => name.to_string(),
            }),
            Self::Bert => bert(name),
            Self::Vit => vit(name),
            Self::HuggingFaceDinov2 => dinov2(name),
        }
    }
}

/// The pretraining model wraps its encoder in one more module than ours and BLIP's.
fn albef(name: &str) -> Meaning {
    let mae = ["decoder_", "mask_token"];
    if let Some(rest) = name.strip_prefix("visual_encoder.")
        && mae.iter().any(|part| rest.starts_with(part))
    {
        return Meaning::Ignored(MASKED_IMAGE);
    }
    for encoder in ["text_encoder", "text_encoder_m"] {
        if let Some(rest) = name.strip_prefix(&format!("{encoder}.bert.")) {
            return Meaning::Tensor(format!("{encoder}.{rest}"));
        }
    }
    Meaning::Tensor(name.to_string())
}

fn blip_vision(rest: &str) -> String {
    let fixed = [
        ("embeddings.class_embedding", "cls_token"),
        ("embeddings.position_embedding", "pos_embed"),
        ("embeddings.patch_embedding.", "patch_embed.proj."),
        ("post_layernorm.", "norm."),
    ];
    for (theirs, original) in fixed {
        if let Some(leaf) = rest.strip_prefix(theirs) {
            return format!("{original}{leaf}");
        }
    }
    let parts = [
        ("encoder.layers.", "blocks."),
        (".layer_norm1.", ".norm1."),
        (".layer_norm2.", ".norm2."),
        (".self_attn.qkv.", ".attn.qkv."),
        (".self_attn.projection.", ".attn.proj."),
    ];
    replace(rest, &parts)
}

fn bert(name: &str) -> Meaning {
    let name = name.strip_prefix("bert.").unwrap_or(name);
    if name.starts_with("pooler.") {
        return Meaning::Ignored("BERT's pooler, which these models do not have");
    }
    if name.starts_with("cls.seq_relationship.") {
        return Meaning::Ignored("BERT's next-sentence head, which these models do not have");
    }
    // The first BERT files have TensorFlow's names of a LayerNorm's parameters.
    let legacy = [
        ("LayerNorm.gamma", "LayerNorm.weight"),
        ("LayerNorm.beta", "LayerNorm.bias"),
    ];
    Meaning::Tensor(format!("text_encoder.{}", replace(name, &legacy)))
}

const MASKED_IMAGE: &str = "of the masked-image pretraining, no part of the encoder";

fn vit(name: &str) -> Meaning {
    let classifiers = ["head.", "head_dist.", "fc_norm.", "pre_logits."];
    if classifiers.iter().any(|head| name.starts_with(head)) {
        return Meaning::Ignored("the classifier, no part of the encoder");
    }
    if name.starts_with("decoder_") || name == "mask_token" {
        return Meaning::Ignored(MASKED_IMAGE);
    }
    Meaning::Tensor(format!("visual_encoder.{name}"))
}

fn dinov2(name: &str) -> Meaning {
    let name = name.strip_prefix("dinov2.").unwrap_or(name);
    if name.starts_with("classifier.") {
        return Meaning::Ignored("the classifier, no part of the encoder");
    }
    if name == "embeddings.mask_token" {
        return Meaning::Ignored(MASKED_IMAGE);
    }
    let fixed = [
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        (
            "embeddings.patch_embeddings.projection.",
            "patch_embed.proj.",
        ),
        ("layernorm.", "norm."),
    ];
    for (theirs, original) in fixed {
        if let Some(leaf) = name.strip_prefix(theirs) {
            return Meaning::Tensor(format!("visual_encoder.{original}{leaf}"));
        }
    }
    let parts = [
        ("encoder.layer.", "blocks."),
        (".attention.output.dense.", ".attn.proj."),
        (".layer_scale1.lambda1", ".ls1.gamma"),
        (".layer_scale2.lambda1", ".ls2.gamma"),
    ];
    let name = format!("visual_encoder.{}", replace(name, &parts));
    // Query, key and value are one matrix in the other vision transformers.
    for (index, part) in ["query", "key", "value"].iter().enumerate() {
        let theirs = format!(".attention.attention.{part}.");
        if name.contains(&theirs) {
            return Meaning::Part(name.replace(&theirs, ".attn.qkv."), index);
        }
    }
    Meaning::Tensor(name)
}

fn replace(name: &str, parts: &[(&str, &str)]) -> String {
    let mut name = name.to_string();
    for (from, to) in parts {
        name = name.replace(from, to);
    }
    name
}
