//! The Rust side of `scripts/hugging_face/round_trip.py`: what this crate computes, for PyTorch to
//! compute again.
//!
//! ```text
//! export_random WEIGHTS OUT
//! ```
//!
//! `WEIGHTS` holds the published files `all-minilm-l6-v2/` and `dinov2-small/`. Into `OUT` go a
//! model of the base size with random parameters, exported (`blip/`), its states and answers, and
//! the states of the two published encoders (`states.safetensors`, `answers.json`).

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use miss_model::{
    BeamSearch, Checkpoint, ImageEncoder, LengthRule, LoadOptions, Questions, Size, SpecialTokens,
    TextStack, VqaModel, export_hugging_face,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// Side of the images that the exported model sees.
const IMAGE_SIZE: usize = 224;

/// "Is the liver enlarged in this CT scan?", the same said otherwise, and a sentence about a fox,
/// in BERT's tokens.
const SENTENCES: [&[u32]; 3] = [
    &[
        101, 2003, 1996, 11290, 11792, 1999, 2023, 14931, 13594, 1029, 102,
    ],
    &[
        101, 2515, 1996, 21419, 14931, 2265, 2019, 11792, 11290, 1029, 102,
    ],
    &[
        101, 1037, 4248, 2829, 4419, 14523, 2058, 1996, 13971, 3899, 1012, 102,
    ],
];

/// Added to the bias of `[SEP]`, so that some answers end before the longest length.
const SEPARATOR_BIAS: f32 = 28.0;

/// Tensors to write: name → shape and values.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(weights), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: export_random WEIGHTS OUT".into());
    };
    std::fs::create_dir_all(&out)?;
    let device = Device::flex();
    device.seed(20);
    let mut tensors = Tensors::new();
    sentences(&weights.join("all-minilm-l6-v2"), &device, &mut tensors)?;
    images(&weights.join("dinov2-small"), &device, &mut tensors)?;
    let tokenizer = tokenizer(&weights.join("all-minilm-l6-v2/tokenizer.json"))?;
    let answers = answers(&out.join("blip"), &tokenizer, &device, &mut tensors)?;
    std::fs::write(
        out.join("answers.json"),
        serde_json::to_vec_pretty(&answers)?,
    )?;
    write(&out.join("states.safetensors"), &tensors)
}

/// MiniLM's states of each sentence, one without padding and one with.
fn sentences(file: &Path, device: &Device, tensors: &mut Tensors) -> Result<(), Box<dyn Error>> {
    let sizes = Size::Small.config();
    let stack = TextStack::new(&sizes.text, sizes.image.width, sizes.precision, device);
    let (stack, _) = Checkpoint::open(file)?.load(stack, &LoadOptions::default())?;
    for (index, row) in SENTENCES.iter().enumerate() {
        for padding in [0, 3] {
            let mut ids: Vec<i32> = row.iter().map(|id| *id as i32).collect();
            ids.extend(vec![0; padding]);
            let length = ids.len();
            let data = TensorData::new(ids, [1, length]);
            let ids = Tensor::<2, Int>::from_data(data, device);
            let states = stack.encode(ids.clone(), ids.equal_elem(0), None);
            let states = states.narrow(1, 0, row.len());
            keep(tensors, format!("minilm/{index}/{padding}"), states)?;
        }
    }
    Ok(())
}

/// DINOv2's states of a random image, at the size it was trained with and at another.
fn images(file: &Path, device: &Device, tensors: &mut Tensors) -> Result<(), Box<dyn Error>> {
    let sizes = Size::Small.config();
    for size in [518, 224] {
        let encoder = ImageEncoder::new(&sizes.image, size, sizes.precision, device);
        let (encoder, _) = Checkpoint::open(file)?.load(encoder, &LoadOptions::default())?;
        let image = random_images(1, size, device);
        let states = encoder.forward(image.clone(), 0.0);
        keep(tensors, format!("dinov2/{size}/image"), image)?;
        keep(tensors, format!("dinov2/{size}/states"), states)?;
    }
    Ok(())
}

/// Exports a random model and lets it answer.
fn answers(
    folder: &Path,
    tokenizer: &[u8],
    device: &Device,
    tensors: &mut Tensors,
) -> Result<Value, Box<dyn Error>> {
    let (sizes, special) = (Size::Base.config(), SpecialTokens::default());
    let model = VqaModel::new(&sizes, IMAGE_SIZE, device).map(&mut Stir {
        path: Vec::new(),
        special,
    });
    export_hugging_face(&model, &sizes, IMAGE_SIZE, &special, tokenizer, folder)?;

    let images = random_images(SENTENCES.len(), IMAGE_SIZE, device);
    let image_states = model.image_states(images.clone(), 0.0);
    let search = |beams| BeamSearch {
        beams,
        // What the generation of today's transformers does.
        length_rule: LengthRule::CountsEnd,
        mask_question_padding: false,
        ..BeamSearch::default()
    };
    let mut found = Vec::new();
    let rows: Vec<Vec<u32>> = SENTENCES.iter().map(|row| row.to_vec()).collect();
    let each: Vec<Vec<usize>> = (0..rows.len()).map(|row| vec![row]).collect();
    // Each question alone, then all of them padded to the longest.
    for batch in each.iter().chain([&(0..rows.len()).collect()]) {
        let asked: Vec<Vec<u32>> = batch.iter().map(|row| rows[*row].clone()).collect();
        let questions = Questions::new(&asked, batch, &special, device);
        let states = model.question_states(image_states.clone(), &questions);
        let name = batch.iter().map(usize::to_string).collect::<Vec<_>>();
        let name = format!("blip/question_states/{}", name.join("-"));
        keep(tensors, name, states.hidden.clone())?;
        for beams in [1, 3] {
            let answers = search(beams).run(&model, &states)?;
            let tokens: Vec<&Vec<u32>> = answers.iter().map(|best| &best[0].tokens).collect();
            let ended: Vec<bool> = answers.iter().map(|best| best[0].ended).collect();
            found.push(json!({
                "batch": batch, "beams": beams, "tokens": tokens, "ended": ended,
            }));
        }
    }
    keep(tensors, "blip/images".into(), images)?;
    keep(tensors, "blip/image_states".into(), image_states)?;
    Ok(json!({ "sentences": SENTENCES, "special": {
        "encoder": special.encoder, "decoder": special.decoder, "separator": special.separator,
    }, "answers": found }))
}

/// Makes every parameter matter. In a new model biases are zero, norms one, and no answer is much
/// more probable than another.
struct Stir {
    path: Vec<String>,
    special: SpecialTokens,
}

impl ModuleMapper for Stir {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let ends = path == "head.bias";
        // A decoder whose layers change little lets an answer depend on its own tokens, not only on
        // the question.
        let factor = match path.split('.').collect::<Vec<_>>()[..] {
            [_, "embeddings", ..] => 15.0,
            ["text_decoder", ..] => 1.0,
            _ => 3.0,
        };
        let separator = self.special.separator as usize;
        param.map(|value| {
            if D > 1 {
                return value * factor;
            }
            let spread = Distribution::Normal(0.0, 0.05);
            let value = value.clone() + value.random_like(spread);
            if !ends {
                return value;
            }
            let place = separator..separator + 1;
            let likely = value.clone().slice(place.clone()) + SEPARATOR_BIAS;
            value.slice_assign(place, likely)
        })
    }
}

fn random_images(count: usize, size: usize, device: &Device) -> Tensor<4> {
    Tensor::random(
        [count, 3, size, size],
        Distribution::Normal(0.0, 1.0),
        device,
    )
}

/// A BERT tokenizer with `[DEC]` and `[ENC]`.
fn tokenizer(bert: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(bert)?)?;
    let special = SpecialTokens::default();
    let added = tokenizer["added_tokens"]
        .as_array_mut()
        .ok_or("the tokenizer has no list of added tokens")?;
    for (content, id) in [("[DEC]", special.decoder), ("[ENC]", special.encoder)] {
        added.push(json!({
            "id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        }));
    }
    Ok(serde_json::to_vec(&tokenizer)?)
}

fn keep<const D: usize>(
    tensors: &mut Tensors,
    name: String,
    tensor: Tensor<D>,
) -> Result<(), Box<dyn Error>> {
    let shape = tensor.dims().to_vec();
    let values = tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| format!("{name}: {error:?}"))?;
    tensors.insert(name, (shape, values));
    Ok(())
}

fn write(path: &Path, tensors: &Tensors) -> Result<(), Box<dyn Error>> {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let values = values.iter().flat_map(|value| value.to_le_bytes());
            (name.as_str(), shape.as_slice(), values.collect())
        })
        .collect();
    let mut views = Vec::new();
    for (name, shape, bytes) in &bytes {
        views.push((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?));
    }
    safetensors::serialize_to_file(views, None, path)?;
    Ok(())
}
