//! The names that the original checkpoints give to our parameters (`reference.md` 3).

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// How a parameter lies in a checkpoint, compared with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Alike.
    Same,
    /// A linear weight: `[output, input]` there, `[input, output]` here.
    Linear,
    /// The patch convolution: `[width, 3, patch, patch]` there, `[3 · patch², width]` here.
    Patch,
}

/// A parameter of a module.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Where it is in the module.
    pub(crate) path: String,
    pub(crate) shape: Vec<usize>,
    /// Its name in an original checkpoint.
    pub(crate) name: String,
    pub(crate) layout: Layout,
}

/// For the parameters of `module`, module path → name in an original checkpoint of BLIP, MISS or
/// ALBEF (`image_encoder.class_token` → `visual_encoder.cls_token`). The names of an encoder alone
/// are those that it has in the whole model.
pub fn original_names<M: Module>(module: &M) -> BTreeMap<String, String> {
    let named = parameters(module).into_iter();
    named
        .map(|parameter| (parameter.path, parameter.name))
        .collect()
}

/// The parameters of `module`, none of them drawn for it.
pub(crate) fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    let found = visitor.found;
    // A head without a decoder is the masked-language-model head of the encoder.
    let decodes = |path: &String| path.starts_with("decoder.") || path.starts_with("text_decoder.");
    let head_of = match found.iter().any(|(path, _)| decodes(path)) {
        true => "text_decoder",
        false => "text_encoder",
    };
    let parameter = |(path, shape): (String, Vec<usize>)| {
        let parts: Vec<&str> = path.split('.').collect();
        let name = model(&parts, head_of).unwrap_or_else(|| path.clone());
        let layout = match shape.len() {
            2 if parts.contains(&"patch_embedding") => Layout::Patch,
            2 if !parts.contains(&"embeddings") => Layout::Linear,
            _ => Layout::Same,
        };
        Parameter {
            path,
            shape,
            name,
            layout,
        }
    };
    found.into_iter().map(parameter).collect()
}

#[derive(Default)]
struct Visitor {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found
            .push((self.path.join("."), param.lazy_shape().to_vec()));
    }
}

fn model(path: &[&str], head_of: &str) -> Option<String> {
    Some(match path {
        ["encoders", rest @ ..] => model(rest, head_of)?,
        ["image_encoder", rest @ ..] => format!("visual_encoder.{}", image_encoder(rest)?),
        ["joint_encoder", rest @ ..] => format!("text_encoder.{}", text_stack(rest)?),
        ["text_decoder", rest @ ..] => format!("text_decoder.bert.{}", text_stack(rest)?),
        // The decoder of pretraining owns its self-attention and its head; it shares the rest.
        ["decoder", "self_attention", layer, rest @ ..] => {
            let rest = attention(rest)?;
            format!("text_decoder.bert.encoder.layer.{layer}.attention.{rest}")
        }
        ["decoder", "head", rest @ ..] | ["head", rest @ ..] => {
            format!("{head_of}.cls.predictions.{}", head(rest)?)
        }
        ["image_projection", leaf] => format!("vision_proj.{leaf}"),
        ["text_projection", leaf] => format!("text_proj.{leaf}"),
        ["matching_head", leaf] => format!("itm_head.{leaf}"),
        ["temperature"] => "temp".to_string(),
        // An encoder that is loaded alone.
        ["embeddings" | "layers", ..] => format!("text_encoder.{}", text_stack(path)?),
        _ => format!("visual_encoder.{}", image_encoder(path)?),
    })
}

fn image_encoder(path: &[&str]) -> Option<String> {
    Some(match path {
        ["patch_embedding", leaf] => format!("patch_embed.proj.{leaf}"),
        ["class_token"] => "cls_token".to_string(),
        ["position_embedding"] => "pos_embed".to_string(),
        ["norm", leaf] => format!("norm.{}", norm(leaf)),
        ["blocks", block, rest @ ..] => {
            let rest = match rest {
                ["attention_norm", leaf] => format!("norm1.{}", norm(leaf)),
                ["feed_forward_norm", leaf] => format!("norm2.{}", norm(leaf)),
                ["query_key_value", leaf] => format!("attn.qkv.{leaf}"),
                ["projection", leaf] => format!("attn.proj.{leaf}"),
                ["expand", leaf] => format!("mlp.fc1.{leaf}"),
                ["contract", leaf] => format!("mlp.fc2.{leaf}"),
                ["attention_scale"] => "ls1.gamma".to_string(),
                ["feed_forward_scale"] => "ls2.gamma".to_string(),
                _ => return None,
            };
            format!("blocks.{block}.{rest}")
        }
        _ => return None,
    })
}

fn text_stack(path: &[&str]) -> Option<String> {
    Some(match path {
        ["embeddings", "words", leaf] => format!("embeddings.word_embeddings.{leaf}"),
        ["embeddings", "positions", leaf] => format!("embeddings.position_embeddings.{leaf}"),
        ["embeddings", "token_types", leaf] => format!("embeddings.token_type_embeddings.{leaf}"),
        ["embeddings", "norm", leaf] => format!("embeddings.LayerNorm.{}", norm(leaf)),
        ["layers", layer, part, rest @ ..] => {
            let rest = match (*part, rest) {
                ("self_attention", rest) => format!("attention.{}", attention(rest)?),
                ("cross_attention", rest) => format!("crossattention.{}", attention(rest)?),
                ("feed_forward", ["expand", leaf]) => format!("intermediate.dense.{leaf}"),
                ("feed_forward", ["contract", leaf]) => format!("output.dense.{leaf}"),
                ("feed_forward", ["norm", leaf]) => format!("output.LayerNorm.{}", norm(leaf)),
                _ => return None,
            };
            format!("encoder.layer.{layer}.{rest}")
        }
        _ => return None,
    })
}

fn attention(path: &[&str]) -> Option<String> {
    Some(match path {
        [part @ ("query" | "key" | "value"), leaf] => format!("self.{part}.{leaf}"),
        ["output", leaf] => format!("output.dense.{leaf}"),
        ["norm", leaf] => format!("output.LayerNorm.{}", norm(leaf)),
        _ => return None,
    })
}

fn head(path: &[&str]) -> Option<String> {
    Some(match path {
        ["transform", leaf] => format!("transform.dense.{leaf}"),
        ["norm", leaf] => format!("transform.LayerNorm.{}", norm(leaf)),
        ["bias"] => "bias".to_string(),
        _ => return None,
    })
}

/// Burn's names of a LayerNorm's parameters are those of the first BERT.
fn norm(leaf: &str) -> &str {
    match leaf {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}
