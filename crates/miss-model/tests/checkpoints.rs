//! Files of other projects: every family, every report, and what a damaged file does.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use miss_model::{
    BaselinePretrainModel, Checkpoint, CheckpointError, Encoders, Family, ImageEncoder, LoadEntry,
    LoadOptions, LoadReport, ModelConfig, PretrainModel, Size, SpecialTokens, TextStack,
    TokenTypes, VqaModel, export_hugging_face, interpolate_positions, original_names,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use support::{Fixture, config, export, folders, load, model_config, skip};

/// Name → shape and values.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

const LENIENT: LoadOptions = LoadOptions {
    strict: false,
    momentum: false,
    token_types: TokenTypes::Fold,
};

fn size(folder: &Path) -> usize {
    config(folder)["image_size"].as_u64().unwrap() as usize
}

fn vqa(folder: &Path, device: &Device) -> VqaModel {
    VqaModel::new(&model_config(&config(folder)), size(folder), device)
}

fn strict<M: Module>(path: &Path, module: M) -> Result<(M, LoadReport), CheckpointError> {
    Checkpoint::open(path)?.load(module, &LoadOptions::default())
}

fn lenient<M: Module>(path: &Path, module: M) -> (M, LoadReport) {
    Checkpoint::open(path)
        .unwrap()
        .load(module, &LENIENT)
        .unwrap()
}

fn values<M: Module>(module: &M) -> BTreeMap<String, Vec<f32>> {
    export(module, None, false)
}

/// The float tensors of a fixture file, read by another reader than the product's.
fn tensors(path: &Path) -> Tensors {
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

fn write(path: &Path, tensors: &Tensors) {
    write_as(path, tensors, Dtype::F32, |value| {
        value.to_le_bytes().to_vec()
    });
}

fn write_as(path: &Path, tensors: &Tensors, dtype: Dtype, bytes: impl Fn(f32) -> Vec<u8>) {
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

fn report_of(error: CheckpointError) -> LoadReport {
    match error {
        CheckpointError::Strict { report, .. } => *report,
        other => panic!("not a strict load's error: {other}"),
    }
}

fn of_parameters(entries: &[LoadEntry]) -> Vec<&str> {
    let names = entries.iter();
    names
        .filter_map(|entry| entry.parameter.as_deref())
        .collect()
}

fn of_tensors(entries: &[LoadEntry]) -> Vec<&str> {
    let names = entries.iter();
    names.filter_map(|entry| entry.tensor.as_deref()).collect()
}

/// Every parameter once in the report, and nothing unexplained.
fn assert_accounted<M: Module>(module: &M, report: &LoadReport) {
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

#[test]
fn original_archive_and_hugging_face_files_give_one_model() {
    for folder in folders("vqa") {
        let device = Device::flex();
        let open = |name: &str| strict(&folder.join(name), vqa(&folder, &device)).unwrap();
        let (model, report) = open("model.safetensors");
        assert_accounted(&model, &report);
        assert_eq!(report.loaded.len(), original_names(&model).len());
        let ours = values(&model);
        let file = tensors(&folder.join("model.safetensors"));
        for (name, values) in &ours {
            assert_eq!(*values, file[name].1, "{name}");
        }
        for other in ["model.pth", "model_hf.safetensors"] {
            let (model, report) = open(other);
            assert_accounted(&model, &report);
            assert_eq!(values(&model), ours, "{other}");
        }
        // Beside the model the archive holds a training state.
        let report = open("model.pth").1;
        let ignored = of_tensors(&report.ignored);
        assert!(
            ignored.iter().any(|name| name.ends_with("position_ids")),
            "{ignored:?}"
        );
        let summary = report.to_string();
        assert!(summary.contains("0 mismatched"), "{summary}");
    }
}

#[test]
fn families_are_told_by_their_names() {
    let expected = [
        ("vqa", "model.pth", Family::Blip),
        ("vqa", "model.safetensors", Family::Blip),
        ("vqa", "model_hf.safetensors", Family::HuggingFaceBlip),
        ("pretrain", "model.safetensors", Family::Blip),
        ("albef_without_jtm", "model.safetensors", Family::Albef),
        ("albef_without_jtm", "model_vqa.safetensors", Family::Albef),
    ];
    for (kind, file, family) in expected {
        for folder in folders(kind) {
            let path = folder.join(file);
            assert_eq!(
                Checkpoint::open(&path).unwrap().family(),
                family,
                "{path:?}"
            );
        }
    }
}

#[test]
fn strict_refuses_what_lenient_reports() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in folders("vqa") {
        let device = Device::flex();
        let path = folder.path().join("model.safetensors");
        let file = tensors(&fixture.join("model.safetensors"));

        // A tensor too few: the parameter keeps its value.
        let mut fewer = file.clone();
        fewer.remove("visual_encoder.norm.weight").unwrap();
        write(&path, &fewer);
        let report = report_of(strict(&path, vqa(&fixture, &device)).unwrap_err());
        assert_eq!(
            of_parameters(&report.initialised),
            ["image_encoder.norm.gamma"]
        );
        let (model, lenient_report) = lenient(&path, vqa(&fixture, &device));
        assert_eq!(report, lenient_report);
        assert!(
            values(&model)["visual_encoder.norm.weight"]
                .iter()
                .all(|v| *v == 1.0)
        );

        // A tensor too many.
        let mut more = file.clone();
        more.insert(
            "text_encoder.adapter.weight".into(),
            (vec![2], vec![0.0; 2]),
        );
        write(&path, &more);
        let error = strict(&path, vqa(&fixture, &device)).unwrap_err();
        assert!(
            error.to_string().contains("text_encoder.adapter.weight"),
            "{error}"
        );
        let problems = report_of(error);
        assert_eq!(problems.problems().count(), 1);

        // A deeper file: its layers are not cut off in silence.
        let mut shallow = model_config(&config(&fixture));
        shallow.image.depth -= 1;
        let model = VqaModel::new(&shallow, size(&fixture), &device);
        let report = report_of(strict(&fixture.join("model.safetensors"), model).unwrap_err());
        let block = format!("visual_encoder.blocks.{}.", shallow.image.depth);
        let cut: Vec<&LoadEntry> = report.problems().collect();
        assert_eq!(cut.len(), 12, "{report}");
        assert!(
            cut.iter()
                .all(|e| e.tensor.as_ref().unwrap().starts_with(&block))
        );

        // Another width.
        let mut wide = model_config(&config(&fixture));
        wide.projection += 1;
        wide.text.feed_forward += 1;
        let model = VqaModel::new(&wide, size(&fixture), &device);
        let before = values(&model);
        let error = strict(&fixture.join("model.safetensors"), model.clone()).unwrap_err();
        let report = report_of(error);
        // In each layer of encoder and decoder: weight and bias of the one, weight of the other.
        assert_eq!(report.mismatched.len(), 2 * 3 * wide.text.depth, "{report}");
        let (model, _) = lenient(&fixture.join("model.safetensors"), model);
        let name = "text_encoder.encoder.layer.0.intermediate.dense.weight";
        assert_eq!(values(&model)[name], before[name]);
    }
}

#[test]
fn copies_of_a_tied_tensor_may_be_absent_and_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let head = "text_decoder.cls.predictions";
    let words = "text_decoder.bert.embeddings.word_embeddings.weight".to_string();
    for fixture in folders("vqa") {
        let device = Device::flex();
        let file = tensors(&fixture.join("model.safetensors"));
        let whole = values(&load(
            vqa(&fixture, &device),
            &Fixture::read(&fixture.join("model.safetensors")),
            false,
        ));
        let absences = [
            vec![format!("{head}.decoder.weight")],
            vec![format!("{head}.decoder.bias")],
            vec![format!("{head}.bias")],
            vec![words.clone()],
        ];
        for absent in absences {
            let mut partial = file.clone();
            for name in &absent {
                partial.remove(name).unwrap();
            }
            write(&path, &partial);
            let (model, _) = strict(&path, vqa(&fixture, &device)).unwrap();
            assert_eq!(values(&model), whole, "without {absent:?}");
        }
        for copy in ["decoder.weight", "decoder.bias"] {
            let copy = format!("{head}.{copy}");
            let mut untied = file.clone();
            untied.get_mut(&copy).unwrap().1[3] += 0.5;
            write(&path, &untied);
            let report = report_of(strict(&path, vqa(&fixture, &device)).unwrap_err());
            assert_eq!(of_tensors(&report.mismatched), [copy.as_str()]);
        }
    }
}

#[test]
fn other_float_types_become_fp32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for fixture in folders("vqa") {
        let file = tensors(&fixture.join("model.safetensors"));
        let name = "visual_encoder.blocks.0.mlp.fc1.weight";
        let exact = &file[name].1;
        let read = || {
            let (model, _) = strict(&path, vqa(&fixture, &Device::flex())).unwrap();
            values(&model)[name].clone()
        };
        write_as(&path, &file, Dtype::F64, |v| {
            f64::from(v).to_le_bytes().to_vec()
        });
        assert_eq!(read(), *exact);
        // The upper half of an fp32 number is the bf16 number below it.
        write_as(&path, &file, Dtype::BF16, |v| v.to_le_bytes()[2..].to_vec());
        let truncated = |v: &f32| f32::from_bits(v.to_bits() & 0xffff_0000);
        assert_eq!(read(), exact.iter().map(truncated).collect::<Vec<_>>());
        // fp16 by hand: numbers that it can hold. 0x3555 is 0.333251953125, 0xc100 is −2.5.
        write_as(&path, &file, Dtype::F16, |v| match v < 0.0 {
            true => 0xc100u16.to_le_bytes().to_vec(),
            false => 0x3555u16.to_le_bytes().to_vec(),
        });
        let halves = |v: &f32| if *v < 0.0 { -2.5 } else { 0.333_251_95 };
        assert_eq!(read(), exact.iter().map(halves).collect::<Vec<f32>>());
        // Integers are no weights.
        write_as(&path, &file, Dtype::I32, |v| {
            (v as i32).to_le_bytes().to_vec()
        });
        assert!(strict(&path, vqa(&fixture, &Device::flex())).is_err());
    }
}

#[test]
fn a_pretraining_file_fills_every_model() {
    for folder in folders("pretrain") {
        let device = Device::flex();
        let path = folder.join("model.safetensors");
        let file = tensors(&path);
        let (sizes, size) = (model_config(&config(&folder)), size(&folder));

        let fresh = PretrainModel::new(&sizes, size, &device);
        let (model, report) = strict(&path, fresh.clone()).unwrap();
        assert_accounted(&model, &report);
        assert!(of_parameters(&report.loaded).contains(&"temperature"));
        let tied = report.ignored.iter().filter(|e| e.reason.contains("tied"));
        // 36 shared tensors, and two names of the head's (the fixture's README).
        assert_eq!(tied.count(), 38);

        let momentum = LoadOptions {
            momentum: true,
            ..LoadOptions::default()
        };
        let checkpoint = Checkpoint::open(&path).unwrap();
        let (encoders, report): (Encoders, _) = checkpoint.load(fresh.encoders, &momentum).unwrap();
        assert_accounted(&encoders, &report);
        for (name, values) in export(&encoders, None, true) {
            assert_eq!(values, file[&name].1, "{name}");
        }

        let queues = checkpoint.queues(&device).unwrap().unwrap();
        assert_eq!(queues.pointer, 20);
        let text: Vec<f32> = queues.text.try_into_vec_as().unwrap();
        assert_eq!(text, file["text_queue"].1);

        // The decoder of pretraining attends to images, that of question answering to text.
        let (model, report) = lenient(&path, VqaModel::new(&sizes, size, &device));
        let problems: Vec<&str> = of_parameters(&report.mismatched);
        if sizes.image.width == sizes.text.width {
            assert_accounted(&model, &report);
        } else {
            assert_eq!(problems.len(), 2 * sizes.text.depth, "{report}");
            for problem in problems {
                let fits = problem.starts_with("text_decoder.layers.")
                    && (problem.ends_with("cross_attention.key.weight")
                        || problem.ends_with("cross_attention.value.weight"));
                assert!(fits, "{problem}");
            }
            assert!(strict(&path, VqaModel::new(&sizes, size, &device)).is_err());
        }
    }
}

#[test]
fn an_answering_file_has_no_queues_and_no_pretraining_heads() {
    for folder in folders("vqa") {
        let path = folder.join("model.safetensors");
        let device = Device::flex();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert!(checkpoint.queues(&device).unwrap().is_none());
        let sizes = model_config(&config(&folder));
        let model = PretrainModel::new(&sizes, size(&folder), &device);
        let report = report_of(strict(&path, model).unwrap_err());
        let missing = of_parameters(&report.initialised);
        assert!(missing.contains(&"temperature"), "{missing:?}");
        assert!(missing.contains(&"matching_head.weight"), "{missing:?}");
        // Fine-tuned decoders have diverged from the encoder that pretraining ties them to.
        assert!(!report.mismatched.is_empty());
    }
}

#[test]
fn albef_decodes_with_the_layers_that_fuse() {
    for folder in folders("albef_without_jtm") {
        let device = Device::flex();
        let (model, report) =
            strict(&folder.join("model_vqa.safetensors"), vqa(&folder, &device)).unwrap();
        assert_accounted(&model, &report);
        assert!(report.initialised.is_empty());

        let path = folder.join("model.safetensors");
        let (model, report) = strict(&path, vqa(&folder, &device)).unwrap();
        assert_accounted(&model, &report);
        assert!(report.initialised.is_empty());
        let (ours, file) = (values(&model), tensors(&path));
        let fusion = model_config(&config(&folder)).text.fusion_layer;
        let mut compared = 0;
        for (name, values) in &ours {
            let source = if let Some(rest) = name.strip_prefix("text_decoder.bert.encoder.layer.") {
                let (layer, rest) = rest.split_once('.').unwrap();
                let layer = layer.parse::<usize>().unwrap() + fusion;
                format!("text_encoder.bert.encoder.layer.{layer}.{rest}")
            } else if let Some(rest) = name.strip_prefix("text_decoder.bert.") {
                format!("text_encoder.bert.{rest}")
            } else if let Some(rest) = name.strip_prefix("text_decoder.cls.") {
                format!("text_encoder.cls.{rest}")
            } else {
                continue;
            };
            assert_eq!(*values, file[&source].1, "{name}");
            compared += 1;
        }
        assert!(compared > 2 * 26, "{compared} tensors of the decoder");
    }
}

#[test]
fn the_baseline_takes_albefs_and_mumcs_pretraining() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for fixture in folders("albef_without_jtm") {
        let device = Device::flex();
        let sizes = model_config(&config(&fixture));
        let fresh = || BaselinePretrainModel::new(&sizes, size(&fixture), &device);
        // The fixture has no temperature, published files do.
        let mut file = tensors(&fixture.join("model.safetensors"));
        file.insert("temp".into(), (Vec::new(), vec![0.05]));
        write(&path, &file);
        let (model, report) = strict(&path, fresh()).unwrap();
        assert_accounted(&model, &report);
        assert!(report.initialised.is_empty(), "{report}");
        for (name, values) in values(&model) {
            let wrapped = name.replace("text_encoder.e", "text_encoder.bert.e");
            assert_eq!(values, file[&wrapped].1, "{name}");
        }

        // MUMC's matching head cannot be taken, and says so.
        for leaf in ["weight", "bias"] {
            let tensor = file.remove(&format!("itm_head.{leaf}")).unwrap();
            for layer in [0, 1, 3] {
                file.insert(format!("itm_head.{layer}.{leaf}"), tensor.clone());
            }
        }
        write(&path, &file);
        let (model, report) = strict(&path, fresh()).unwrap();
        assert_accounted(&model, &report);
        let heads = ["matching_head.weight", "matching_head.bias"];
        assert_eq!(of_parameters(&report.initialised), heads);
        assert!(report.to_string().contains("MUMC"), "{report}");
    }
}

#[test]
fn folded_token_types_compute_what_kept_ones_do() {
    for folder in folders("albef_without_jtm") {
        let device = Device::flex();
        let path = folder.join("model.safetensors");
        let kept = model_config(&config(&folder));
        let mut none = kept.clone();
        none.text.token_types = 0;
        let stack = |sizes: &ModelConfig, token_types| {
            let stack = TextStack::new(&sizes.text, sizes.image.width, sizes.precision, &device);
            let options = LoadOptions {
                token_types,
                ..LoadOptions::default()
            };
            let checkpoint = Checkpoint::open(&path).unwrap();
            checkpoint.load(stack, &options).unwrap()
        };
        let ids = Tensor::<2, Int>::from_data([[2, 7, 33, 3], [2, 9, 3, 0]], &device);
        let padding = ids.clone().equal_elem(0);
        let hidden = |stack: &TextStack| -> Vec<f32> {
            let states = stack.encode(ids.clone(), padding.clone(), None);
            states.try_into_vec_as().unwrap()
        };
        let with = hidden(&stack(&kept, TokenTypes::Fold).0);
        let folded = hidden(&stack(&none, TokenTypes::Fold).0);
        let (dropped, report) = stack(&none, TokenTypes::Drop);
        assert!(support::difference(&folded, &with) < 1e-6);
        assert!(support::difference(&hidden(&dropped), &with) > 1e-2);
        assert!(report.to_string().contains("TokenTypes::Drop"), "{report}");
    }
}

/// The text encoder of a fixture as a BERT file: no cross-attention, and two words fewer.
fn bert(file: &Tensors, prefix: &str, legacy: bool) -> Tensors {
    let mut bert = Tensors::new();
    for (name, (shape, values)) in file {
        let Some(rest) = name.strip_prefix("text_encoder.") else {
            continue;
        };
        if rest.contains("crossattention") {
            continue;
        }
        let mut rest = format!("{prefix}{rest}");
        if legacy {
            rest = rest
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta");
        }
        let (mut shape, mut values) = (shape.clone(), values.clone());
        if rest.contains("word_embeddings") {
            shape[0] -= 2;
            values.truncate(shape[0] * shape[1]);
        }
        bert.insert(rest, (shape, values));
    }
    let pooler = format!("{prefix}pooler.dense.bias");
    bert.insert(pooler, (vec![1], vec![0.0]));
    bert
}

#[test]
fn bert_fills_encoder_and_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bert.safetensors");
    for fixture in folders("vqa") {
        let file = tensors(&fixture.join("model.safetensors"));
        for (prefix, legacy) in [("", false), ("bert.", true)] {
            write(&path, &bert(&file, prefix, legacy));
            assert_eq!(Checkpoint::open(&path).unwrap().family(), Family::Bert);
            let fresh = vqa(&fixture, &Device::flex());
            let before = values(&fresh);
            let (model, report) = strict(&path, fresh).unwrap();
            assert_accounted(&model, &report);
            let words: Vec<&str> = of_parameters(&report.resized);
            let [encoder, decoder] = [
                "joint_encoder.embeddings.words.weight",
                "text_decoder.embeddings.words.weight",
            ];
            assert_eq!(words, [encoder, decoder]);
            let after = values(&model);
            for (name, values) in &after {
                let stack = name
                    .strip_prefix("text_encoder.")
                    .or_else(|| name.strip_prefix("text_decoder.bert."));
                match stack {
                    Some(rest) if rest.contains("word_embeddings") => {
                        let width = model_config(&config(&fixture)).text.width;
                        let known = values.len() - 2 * width;
                        let source = &file[&format!("text_encoder.{rest}")].1;
                        assert_eq!(values[..known], source[..known], "{name}");
                        assert_eq!(values[known..], before[name][known..], "{name}");
                    }
                    Some(rest) if !rest.contains("crossattention") => {
                        assert_eq!(*values, file[&format!("text_encoder.{rest}")].1, "{name}");
                    }
                    _ => assert_eq!(*values, before[name], "{name}"),
                }
            }
        }
        // More words than the model has: ids would mean something else.
        let mut more = bert(&file, "", false);
        let (shape, words) = more.get_mut("embeddings.word_embeddings.weight").unwrap();
        shape[0] += 3;
        words.extend(vec![0.0; 3 * shape[1]]);
        write(&path, &more);
        let report = report_of(strict(&path, vqa(&fixture, &Device::flex())).unwrap_err());
        assert_eq!(report.mismatched.len(), 2, "{report}");
        // Two tensors for one parameter: neither wins in silence.
        let mut twice = bert(&file, "", false);
        twice.extend(bert(&file, "bert.", false));
        write(&path, &twice);
        assert!(strict(&path, vqa(&fixture, &Device::flex())).is_err());
        // A BERT file that lacks a layer is no BERT of these sizes.
        let mut short = bert(&file, "", false);
        short.retain(|name, _| !name.starts_with("encoder.layer.1."));
        write(&path, &short);
        assert!(strict(&path, vqa(&fixture, &Device::flex())).is_err());
    }
}

/// The image encoder of a fixture in timm's names, with a classifier.
fn vit(file: &Tensors) -> Tensors {
    let mut vit: Tensors = file
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix("visual_encoder.")?;
            Some((name.to_string(), tensor.clone()))
        })
        .collect();
    vit.insert("head.weight".into(), (vec![2, 2], vec![0.0; 4]));
    vit
}

#[test]
fn vision_files_fill_the_image_encoder_at_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vit.safetensors");
    for fixture in folders("vqa") {
        let device = Device::flex();
        let mut sizes = model_config(&config(&fixture));
        let file = vit(&tensors(&fixture.join("model.safetensors")));
        write(&path, &file);
        let larger = 2 * size(&fixture);
        let (model, report) = strict(&path, VqaModel::new(&sizes, larger, &device)).unwrap();
        assert_accounted(&model, &report);
        assert_eq!(
            of_parameters(&report.resized),
            ["image_encoder.position_embedding"]
        );
        let (shape, positions) = &file["pos_embed"];
        let positions = TensorData::new(positions.clone(), shape.clone());
        let positions = Tensor::<3>::from_data(positions, &device);
        let tokens = sizes.image.tokens(larger);
        let expected: Vec<f32> = interpolate_positions(positions, tokens)
            .try_into_vec_as()
            .unwrap();
        assert_eq!(values(&model)["visual_encoder.pos_embed"], expected);

        // Layer scales, in the names of the original DINOv2, have to be in both.
        sizes.image.layer_scale = true;
        let encoder = || ImageEncoder::new(&sizes.image, size(&fixture), sizes.precision, &device);
        let report = report_of(strict(&path, encoder()).unwrap_err());
        assert_eq!(report.initialised.len(), 2 * sizes.image.depth, "{report}");
        let mut scaled = file.clone();
        for block in 0..sizes.image.depth {
            for scale in ["ls1", "ls2"] {
                let value = (vec![sizes.image.width], vec![0.25; sizes.image.width]);
                scaled.insert(format!("blocks.{block}.{scale}.gamma"), value);
            }
        }
        write(&path, &scaled);
        let (model, report) = strict(&path, encoder()).unwrap();
        assert_accounted(&model, &report);
        let scales = &values(&model)["visual_encoder.blocks.1.ls2.gamma"];
        assert!(scales.iter().all(|scale| *scale == 0.25));
        assert!(strict(&path, vqa(&fixture, &device)).is_err());

        // Two class tokens, as in a distilled DeiT, are not a grid.
        let mut distilled = file.clone();
        let (shape, values) = distilled.get_mut("pos_embed").unwrap();
        shape[1] += 1;
        values.resize(shape[1] * shape[2], 0.0);
        write(&path, &distilled);
        let report = report_of(strict(&path, vqa(&fixture, &device)).unwrap_err());
        assert_eq!(of_tensors(&report.mismatched), ["pos_embed"]);
    }
}

#[test]
fn hugging_faces_dinov2_is_the_original_in_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vit.safetensors");
    for fixture in folders("vqa") {
        let device = Device::flex();
        let mut sizes = model_config(&config(&fixture)).image;
        sizes.layer_scale = true;
        let encoder = || ImageEncoder::new(&sizes, size(&fixture), Default::default(), &device);
        let mut original = vit(&tensors(&fixture.join("model.safetensors")));
        for block in 0..sizes.depth {
            for (scale, offset) in [("ls1", 0.5), ("ls2", 0.7)] {
                let values = (0..sizes.width).map(|i| offset + i as f32).collect();
                let name = format!("blocks.{block}.{scale}.gamma");
                original.insert(name, (vec![sizes.width], values));
            }
        }
        write(&path, &original);
        let (expected, _) = strict(&path, encoder()).unwrap();

        let renames = [
            ("cls_token", "embeddings.cls_token"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
            ("attn.proj", "attention.output.dense"),
            ("ls1.gamma", "layer_scale1.lambda1"),
            ("ls2.gamma", "layer_scale2.lambda1"),
            ("blocks", "encoder.layer"),
        ];
        let mut renamed = Tensors::new();
        for (name, (shape, values)) in &original {
            let mut name = renames
                .iter()
                .fold(name.clone(), |name, (from, to)| name.replace(from, to));
            if let Some(leaf) = name.strip_prefix("norm.") {
                name = format!("layernorm.{leaf}");
            }
            if !name.contains("attn.qkv") {
                renamed.insert(name, (shape.clone(), values.clone()));
                continue;
            }
            let mut shape = shape.clone();
            shape[0] /= 3;
            let thirds = values.chunks(values.len() / 3);
            for (part, third) in ["query", "key", "value"].iter().zip(thirds) {
                let name = name.replace("attn.qkv", &format!("attention.attention.{part}"));
                renamed.insert(name, (shape.clone(), third.to_vec()));
            }
        }
        renamed.remove("head.weight");
        renamed.insert("embeddings.mask_token".into(), (vec![1], vec![0.0]));
        write(&path, &renamed);
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.family(), Family::HuggingFaceDinov2);
        let (model, report) = strict(&path, encoder()).unwrap();
        assert_accounted(&model, &report);
        assert_eq!(values(&model), values(&expected));

        renamed.remove("encoder.layer.0.attention.attention.key.weight");
        write(&path, &renamed);
        let report = report_of(strict(&path, encoder()).unwrap_err());
        assert_eq!(
            of_parameters(&report.mismatched),
            ["blocks.0.query_key_value.weight"]
        );
    }
}

/// The folder of published weights.
fn weights(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("MISS_DATA_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("weights").join(name);
    if !folder.is_dir() {
        skip(&format!(
            "{} is not there (set MISS_DATA_DIR)",
            folder.display()
        ));
        return None;
    }
    Some(folder)
}

#[test]
fn published_minilm_and_dinov2_fill_the_small_size() {
    let (Some(minilm), Some(dinov2)) = (weights("all-minilm-l6-v2"), weights("dinov2-small"))
    else {
        return;
    };
    let sizes = Size::Small.config();
    let model = VqaModel::new(&sizes, 224, &Device::flex());
    let before = values(&model);
    let (model, report) = strict(&dinov2, model).unwrap();
    assert_accounted(&model, &report);
    // 12 blocks of 14 tensors, the patches, the class token and the last norm; the grid is 37 × 37.
    assert_eq!(report.loaded.len(), 12 * 14 + 2 + 1 + 2, "{report}");
    assert_eq!(
        of_parameters(&report.resized),
        ["image_encoder.position_embedding"]
    );
    assert!(report.ignored.is_empty(), "{report}");

    let (model, report) = strict(&minilm, model).unwrap();
    assert_accounted(&model, &report);
    // 6 layers of 16 tensors and three embeddings' four, twice; words are resized.
    assert_eq!(report.loaded.len(), 2 * (6 * 16 + 3), "{report}");
    assert_eq!(report.resized.len(), 2, "{report}");
    assert!(
        report.to_string().contains("the first 30522 words loaded"),
        "{report}"
    );
    let after = values(&model);
    for name in [
        "visual_encoder.pos_embed",
        "text_encoder.embeddings.LayerNorm.weight",
    ] {
        assert_ne!(after[name], before[name], "{name}");
    }
    // A BERT of other heads has the same names: sizes are the caller's. A `base` model is not.
    let base = TextStack::new(
        &Size::Base.config().text,
        768,
        Default::default(),
        &Device::flex(),
    );
    assert!(strict(&minilm, base).is_err());
}

#[test]
fn damaged_and_hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Checkpoint::open(&path)
    };
    for name in ["a.safetensors", "a.pth"] {
        assert!(open(name, b"").is_err());
        assert!(open(name, b"not a weights file, only text of some length").is_err());
        assert!(open(name, &[0xff; 64]).is_err());
    }
    assert!(open("a.npz", b"PK\x03\x04").is_err());
    assert!(Checkpoint::open(folder.path()).is_err());
    assert!(Checkpoint::open(&folder.path().join("absent.pth")).is_err());
    // A header that claims the whole address space.
    assert!(open("a.safetensors", &u64::MAX.to_le_bytes()).is_err());
    // Tensors outside the file, of overflowing sizes, and of sizes that are not theirs.
    for entry in [
        r#"{"dtype":"F32","shape":[4],"data_offsets":[0,16]}"#,
        r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[8,4]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}"#,
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
    ] {
        let header = format!(r#"{{"visual_encoder.cls_token":{entry}}}"#);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        assert!(open("a.safetensors", &bytes).is_err(), "{entry}");
    }
    // A pickle that would run a command where pickles are run.
    let trace = folder.path().join("trace");
    let pickle = format!("cposix\nsystem\n(Vtouch {}\ntR.", trace.display());
    assert!(open("a.pth", pickle.as_bytes()).is_err());
    assert!(!trace.exists());

    for fixture in folders("vqa") {
        for name in ["model.safetensors", "model.pth"] {
            let bytes = std::fs::read(fixture.join(name)).unwrap();
            // Cut off anywhere, the file is refused when it is opened or when it is read.
            for part in 0..40 {
                let cut = &bytes[..bytes.len() * part / 40];
                let refused = match open(name, cut) {
                    Err(_) => true,
                    Ok(file) => file.load(vqa(&fixture, &Device::flex()), &LENIENT).is_err(),
                };
                assert!(refused, "{name} cut to {} bytes", cut.len());
            }
            // Bytes changed at random: an error or other values, no panic.
            let mut state = 1u64;
            for _ in 0..200 {
                let mut damaged = bytes.clone();
                for _ in 0..4 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let place = (state >> 33) as usize % damaged.len().min(1 << 14);
                    damaged[place] = (state >> 56) as u8;
                }
                if let Ok(file) = open(name, &damaged) {
                    let _ = file.load(vqa(&fixture, &Device::flex()), &LENIENT);
                }
            }
        }
    }
}

#[test]
fn an_unknown_model_is_refused_with_some_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.safetensors");
    let tensors = [("layer1.0.conv1.weight".to_string(), (vec![1], vec![0.0]))];
    write(&path, &tensors.into());
    let error = Checkpoint::open(&path).err().unwrap().to_string();
    assert!(error.contains("layer1.0.conv1.weight"), "{error}");
}

#[test]
fn an_export_is_the_file_that_hugging_face_writes() {
    let folder = tempfile::tempdir().unwrap();
    for fixture in folders("vqa") {
        let sizes = model_config(&config(&fixture));
        let special = support::special(&config(&fixture));
        let (model, _) = strict(
            &fixture.join("model.safetensors"),
            vqa(&fixture, &Device::flex().autodiff()),
        )
        .unwrap();
        let write = |sizes: &ModelConfig| {
            export_hugging_face(
                &model,
                sizes,
                size(&fixture),
                &special,
                b"{}",
                folder.path(),
            )
        };
        if sizes.image.width != sizes.text.width {
            let error = write(&sizes).unwrap_err();
            assert!(
                matches!(error, CheckpointError::Inexpressible(_)),
                "{error}"
            );
            continue;
        }
        write(&sizes).unwrap();
        let exported = tensors(&folder.path().join("model.safetensors"));
        assert_eq!(exported, tensors(&fixture.join("model_hf.safetensors")));
        let (again, report) = strict(folder.path(), vqa(&fixture, &Device::flex())).unwrap();
        assert_accounted(&again, &report);
        assert_eq!(values(&again), values(&model));

        let json = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(folder.path().join(name)).unwrap()).unwrap()
        };
        let written = json("config.json");
        assert_eq!(written["vision_config"]["layer_norm_eps"], 1e-6);
        assert_eq!(written["text_config"]["bos_token_id"], special.decoder);
        assert_eq!(json("preprocessor_config.json")["resample"], 3);
        let mut files: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let expected = [
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        assert_eq!(files, expected);

        let mut split = sizes.clone();
        split.text.fusion_layer = 1;
        assert!(write(&split).is_err());
        let mut typed = sizes;
        typed.text.token_types = 2;
        assert!(write(&typed).is_err());
    }
}

#[test]
fn exported_layer_scales_are_folded_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    device.seed(11);
    let mut sizes = Size::Tiny.config();
    sizes.image.layer_scale = true;
    let special = SpecialTokens::default();
    let image_size = 2 * sizes.image.patch;
    let model = VqaModel::new(&sizes, image_size, &device);
    // Scales that matter: those of a new model are 1e-5.
    let file = folder.path().join("scales.safetensors");
    let width = sizes.image.width;
    let mut scales = Tensors::new();
    for block in 0..sizes.image.depth {
        for (scale, offset) in [("ls1", 0.5), ("ls2", -0.7)] {
            let values = (0..width).map(|i| offset + i as f32 * 0.03).collect();
            let name = format!("visual_encoder.blocks.{block}.{scale}.gamma");
            scales.insert(name, (vec![width], values));
        }
        // And biases, which a new model has none of.
        for linear in ["attn.proj", "mlp.fc2"] {
            let values = (0..width).map(|i| 0.4 - i as f32 * 0.02).collect();
            let name = format!("visual_encoder.blocks.{block}.{linear}.bias");
            scales.insert(name, (vec![width], values));
        }
    }
    write(&file, &scales);
    let (model, report) = lenient(&file, model);
    assert_eq!(report.loaded.len(), 4 * sizes.image.depth);

    export_hugging_face(&model, &sizes, image_size, &special, b"{}", folder.path()).unwrap();
    sizes.image.layer_scale = false;
    let (folded, _) = strict(
        &folder.path().join("model.safetensors"),
        VqaModel::new(&sizes, image_size, &device),
    )
    .unwrap();
    let images = Tensor::<4>::random(
        [1, 3, image_size, image_size],
        burn::tensor::Distribution::Normal(0.0, 1.0),
        &device,
    );
    let states = |model: &VqaModel| -> Vec<f32> {
        let states = model.image_states(images.clone(), 0.0);
        states.try_into_vec_as().unwrap()
    };
    let difference = support::difference(&states(&folded), &states(&model));
    assert!(difference < 1e-5, "{difference:e}");
}
