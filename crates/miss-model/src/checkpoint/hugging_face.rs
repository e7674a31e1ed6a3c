//! Writing a model so that Hugging Face's BLIP classes open it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::CheckpointError;
use super::hugging_face_json as json;
use super::names::{Layout, Parameter, parameters};
use super::values::transpose;
use crate::config::ModelConfig;
use crate::tokens::SpecialTokens;
use crate::vqa::VqaModel;

/// Writes `model` to `folder` as `BlipForQuestionAnswering` stores itself: `model.safetensors`,
/// `config.json`, `tokenizer.json`, `tokenizer_config.json` and `preprocessor_config.json`, each
/// complete before it takes its place.
///
/// `image_size` is that of the position embeddings; `tokenizer_json` is the tokenizer that the
/// model was trained with. Layer scales are folded into the matrices they follow, which is exact.
///
/// The config's `layer_norm_eps` is what the model computes with (1e-6 in the image encoder, not
/// the 1e-5 of Hugging Face's default: `reference.md` section 4, 1). `BlipForQuestionAnswering` does
/// not put `[ENC]` at the start of a question, as the model expects: give it ids that have it. When
/// it generates it attends to padded question positions.
///
/// # Errors
///
/// When the architecture is none that `BlipForQuestionAnswering` can be configured to, or a file
/// cannot be written.
pub fn export_hugging_face(
    model: &VqaModel,
    config: &ModelConfig,
    image_size: usize,
    special: &SpecialTokens,
    tokenizer_json: &[u8],
    folder: &Path,
) -> Result<(), CheckpointError> {
    expressible(config)?;
    let failed = |reason: String| CheckpointError::Write {
        path: folder.to_path_buf(),
        reason,
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let tensors = tensors(model, config, folder)?;
    let mut views = Vec::new();
    for (name, tensor) in &tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), &tensor.bytes)
            .map_err(|error| failed(error.to_string()))?;
        views.push((name.as_str(), view));
    }
    // Hugging Face refuses files that do not name a framework.
    let metadata = [("format".to_string(), "pt".to_string())].into();
    let partial = folder.join("model.safetensors.part");
    safetensors::serialize_to_file(views, Some(metadata), &partial)
        .map_err(|error| failed(error.to_string()))?;
    settle(&partial, &folder.join("model.safetensors"))?;
    write_json(
        &folder.join("config.json"),
        &json::model(config, image_size, special),
    )?;
    write_json(&folder.join("tokenizer_config.json"), &json::tokenizer())?;
    write_json(
        &folder.join("preprocessor_config.json"),
        &json::preprocessor(image_size),
    )?;
    write(&folder.join("tokenizer.json"), tokenizer_json)
}

fn expressible(config: &ModelConfig) -> Result<(), CheckpointError> {
    let (image, text) = (&config.image, &config.text);
    let refuse = |reason: String| Err(CheckpointError::Inexpressible(reason));
    if image.width != text.width {
        return refuse(format!(
            "its decoder attends to states of the image encoder's width ({}), ours to states of \
             the text width ({})",
            image.width, text.width
        ));
    }
    if text.fusion_layer > 0 {
        return refuse(
            "its cross-attention is in every layer and its decoder as deep as its encoder, so \
             text.fusion_layer must be 0"
                .into(),
        );
    }
    if text.token_types > 0 {
        return refuse("it has no token types, so text.token_types must be 0".into());
    }
    Ok(())
}

/// A tensor as the file holds it.
struct Written {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn tensors(
    model: &VqaModel,
    config: &ModelConfig,
    folder: &Path,
) -> Result<BTreeMap<String, Written>, CheckpointError> {
    let parameters = parameters(model).into_iter();
    let mut collect = Collect {
        path: Vec::new(),
        parameters: parameters.map(|p| (p.path.clone(), p)).collect(),
        found: BTreeMap::new(),
        failed: None,
    };
    model.visit(&mut collect);
    if let Some(reason) = collect.failed {
        return Err(CheckpointError::Write {
            path: folder.to_path_buf(),
            reason,
        });
    }
    let mut found = collect.found;
    fold_layer_scales(&mut found);
    // The vocabulary projection has a name of its own there. Its bias has two, of which files that
    // Hugging Face writes hold the first.
    let head = "text_decoder.cls.predictions.";
    if let Some(words) = found.get("text_decoder.bert.embeddings.word_embeddings.weight") {
        let projection = words.clone();
        found.insert(format!("{head}decoder.weight"), projection);
    }
    let patch = config.image.patch;
    let written = |(name, (shape, values)): (String, (Vec<usize>, Vec<f32>))| {
        let shape = match name.ends_with("patch_embed.proj.weight") {
            true => vec![config.image.width, 3, patch, patch],
            false => shape,
        };
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        (hugging_face_name(&name), Written { shape, bytes })
    };
    Ok(found.into_iter().map(written).collect())
}

/// Shape and values of tensors in the originals' names and layout.
type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// `scale · (W x + b) = (scale · W) x + scale · b`, output by output.
fn fold_layer_scales(tensors: &mut Values) {
    let scales: Vec<String> = tensors
        .keys()
        .filter(|name| name.ends_with(".gamma"))
        .cloned()
        .collect();
    for name in scales {
        let Some((_, scale)) = tensors.remove(&name) else {
            continue;
        };
        let linear = name
            .replace("ls1.gamma", "attn.proj")
            .replace("ls2.gamma", "mlp.fc2");
        for leaf in ["weight", "bias"] {
            let Some((shape, values)) = tensors.get_mut(&format!("{linear}.{leaf}")) else {
                continue;
            };
            let inputs: usize = shape.iter().skip(1).product();
            for (row, scale) in values.chunks_exact_mut(inputs).zip(&scale) {
                row.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}

fn hugging_face_name(original: &str) -> String {
    let Some(rest) = original.strip_prefix("visual_encoder.") else {
        return original.to_string();
    };
    let fixed = [
        ("cls_token", "embeddings.class_embedding"),
        ("pos_embed", "embeddings.position_embedding"),
        ("patch_embed.proj.", "embeddings.patch_embedding."),
        ("norm.", "post_layernorm."),
    ];
    for (original, theirs) in fixed {
        if let Some(leaf) = rest.strip_prefix(original) {
            return format!("vision_model.{theirs}{leaf}");
        }
    }
    let rest = rest
        .replace("blocks.", "encoder.layers.")
        .replace(".norm1.", ".layer_norm1.")
        .replace(".norm2.", ".layer_norm2.")
        .replace(".attn.qkv.", ".self_attn.qkv.")
        .replace(".attn.proj.", ".self_attn.projection.");
    format!("vision_model.{rest}")
}

struct Collect {
    path: Vec<String>,
    parameters: BTreeMap<String, Parameter>,
    found: Values,
    failed: Option<String>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let Some(parameter) = self.parameters.get(&path) else {
            return;
        };
        let values = match param.val().without_autodiff().try_into_vec_as::<f32>() {
            Ok(values) => values,
            Err(error) => {
                self.failed = Some(format!("{path} cannot be read: {error:?}"));
                return;
            }
        };
        let tensor = match (parameter.layout, parameter.shape.as_slice()) {
            (Layout::Linear | Layout::Patch, [input, output]) => {
                (vec![*output, *input], transpose(&values, *input, *output))
            }
            _ => (parameter.shape.clone(), values),
        };
        self.found.insert(parameter.name.clone(), tensor);
    }
}

fn write_json(path: &Path, value: &serde_json::Value) -> Result<(), CheckpointError> {
    let text = serde_json::to_vec_pretty(value).map_err(|error| CheckpointError::Write {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    write(path, &text)
}

/// Writes beside `path` and renames, so that `path` is never half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let partial = path.with_extension("part");
    File::create(&partial)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| CheckpointError::Write {
            path: partial.clone(),
            reason: error.to_string(),
        })?;
    settle(&partial, path)
}

fn settle(partial: &Path, path: &Path) -> Result<(), CheckpointError> {
    File::open(partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(partial, path))
        .map_err(|error| CheckpointError::Write {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
}
