//! The pretraining step against the reference: three losses, momentum, queues, three updates.
#![allow(clippy::unwrap_used)]

mod support;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use miss_model::{Aim, Captions, ItcTargets, NegativePair, PretrainModel, Queues};
use support::{
    Fixture, assert_close, assert_gradients, assert_state, difference, export, folders, load,
};

#[test]
fn three_steps() {
    for folder in folders("pretrain") {
        let what = folder.display().to_string();
        let config = support::config(&folder);
        let number = |key: &str| config[key].as_f64().unwrap();
        let special = support::special(&config);
        let device = Device::flex().autodiff();
        let plain = Device::flex();
        let file = Fixture::read(&folder.join("model.safetensors"));
        let inputs = Fixture::read(&folder.join("inputs.safetensors"));
        let expected = Fixture::read(&folder.join("expected.safetensors"));

        let fresh = PretrainModel::new(
            &support::model_config(&config),
            number("image_size") as usize,
            &device,
        );
        let mut momentum = load(fresh.encoders.valid(), &file, true);
        let mut model = load(fresh, &file, false);
        let mut queues = Queues {
            image: file.tensor("image_queue", &plain),
            text: file.tensor("text_queue", &plain),
            captions: vec![None; file.shape("text_queue")[1]],
            pointer: number("queue_ptr_init") as usize,
        };
        let mut optimizer = AdamWConfig::new()
            .with_epsilon(number("adam_eps") as f32)
            .with_weight_decay(number("weight_decay") as f32)
            .init();

        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for step in 0..3 {
            let name = |what: &str| format!("step{step}/{what}");
            let rows = inputs.rows(&name("caption_ids"), &name("caption_mask"));
            let captions = Captions::new(&rows, &special, &device);
            let images = inputs.integers(&name("neg_image_for_text"));
            let texts = inputs.integers(&name("neg_text_for_image"));
            let mut negatives: Vec<NegativePair> = images
                .iter()
                .enumerate()
                .map(|(text, image)| NegativePair {
                    text,
                    image: *image as usize,
                })
                .collect();
            negatives.extend(texts.iter().enumerate().map(|(image, text)| NegativePair {
                text: *text as usize,
                image,
            }));

            model = model.clamp_temperature();
            momentum = momentum.follow(&model.encoders, number("momentum"));
            let images = inputs.tensor(&name("images"), &device);
            let aim = Aim {
                alpha: number("alpha"),
                targets: ItcTargets::Diagonal,
            };
            let contrast = model.contrast(images, &captions, &momentum, &queues, aim);
            if step == 0 {
                assert_close(
                    &what,
                    contrast.image_states.clone(),
                    &expected,
                    "image_embeds",
                    1e-4,
                );
                assert_close(
                    &what,
                    contrast.image_features.clone(),
                    &expected,
                    "image_feat_m",
                    1e-4,
                );
                assert_close(
                    &what,
                    contrast.text_features.clone(),
                    &expected,
                    "text_feat_m",
                    1e-4,
                );
                let batch = rows.len();
                for (similarity, name) in [
                    (&contrast.image_to_text, "sim_i2t"),
                    (&contrast.text_to_image, "sim_t2i"),
                ] {
                    let width = expected.shape(name)[1];
                    let in_batch: Vec<f32> = expected
                        .floats(name)
                        .chunks_exact(width)
                        .flat_map(|row| row[..batch].to_vec())
                        .collect();
                    let ours: Vec<f32> = similarity.clone().try_into_vec_as().unwrap();
                    assert!(difference(&ours, &in_batch) <= 1e-4, "{what}: {name}");
                }
            }
            queues = queues.enqueue(
                contrast.image_features,
                contrast.text_features,
                captions.keys(),
            );
            if step == 0 {
                assert_close(
                    &what,
                    queues.image.clone(),
                    &expected,
                    "image_queue_after_step0",
                    1e-4,
                );
                assert_close(
                    &what,
                    queues.text.clone(),
                    &expected,
                    "text_queue_after_step0",
                    1e-4,
                );
                assert_eq!(
                    queues.pointer as i64,
                    expected.integers("queue_ptr_after_step0")[0]
                );
            }
            let both = model.match_and_caption(contrast.image_states, &captions, &negatives);
            if step == 0 {
                assert_close(
                    &what,
                    both.matching_logits.clone(),
                    &expected,
                    "itm_logits",
                    1e-4,
                );
            }
            let total = contrast.loss.clone() + both.matching.clone() + both.captioning.clone();
            for loss in [contrast.loss, both.matching, both.captioning, total.clone()] {
                losses.push(loss.into_scalar::<f32>());
            }
            let found = GradientsParams::from_grads(total.backward(), &model);
            gradients.push(export(&model, Some(&found), false));
            model = optimizer.step(number("lr"), model, found);
        }
        let published = expected.floats("losses_per_step");
        for (ours, theirs) in losses.iter().zip(&published) {
            assert!(
                (ours - theirs).abs() <= 1e-3 * theirs.abs(),
                "{what}: {losses:?} against {published:?}"
            );
        }
        assert_gradients(&what, &gradients, &expected);
        let state = Fixture::read(&folder.join("state_after_3_steps.safetensors"));
        assert_state(&what, &export(&model, None, false), &state);
        assert_state(&what, &export(&momentum, None, true), &state);
        assert_close(&what, queues.image, &state, "image_queue", 1e-3);
        assert_close(&what, queues.text, &state, "text_queue", 1e-3);
    }
}
