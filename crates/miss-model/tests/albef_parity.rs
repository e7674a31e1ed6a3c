//! The baseline without the joint encoder against the reference of its family.
#![allow(clippy::unwrap_used)]

mod support;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use miss_model::{
    Aim, Answers, BaselinePretrainModel, Captions, Checkpoint, CrossSource, ItcTargets,
    LoadOptions, Masked, NegativePair, Questions, Queues, Rows, SpecialTokens, Teacher, Tokens,
    VqaModel,
};
use support::{Fixture, assert_close, assert_gradients, difference, export, folders};

/// This family begins every text with `[CLS]`.
fn special(config: &serde_json::Value) -> SpecialTokens {
    let class = config["cls_id"].as_u64().unwrap() as u32;
    SpecialTokens {
        decoder: class,
        encoder: class,
        ..support::special(config)
    }
}

#[test]
fn text_fusion_matching_masked_words_and_their_gradients() {
    for folder in folders("albef_without_jtm") {
        let what = folder.display().to_string();
        let config = support::config(&folder);
        let special = special(&config);
        let device = Device::flex().autodiff();
        let inputs = Fixture::read(&folder.join("inputs.safetensors"));
        let expected = Fixture::read(&folder.join("expected.safetensors"));
        let size = config["image_size"].as_u64().unwrap() as usize;
        let fresh = BaselinePretrainModel::new(&support::model_config(&config), size, &device);
        // The fixture has neither a temperature nor queues.
        let options = LoadOptions {
            strict: false,
            ..LoadOptions::default()
        };
        let checkpoint = Checkpoint::open(&folder.join("model.safetensors")).unwrap();
        let (model, report) = checkpoint.load(fresh, &options).unwrap();
        assert!(report.mismatched.is_empty(), "{report}");
        assert_eq!(report.initialised.len(), 1, "{report}");

        let rows = inputs.rows("caption_ids", "caption_mask");
        let captions = Captions::new(&rows, &special, &device);
        let momentum = model.encoders.clone().valid();
        let images = inputs.tensor("images", &device);
        let projection = config["embed_dim"].as_u64().unwrap() as usize;
        let queues = Queues::random(projection, 8, &device);
        let aim = Aim {
            alpha: 0.4,
            targets: ItcTargets::Diagonal,
        };
        let contrast = model.contrast(images, &captions, &momentum, &queues, aim);
        assert_close(
            &what,
            contrast.image_states.clone(),
            &expected,
            "image_embeds",
            1e-4,
        );
        assert_close(
            &what,
            contrast.text_states.clone(),
            &expected,
            "text_hidden",
            1e-4,
        );

        let mut negatives = Vec::new();
        let images = inputs.integers("neg_image_for_text");
        negatives.extend(images.iter().enumerate().map(|(text, image)| NegativePair {
            text,
            image: *image as usize,
        }));
        let texts = inputs.integers("neg_text_for_image");
        negatives.extend(texts.iter().enumerate().map(|(image, text)| NegativePair {
            text: *text as usize,
            image,
        }));
        let labels: Vec<Vec<Option<u32>>> = inputs
            .integers("mlm_labels")
            .chunks(inputs.shape("mlm_labels")[1])
            .map(|row| row.iter().map(|label| u32::try_from(*label).ok()).collect())
            .collect();
        let masked = inputs.rows("masked_ids", "caption_mask");
        let masked = Masked::new(&masked, &labels, &special, &device);
        let joint = &model.encoders.joint_encoder;
        let cross = CrossSource {
            layers: joint.key_values(contrast.image_states.clone()),
            bias: None,
            rows: Rows::Each,
        };
        let text = Tokens::new(&rows, None, &special, &device);
        let fused = joint.fuse(contrast.text_states.clone(), text.padding.clone(), &cross);
        assert_close(&what, fused, &expected, "fusion_hidden", 1e-4);
        let all = joint.encode(text.ids, text.padding, Some(&cross));
        assert_close(&what, all, &expected, "multimodal_hidden", 1e-4);
        let hidden = Tokens::new(
            &inputs.rows("masked_ids", "caption_mask"),
            None,
            &special,
            &device,
        );
        let states = joint.encode(hidden.ids, hidden.padding, Some(&cross));
        let [captioned, tokens, width] = states.dims();
        let states = states.reshape([captioned * tokens, width]);
        let logits = model.head.forward(states, &joint.embeddings);
        let [_, vocabulary] = logits.dims();
        let logits = logits.reshape([captioned, tokens, vocabulary]);
        assert_close(&what, logits, &expected, "mlm_logits", 1e-4);
        let both = |teacher: Option<&Teacher>| {
            model.match_and_unmask(
                contrast.image_states.clone(),
                contrast.text_states.clone(),
                &captions,
                &negatives,
                &masked,
                teacher,
            )
        };
        let soft: Tensor<3> = inputs.tensor("soft_labels", &device);
        let [captioned, tokens, vocabulary] = soft.dims();
        let positions: Tensor<1, Int> = masked.positions();
        let teacher = Teacher {
            probabilities: soft
                .reshape([captioned * tokens, vocabulary])
                .select(0, positions),
            weight: config["alpha_distill"].as_f64().unwrap(),
        };
        let distilled = both(Some(&teacher));
        assert_close(
            &what,
            distilled.unmasking,
            &expected,
            "loss_mlm_distilled",
            1e-4,
        );
        let plain = both(None);
        assert_close(&what, plain.matching_logits, &expected, "itm_logits", 1e-4);
        assert_close(&what, plain.matching.clone(), &expected, "loss_itm", 1e-4);
        assert_close(&what, plain.unmasking.clone(), &expected, "loss_mlm", 1e-4);

        let loss = plain.matching + plain.unmasking;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        // In pretraining checkpoints of this family the encoder is called `bert`.
        let gradients = export(&model, Some(&gradients), false)
            .into_iter()
            .map(|(name, values)| match name.strip_prefix("text_encoder.") {
                Some(rest) if !rest.starts_with("cls.") => {
                    (format!("text_encoder.bert.{rest}"), values)
                }
                _ => (name, values),
            })
            .collect();
        assert_gradients(&what, &[gradients], &expected);
    }
}

#[test]
fn an_answering_model_of_the_fusing_layers() {
    for folder in folders("albef_without_jtm") {
        let what = folder.display().to_string();
        let config = support::config(&folder);
        let special = special(&config);
        let device = Device::flex();
        let inputs = Fixture::read(&folder.join("inputs.safetensors"));
        let expected = Fixture::read(&folder.join("expected.safetensors"));
        let size = config["image_size"].as_u64().unwrap() as usize;
        let fresh = VqaModel::new(&support::model_config(&config), size, &device);
        let checkpoint = Checkpoint::open(&folder.join("model_vqa.safetensors")).unwrap();
        let (model, _) = checkpoint.load(fresh, &LoadOptions::default()).unwrap();

        let rows = inputs.rows("vqa/question_ids", "vqa/question_mask");
        let about: Vec<usize> = (0..rows.len()).collect();
        let questions = Questions::new(&rows, &about, &special, &device);
        let answers = inputs.rows("vqa/answer_ids", "vqa/answer_mask");
        let answers = Answers::new(&answers, &special, &device);
        let states = model.image_states(inputs.tensor("vqa/images", &device), 0.0);
        assert_close(&what, states.clone(), &expected, "vqa/image_embeds", 1e-4);
        let states = model.question_states(states, &questions);
        assert_close(
            &what,
            states.hidden.clone(),
            &expected,
            "vqa/question_states",
            1e-4,
        );
        let logits: Vec<f32> = model.logits(&states, &answers).try_into_vec_as().unwrap();
        let rows = inputs.rows("vqa/answer_ids", "vqa/answer_mask");
        let predicting = expected.rows_before_the_last("vqa/decoder_logits", &rows);
        assert!(difference(&logits, &predicting) <= 1e-4, "{what}: logits");
        let loss = model.loss(&states, &answers, 0.0);
        assert_close(&what, loss, &expected, "vqa/loss", 1e-4);
    }
}
