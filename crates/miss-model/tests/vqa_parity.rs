//! The fine-tuning model against the reference: states, loss, gradients, three steps, answers.
#![allow(clippy::unwrap_used)]

mod support;

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use miss_model::{Answers, BeamSearch, Questions, Tokens, VqaModel};
use support::{
    Fixture, assert_close, assert_gradients, assert_state, difference, export, folders, load,
};

fn model(folder: &std::path::Path, device: &Device) -> VqaModel {
    let config = support::config(folder);
    let size = config["image_size"].as_u64().unwrap() as usize;
    let model = VqaModel::new(&support::model_config(&config), size, device);
    load(
        model,
        &Fixture::read(&folder.join("model.safetensors")),
        false,
    )
}

#[test]
fn states_loss_gradients_and_three_steps() {
    for folder in folders("vqa") {
        let what = folder.display().to_string();
        let device = Device::flex().autodiff();
        let config = support::config(&folder);
        let special = support::special(&config);
        let smoothing = config["label_smoothing"].as_f64().unwrap();
        let inputs = Fixture::read(&folder.join("train/inputs.safetensors"));
        let expected = Fixture::read(&folder.join("train/expected.safetensors"));
        let mut model = model(&folder, &device);

        let rows = inputs.rows("question_ids", "question_mask");
        let images: Vec<usize> = (0..rows.len()).collect();
        let questions = Questions::new(&rows, &images, &special, &device);
        let answers = Answers::new(&inputs.rows("answer_ids", "answer_mask"), &special, &device);

        let image_states = model.image_states(inputs.tensor("images", &device), 0.0);
        assert_close(&what, image_states.clone(), &expected, "image_embeds", 1e-4);
        let states = model.question_states(image_states, &questions);
        assert_close(
            &what,
            states.hidden.clone(),
            &expected,
            "multimodal_last_hidden",
            1e-4,
        );
        let text = Tokens::new(&rows, None, &special, &device);
        let text = model.joint_encoder().encode(text.ids, text.padding, None);
        assert_close(&what, text, &expected, "text_last_hidden", 1e-4);
        let logits: Vec<f32> = model
            .logits(&states, &answers)
            .inner()
            .try_into_vec_as()
            .unwrap();
        let rows = inputs.rows("answer_ids", "answer_mask");
        let predicting = expected.rows_before_the_last("decoder_logits", &rows);
        assert!(difference(&logits, &predicting) <= 1e-4, "{what}: logits");
        let loss = model.loss(&states, &answers, smoothing);
        assert_close(&what, loss.clone(), &expected, "loss", 1e-4);

        let mut optimizer = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(0.05)
            .init();
        let loss_of = |model: &VqaModel| {
            let states = model.question_states(
                model.image_states(inputs.tensor("images", &device), 0.0),
                &questions,
            );
            model.loss(&states, &answers, smoothing)
        };
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let loss = loss_of(&model);
            losses.push(loss.clone().into_scalar::<f32>());
            let step = GradientsParams::from_grads(loss.backward(), &model);
            gradients.push(export(&model, Some(&step), false));
            model = optimizer.step(1e-3, model, step);
        }
        assert_gradients(&what, &gradients, &expected);
        assert!(
            difference(&losses, &expected.floats("step_losses")) <= 1e-3,
            "{what}: {losses:?}"
        );
        assert_close(
            &what,
            loss_of(&model),
            &expected,
            "loss_after_3_steps",
            1e-3,
        );
        let state = Fixture::read(&folder.join("train/state_after_3_steps.safetensors"));
        assert_state(&what, &export(&model, None, false), &state);
    }
}

#[test]
fn every_beam_of_every_answer() {
    for folder in folders("vqa") {
        let device = Device::flex();
        let config = support::config(&folder);
        let special = support::special(&config);
        let inputs = Fixture::read(&folder.join("generate/inputs.safetensors"));
        let expected = Fixture::read(&folder.join("generate/expected.safetensors"));
        let model = model(&folder, &device);
        let rows = inputs.rows("question_ids", "question_mask");
        let images: Vec<usize> = (0..rows.len()).collect();
        let questions = Questions::new(&rows, &images, &special, &device);
        let states = model.question_states(
            model.image_states(inputs.tensor("images", &device), 0.0),
            &questions,
        );

        for (variant, mask_question_padding) in [("masked", true), ("padding_attended", false)] {
            let searched = expected.names().filter_map(|name| {
                let beams = name.strip_prefix(variant)?.strip_prefix("/beams")?;
                beams.strip_suffix("/sequences")?.parse().ok()
            });
            let searched: Vec<usize> = searched.collect();
            assert!(
                !searched.is_empty(),
                "{}: no {variant} answers",
                folder.display()
            );
            for beams in searched {
                let search = BeamSearch {
                    beams,
                    max_length: config["gen_max_length"].as_u64().unwrap() as usize,
                    mask_question_padding,
                    special,
                    ..BeamSearch::default()
                };
                let answers = search.run(&model, &states).unwrap();
                let key = format!("{variant}/beams{beams}");
                let what = format!("{} {key}", folder.display());
                let (list, scores) = if beams == 1 {
                    (format!("{key}/sequences"), format!("{key}/scores"))
                } else {
                    (
                        format!("{key}/nbest_sequences"),
                        format!("{key}/nbest_scores"),
                    )
                };
                let ours: Vec<i64> = answers
                    .iter()
                    .flatten()
                    .flat_map(|answer| {
                        let mut tokens = vec![i64::from(special.decoder)];
                        tokens.extend(answer.tokens.iter().map(|token| i64::from(*token)));
                        if answer.ended {
                            tokens.push(i64::from(special.separator));
                        }
                        tokens.resize(search.max_length, i64::from(special.padding));
                        tokens
                    })
                    .collect();
                assert_eq!(ours, expected.integers(&list), "{what}");
                let ours: Vec<f32> = answers
                    .iter()
                    .flatten()
                    .map(|answer| answer.score)
                    .collect();
                assert!(
                    difference(&ours, &expected.floats(&scores)) <= 1e-4,
                    "{what}: scores"
                );
            }
        }
    }
}
