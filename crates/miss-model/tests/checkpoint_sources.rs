//! Checkpoints of every other family: ALBEF and MUMC, BERT and MiniLM, timm's vision models, DINOv2.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use miss_model::{
    BaselinePretrainModel, Checkpoint, Family, ImageEncoder, LoadOptions, ModelConfig, Size,
    TextStack, TokenTypes, VqaModel, interpolate_positions,
};
use support::files::{
    Tensors, assert_accounted, of_parameters, of_tensors, report_of, size, strict, tensors, values,
    vqa, write,
};
use support::{config, folders, model_config, skip};

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
