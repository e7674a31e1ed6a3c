//! Models written in Hugging Face's names.
#![allow(clippy::unwrap_used)]

mod support;

use burn::tensor::{Device, Tensor};
use miss_model::{
    CheckpointError, ModelConfig, Size, SpecialTokens, VqaModel, export_hugging_face,
};
use support::files::{
    Tensors, assert_accounted, lenient, size, strict, tensors, values, vqa, write,
};
use support::{config, folders, model_config};

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
