//! bfloat16 products: near the fp32 model, fp32 parameters and gradients, norms and softmax exact.
#![allow(clippy::unwrap_used)]

mod support;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor};
use miss_model::{Answers, ModelConfig, Precision, Questions, VqaModel};
use support::{Fixture, difference, folders, load};

/// bfloat16 has 8 bits of mantissa: a product is off by up to 2⁻⁸ of its size.
const STEP: f32 = 1.0 / 256.0;

fn model(folder: &std::path::Path, precision: Precision, device: &Device) -> VqaModel {
    let written = support::config(folder);
    let config = ModelConfig {
        precision,
        ..support::model_config(&written)
    };
    let size = written["image_size"].as_u64().unwrap() as usize;
    let fixture = Fixture::read(&folder.join("model.safetensors"));
    load(VqaModel::new(&config, size, device), &fixture, false)
}

/// Asserts that every parameter, and every gradient if given, is fp32.
fn assert_masters(model: &VqaModel, gradients: Option<&GradientsParams>) {
    struct Types<'a>(Option<&'a GradientsParams>, usize);
    impl ModuleVisitor for Types<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            assert_eq!(param.val().dtype(), DType::F32);
            if let Some(gradient) = self.0.and_then(|all| all.get::<D>(param.id)) {
                assert_eq!(gradient.dtype(), DType::F32);
                self.1 += 1;
            }
        }
    }
    let mut types = Types(gradients, 0);
    model.visit(&mut types);
    assert_eq!(types.1 > 0, gradients.is_some());
}

#[test]
fn bf16_is_near_the_reference_and_learns_as_it_does() {
    for folder in folders("vqa") {
        let what = folder.display().to_string();
        let device = Device::flex().autodiff();
        let special = support::special(&support::config(&folder));
        let inputs = Fixture::read(&folder.join("train/inputs.safetensors"));
        let expected = Fixture::read(&folder.join("train/expected.safetensors"));
        let mut model = model(&folder, Precision::Bf16, &device);
        let rows = inputs.rows("question_ids", "question_mask");
        let about: Vec<usize> = (0..rows.len()).collect();
        let questions = Questions::new(&rows, &about, &special, &device);
        let answers = Answers::new(&inputs.rows("answer_ids", "answer_mask"), &special, &device);

        let states = model.image_states(inputs.tensor("images", &device), 0.0);
        assert_eq!(states.dtype(), DType::F32);
        let values: Vec<f32> = states.inner().try_into_vec_as().unwrap();
        let off = difference(&values, &expected.floats("image_embeds"));
        // Not exact, or the products would not be in bfloat16 at all.
        assert!(off > STEP / 50.0 && off < 8.0 * STEP, "{what}: {off}");

        let mut optimizer = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(0.05)
            .init();
        let mut losses = Vec::new();
        for _ in 0..3 {
            let states = model.image_states(inputs.tensor("images", &device), 0.0);
            let states = model.question_states(states, &questions);
            let loss = model.loss(&states, &answers, 0.1);
            assert_eq!(loss.dtype(), DType::F32);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            assert_masters(&model, Some(&gradients));
            losses.push(loss.into_scalar::<f32>());
            model = optimizer.step(1e-3, model, gradients);
        }
        assert_masters(&model, None);
        let off = difference(&losses, &expected.floats("step_losses"));
        assert!(off < 2.0 * STEP, "{what}: losses {losses:?}");
    }
}
