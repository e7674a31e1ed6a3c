//! Reading the parity fixtures: numbers of the reference implementation.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used)]

pub mod files;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use miss_model::{
    Checkpoint, ImageEncoderConfig, ImageWork, LoadOptions, ModelConfig, Precision, SpecialTokens,
    TextConfig, original_names,
};
use safetensors::{Dtype, SafeTensors};

/// Says why nothing was tested. Written to the handle, which the test runner does not capture: a
/// skipped test must not look like a passed one.
pub fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Folders that hold fixture folders: the copy in the repository and the full set beside the
/// checkout, or `MISS_PARITY_DIR` alone, which may have other sizes and seeds.
pub fn roots() -> Vec<PathBuf> {
    if let Some(root) = std::env::var_os("MISS_PARITY_DIR") {
        let root = PathBuf::from(root);
        assert!(
            root.is_dir(),
            "MISS_PARITY_DIR is {}, which is no folder",
            root.display()
        );
        return vec![root];
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../../shared/parity");
    if !shared.is_dir() {
        skip(&format!(
            "the fixtures in {} (only those in the repository are tested)",
            shared.display()
        ));
    }
    [here.join("tests/fixtures"), shared]
        .into_iter()
        .filter(|root| root.is_dir())
        .collect()
}

/// Fixture folders whose `config.json` fits, each name once.
pub fn folders_where(what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for root in roots() {
        for entry in std::fs::read_dir(&root).unwrap() {
            let folder = entry.unwrap().path();
            let known = found
                .iter()
                .any(|other| other.file_name() == folder.file_name());
            if !known && folder.join("config.json").exists() && fits(&config(&folder)) {
                found.push(folder);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        skip(&format!("there are no {what} fixtures in {:?}", roots()));
    }
    found
}

/// Fixture folders of a kind.
pub fn folders(kind: &str) -> Vec<PathBuf> {
    folders_where(kind, |config| config["kind"] == kind)
}

pub fn config(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
}

pub fn model_config(config: &serde_json::Value) -> ModelConfig {
    let size = |key: &str| config[key].as_u64().unwrap() as usize;
    // Only the baseline's fixtures have a split, and token types.
    let fusion_layer = config["fusion_layer"].as_u64().unwrap_or(0) as usize;
    ModelConfig {
        image: ImageEncoderConfig {
            width: size("vision_dim"),
            depth: size("vision_depth"),
            heads: size("vision_heads"),
            patch: size("patch_size"),
            feed_forward: size("mlp_ratio") * size("vision_dim"),
            layer_norm_epsilon: config["vision_ln_eps"].as_f64().unwrap(),
            layer_scale: false,
        },
        text: TextConfig {
            width: size("text_hidden"),
            depth: size("text_layers"),
            heads: size("text_heads"),
            feed_forward: size("text_intermediate"),
            vocabulary: size("vocab_size"),
            positions: size("max_position"),
            dropout: 0.0,
            layer_norm_epsilon: config["text_ln_eps"].as_f64().unwrap(),
            token_types: if fusion_layer > 0 { 2 } else { 0 },
            fusion_layer,
        },
        projection: size("embed_dim"),
        precision: Precision::Fp32,
        image_work: ImageWork::Once,
    }
}

pub fn special(config: &serde_json::Value) -> SpecialTokens {
    let id = |key: &str| config[key].as_u64().unwrap() as u32;
    SpecialTokens {
        padding: id("pad_id"),
        separator: id("sep_id"),
        decoder: id("dec_id"),
        encoder: id("enc_id"),
    }
}

/// The tensors of a safetensors file.
pub struct Fixture {
    path: PathBuf,
    tensors: BTreeMap<String, TensorData>,
}

impl Fixture {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let data = tensors.tensors().into_iter().map(|(name, view)| {
            let shape = view.shape().to_vec();
            let data = match view.dtype() {
                Dtype::F32 => TensorData::new(
                    view.data()
                        .chunks_exact(4)
                        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                        .collect(),
                    shape,
                ),
                Dtype::I64 => TensorData::new(
                    view.data()
                        .chunks_exact(8)
                        .map(|b| i64::from_le_bytes(b.try_into().unwrap()))
                        .collect(),
                    shape,
                ),
                other => panic!("{name}: {other:?} is not a type of the fixtures"),
            };
            (name, data)
        });
        Self {
            path: path.to_path_buf(),
            tensors: data.collect(),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.data(name).try_to_vec().unwrap()
    }

    pub fn integers(&self, name: &str) -> Vec<i64> {
        self.data(name).try_to_vec().unwrap()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.data(name).shape().to_vec()
    }

    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.data(name).clone(), device)
    }

    pub fn ids<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        Tensor::from_data(self.data(name).clone(), device)
    }

    /// Token rows without their padding.
    pub fn rows(&self, ids: &str, mask: &str) -> Vec<Vec<u32>> {
        let width = self.shape(ids)[1];
        let (ids, mask) = (self.integers(ids), self.integers(mask));
        ids.chunks_exact(width)
            .zip(mask.chunks_exact(width))
            .map(|(ids, mask)| {
                let kept = ids.iter().zip(mask).filter(|(_, mask)| **mask == 1);
                kept.map(|(id, _)| *id as u32).collect()
            })
            .collect()
    }

    /// Of a tensor `[rows, tokens, width]` the positions of every row but its last and the padding.
    pub fn rows_before_the_last(&self, name: &str, rows: &[Vec<u32>]) -> Vec<f32> {
        let shape = self.shape(name);
        let (row_size, values) = (shape[1] * shape[2], self.floats(name));
        rows.iter()
            .enumerate()
            .flat_map(|(index, row)| {
                values[index * row_size..][..(row.len() - 1) * shape[2]].to_vec()
            })
            .collect()
    }

    fn data(&self, name: &str) -> &TensorData {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no tensor {name}"))
    }
}

/// Whether the reference stores this parameter `[output, input]`, the transpose of ours.
fn is_linear(name: &str, rank: usize) -> bool {
    rank == 2 && !name.contains("embeddings.")
}

/// Loads the reference's tensors, or its momentum copies, into `module`: all of them.
pub fn load<M: Module>(module: M, fixture: &Fixture, momentum: bool) -> M {
    let options = LoadOptions {
        momentum,
        ..LoadOptions::default()
    };
    let checkpoint = Checkpoint::open(&fixture.path).unwrap();
    checkpoint.load(module, &options).unwrap().0
}

fn named(name: &str, momentum: bool) -> String {
    if !momentum {
        return name.to_string();
    }
    match name.split_once('.') {
        Some((first, rest)) => format!("{first}_m.{rest}"),
        None => format!("{name}_m"),
    }
}

/// Values of `module`'s parameters (or of their gradients) in the reference's names and layout.
pub fn export<M: Module>(
    module: &M,
    gradients: Option<&GradientsParams>,
    momentum: bool,
) -> BTreeMap<String, Vec<f32>> {
    struct Export<'a> {
        path: Vec<String>,
        names: BTreeMap<String, String>,
        gradients: Option<&'a GradientsParams>,
        momentum: bool,
        values: BTreeMap<String, Vec<f32>>,
    }
    impl ModuleVisitor for Export<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = named(&self.names[&self.path.join(".")], self.momentum);
            let tensor = match self.gradients {
                Some(gradients) => gradients.get::<D>(param.id),
                None => Some(param.val().without_autodiff()),
            };
            let Some(tensor) = tensor else { return };
            let shape = tensor.dims();
            let values = if is_linear(&name, D) {
                tensor
                    .reshape([shape[0], shape[1]])
                    .transpose()
                    .try_into_vec_as()
            } else {
                tensor.try_into_vec_as()
            };
            self.values.insert(name, values.unwrap());
        }
    }
    let mut visitor = Export {
        path: Vec::new(),
        names: original_names(module),
        gradients,
        momentum,
        values: BTreeMap::new(),
    };
    module.visit(&mut visitor);
    visitor.values
}

/// The fixtures' measure of difference: `max |x − expected| / max |expected|`.
pub fn difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
    let furthest = actual
        .iter()
        .zip(expected)
        .fold(0f32, |a, (x, y)| a.max((x - y).abs()));
    furthest / largest.max(f32::MIN_POSITIVE)
}

pub fn assert_close<const D: usize>(
    what: &str,
    actual: Tensor<D>,
    fixture: &Fixture,
    name: &str,
    tolerance: f32,
) {
    let actual: Vec<f32> = actual.without_autodiff().try_into_vec_as().unwrap();
    let difference = difference(&actual, &fixture.floats(name));
    assert!(
        difference <= tolerance,
        "{what}: {name} differs by {difference:e}, more than {tolerance:e}"
    );
}

/// Compares a state after optimiser steps, by the rule of the fixtures' README: at most 0.05 % of
/// the elements may be further off than 1e-3 of their tensor's largest, none by more than 6.5e-3.
pub fn assert_state(what: &str, actual: &BTreeMap<String, Vec<f32>>, expected: &Fixture) {
    let (mut compared, mut off) = (0usize, 0usize);
    for (name, actual) in actual {
        if name.ends_with(".self.key.bias") {
            continue;
        }
        let expected = expected.floats(name);
        let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
        let third = expected.len() / 3;
        for (index, (x, y)) in actual.iter().zip(&expected).enumerate() {
            if name.ends_with("attn.qkv.bias") && (third..2 * third).contains(&index) {
                continue;
            }
            compared += 1;
            off += usize::from((x - y).abs() > 1e-3 * largest);
            assert!(
                (x - y).abs() <= 6.5e-3,
                "{what}: {name}[{index}] is {x}, not {y}"
            );
        }
    }
    assert!(
        off * 2000 <= compared,
        "{what}: {off} of {compared} elements are off"
    );
}

/// Compares the gradients of every step with the fixture's `grad/*`.
///
/// The fixtures' README calls them those of the first step; the shipped numbers are those of the
/// last one (from the logits of the first step in the same file follows another gradient of the
/// vocabulary bias). Either is accepted, but one step must agree in all of them.
pub fn assert_gradients(what: &str, steps: &[BTreeMap<String, Vec<f32>>], expected: &Fixture) {
    assert!(
        expected.names().any(|name| name.starts_with("grad/")),
        "{what}: the fixture has no gradients"
    );
    let furthest = |step: &BTreeMap<String, Vec<f32>>| {
        expected
            .names()
            .filter_map(|name| name.strip_prefix("grad/"))
            .map(|name| {
                (
                    difference(&step[name], &expected.floats(&format!("grad/{name}"))),
                    name.to_string(),
                )
            })
            .fold((0f32, String::new()), |a, b| if b.0 > a.0 { b } else { a })
    };
    let found: Vec<(f32, String)> = [steps.first(), steps.last()]
        .into_iter()
        .flatten()
        .map(furthest)
        .collect();
    assert!(
        found.iter().any(|(difference, _)| *difference <= 1e-3),
        "{what}: gradients differ: {found:?}"
    );
}
