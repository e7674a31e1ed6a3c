//! Writing weights files for tests, and loading them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use miss_model::{
    Checkpoint, CheckpointError, LoadEntry, LoadOptions, LoadReport, TokenTypes, VqaModel,
    original_names,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::{Fixture, config, export, model_config};

/// Name → shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub const LENIENT: LoadOptions = LoadOptions {
    strict: false,
    momentum: false,
    token_types: TokenTypes::Fold,
};

pub fn size(folder: &Path) -> usize {
    config(folder)["image_size"].as_u64().unwrap() as usize
}

pub fn vqa(folder: &Path, device: &Device) -> VqaModel {
    VqaModel::new(&model_config(&config(folder)), size(folder), device)
}

pub fn strict<M: Module>(path: &Path, module: M) -> Result<(M, LoadReport), CheckpointError> {
    Checkpoint::open(path)?.load(module, &LoadOptions::default())
}

pub fn lenient<M: Module>(path: &Path, module: M) -> (M, LoadReport) {
    Checkpoint::open(path)
        .unwrap()
        .load(module, &LENIENT)
        .unwrap()
}

pub fn values<M: Module>(module: &M) -> BTreeMap<String, Vec<f32>> {
    export(module, None, false)
}

/// The float tensors of a fixture file, read by another reader than the product's.
pub fn tensors(path: &Path) -> Tensors {
    let fixture = Fixture::read(path);
    let floats = fixture
        .names()
        .filter(|name| !name.ends_with("position_ids") && *name != "queue_ptr");
    floats
        .map(|name| {
            (
                name.to_string(),
                (fixture.shape(name), fixture.floats(name)),
            )
        })
        .collect()
}

pub fn write(path: &Path, tensors: &Tensors) {
    write_as(path, tensors, Dtype::F32, |value| {
        value.to_le_bytes().to_vec()
    });
}

pub fn write_as(path: &Path, tensors: &Tensors, dtype: Dtype, bytes: impl Fn(f32) -> Vec<u8>) {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let values = values.iter().flat_map(|value| bytes(*value)).collect();
            (name.as_str(), shape.as_slice(), values)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        (*name, view)
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub fn report_of(error: CheckpointError) -> LoadReport {
    match error {
        CheckpointError::Strict { report, .. } => *report,
        other => panic!("not a strict load's error: {other}"),
    }
}

pub fn of_parameters(entries: &[LoadEntry]) -> Vec<&str> {
    let names = entries.iter();
    names
        .filter_map(|entry| entry.parameter.as_deref())
        .collect()
}

pub fn of_tensors(entries: &[LoadEntry]) -> Vec<&str> {
    let names = entries.iter();
    names.filter_map(|entry| entry.tensor.as_deref()).collect()
}

/// Every parameter once in the report, and nothing unexplained.
pub fn assert_accounted<M: Module>(module: &M, report: &LoadReport) {
    let mut seen: Vec<&str> = [
        &report.loaded,
        &report.resized,
        &report.initialised,
        &report.mismatched,
    ]
    .into_iter()
    .flat_map(|entries| of_parameters(entries))
    .collect();
    seen.sort_unstable();
    let names = original_names(module);
    let paths: Vec<&str> = names.keys().map(String::as_str).collect();
    assert_eq!(seen, paths);
    assert_eq!(report.problems().count(), 0, "{report}");
}
