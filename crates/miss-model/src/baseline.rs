//! The paper's baseline, "w/o JTM": pretraining in ALBEF's manner (`reference.md` 3.4 and 7).
//!
//! The text layers are split: those below `fusion_layer` encode text, those from it on fuse it with
//! the image. There is no decoder in pretraining; instead of writing captions the model fills in
//! masked words. For answers a decoder is made of the fusing layers
//! ([`VqaModel::from_baseline`](crate::VqaModel::from_baseline)).

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};

use crate::config::{ImageWork, ModelConfig};
use crate::head::LanguageModelHead;
use crate::init::{linear, settle};
use crate::losses::{contrast, smoothed_cross_entropy};
use crate::pretrain::{
    Aim, Captions, Contrast, Encoders, NegativePair, clamped, image_rows, initial_temperature,
    matching_loss, target_states,
};
use crate::queues::Queues;
use crate::rows::Rows;
use crate::text::CrossSource;
use crate::tokens::{SpecialTokens, Targets, Tokens, index_tensor};

/// Everything that pretraining of the baseline trains.
#[derive(Module, Debug)]
pub struct BaselinePretrainModel {
    /// Image encoder, split text encoder and their projections.
    pub encoders: Encoders,
    /// Predicts masked words from the text encoder's last states.
    pub head: LanguageModelHead,
    matching_head: Linear,
    temperature: Param<Tensor<1>>,
    #[module(skip)]
    image_work: ImageWork,
}

/// A batch of captions with words masked.
#[derive(Clone, Debug)]
pub struct Masked {
    tokens: Tokens,
    targets: Targets,
}

/// What the momentum encoders say of the masked words.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// `[masked words, vocabulary]`, no gradient.
    pub probabilities: Tensor<2>,
    /// Their share of the loss.
    pub weight: f64,
}

/// The two losses that need the fusing layers, each `[1]`, and what they came of.
#[derive(Clone, Debug)]
pub struct MatchAndUnmask {
    /// Image–text matching.
    pub matching: Tensor<1>,
    /// Logits of "no match" and "match" of every pair, `[batch + negatives, 2]`, off the graph.
    pub matching_logits: Tensor<2>,
    /// Masked language modelling.
    pub unmasking: Tensor<1>,
}

impl Masked {
    /// A batch from masked token rows (`[CLS] … [SEP]`) and, for every position of a row, the token
    /// that was there if it is to be predicted.
    pub fn new(
        rows: &[Vec<u32>],
        labels: &[Vec<Option<u32>>],
        special: &SpecialTokens,
        device: &Device,
    ) -> Self {
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for (row, labels) in labels.iter().enumerate() {
            for (at, label) in labels.iter().enumerate() {
                if let Some(label) = label {
                    positions.push((row * length + at) as i64);
                    ids.push(i64::from(*label));
                }
            }
        }
        Self {
            tokens: Tokens::new(rows, None, special, device),
            targets: Targets {
                rows: index_tensor(&positions, device),
                ids: index_tensor(&ids, device),
            },
        }
    }

    /// Row `caption · tokens + position` of every masked word: `[masked words]`.
    pub fn positions(&self) -> Tensor<1, Int> {
        self.targets.rows.clone()
    }
}

impl BaselinePretrainModel {
    /// A new model on `device`, for images of `image_size` pixels a side.
    pub fn new(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        settle(Self {
            encoders: Encoders::new(config, image_size, device),
            head: LanguageModelHead::new(&config.text, device),
            matching_head: linear(config.text.width, 2, device),
            temperature: initial_temperature(device),
            image_work: config.image_work,
        })
    }

    /// The model with its temperature clamped, as every step begins.
    pub fn clamp_temperature(mut self) -> Self {
        self.temperature = clamped(self.temperature);
        self
    }

    /// Image–text contrast of a batch; see [`PretrainModel::contrast`](crate::PretrainModel::contrast).
    /// The text states it returns are those of the layers below the fusing ones.
    pub fn contrast(
        &self,
        images: Tensor<4>,
        captions: &Captions,
        momentum: &Encoders,
        queues: &Queues,
        aim: Aim,
    ) -> Contrast {
        let temperature = self.temperature.val();
        self.encoders
            .contrast(temperature, images, captions, momentum, queues, aim)
    }

    /// Image–text matching and masked language modelling of a batch.
    ///
    /// Matching goes on from the `text_states` `[batch, tokens, width]` of the contrast: the text
    /// layers run once for positives and negatives. Masked words are predicted by all layers with the
    /// caption's own image, without label smoothing, averaged over the words; a `teacher` takes its
    /// share of that loss.
    pub fn match_and_unmask(
        &self,
        image_states: Tensor<3>,
        text_states: Tensor<3>,
        captions: &Captions,
        negatives: &[NegativePair],
        masked: &Masked,
        teacher: Option<&Teacher>,
    ) -> MatchAndUnmask {
        let joint = &self.encoders.joint_encoder;
        let (paired, own) = image_rows(joint, image_states, negatives, self.image_work);
        let texts = captions.pair_rows(negatives);
        let padding = captions.text().select(texts.clone()).padding;
        let fused = joint.fuse(text_states.select(0, texts), padding, &paired);
        let logits = self
            .matching_head
            .forward(fused.narrow(1, 0, 1).squeeze_dim(1));
        let matching = matching_loss(logits.clone(), negatives.len());
        let matching_logits = logits.without_autodiff();

        let [words] = masked.targets.ids.dims();
        if words == 0 {
            // A batch of few short captions may have nothing masked; the mean of nothing is no loss.
            return MatchAndUnmask {
                unmasking: matching.clone().zeros_like(),
                matching,
                matching_logits,
            };
        }
        let logits = masked_logits(&self.encoders, &self.head, &own, masked);
        let hard = smoothed_cross_entropy(logits.clone(), masked.targets.ids.clone(), 0.0).mean();
        let unmasking = match teacher {
            Some(Teacher {
                probabilities,
                weight,
            }) => hard * (1.0 - weight) + contrast(logits, probabilities.clone()) * *weight,
            None => hard,
        };
        MatchAndUnmask {
            matching,
            matching_logits,
            unmasking,
        }
    }
}

/// Probabilities `[masked words, vocabulary]` that momentum encoders and their head give to the
/// masked words, for a [`Teacher`]. `image_states` are those of the momentum image encoder.
pub fn masked_probabilities(
    encoders: &Encoders,
    head: &LanguageModelHead,
    image_states: Tensor<3>,
    masked: &Masked,
) -> Tensor<2> {
    let cross = CrossSource {
        layers: encoders.joint_encoder.key_values(image_states),
        bias: None,
        rows: Rows::Each,
    };
    softmax(masked_logits(encoders, head, &cross, masked), 1)
}

fn masked_logits(
    encoders: &Encoders,
    head: &LanguageModelHead,
    cross: &CrossSource,
    masked: &Masked,
) -> Tensor<2> {
    let Tokens { ids, padding } = masked.tokens.clone();
    let states = encoders.joint_encoder.encode(ids, padding, Some(cross));
    let states = target_states(states, masked.targets.rows.clone());
    head.forward(states, &encoders.joint_encoder.embeddings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::module::{ModuleVisitor, ParamId};

    use super::*;
    use crate::masking::Masking;
    use crate::sizes::Size;
    use crate::vqa::VqaModel;

    fn config() -> ModelConfig {
        let mut config = Size::Tiny.config();
        config.text.depth = 4;
        config.text.fusion_layer = 3;
        config.text.token_types = 2;
        config.text.dropout = 0.0;
        config.text.vocabulary = 30;
        config
    }

    /// Path, identity and values of every parameter.
    fn parameters<M: Module>(module: &M) -> Vec<(String, ParamId, Vec<f32>)> {
        #[derive(Default)]
        struct Collect(Vec<String>, Vec<(String, ParamId, Vec<f32>)>);
        impl ModuleVisitor for Collect {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.0.push(name.to_string());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.0.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let values = param.val().without_autodiff().try_into_vec_as();
                let values = values.expect("floats");
                self.1.push((self.0.join("."), param.id, values));
            }
        }
        let mut collect = Collect::default();
        module.visit(&mut collect);
        collect.1
    }

    #[test]
    fn the_answering_model_begins_as_a_copy_of_the_fusing_layers() {
        let device = Device::flex();
        let pretrained = BaselinePretrainModel::new(&config(), 32, &device);
        let before = parameters(&pretrained);
        let model = VqaModel::from_baseline(pretrained, &config(), 32);
        let after = parameters(&model);
        let value = |all: &[(String, ParamId, Vec<f32>)], path: &str| {
            let found = all.iter().find(|(other, ..)| other == path);
            found.unwrap_or_else(|| panic!("no {path}")).2.clone()
        };
        for (ours, theirs) in [
            ("text_decoder.layers.0.", "encoders.joint_encoder.layers.3."),
            (
                "text_decoder.embeddings.",
                "encoders.joint_encoder.embeddings.",
            ),
            (
                "joint_encoder.layers.2.",
                "encoders.joint_encoder.layers.2.",
            ),
            ("head.", "head."),
        ] {
            let mut compared = 0;
            for (path, _, values) in &after {
                if let Some(rest) = path.strip_prefix(ours) {
                    assert_eq!(
                        *values,
                        value(&before, &format!("{theirs}{rest}")),
                        "{path}"
                    );
                    compared += 1;
                }
            }
            assert!(compared > 2, "{ours}");
        }
        assert!(
            !after
                .iter()
                .any(|(path, ..)| path.starts_with("text_decoder.layers.1."))
        );
        let identities: BTreeSet<String> = after.iter().map(|(_, id, _)| id.to_string()).collect();
        assert_eq!(identities.len(), after.len(), "copies share an identity");
    }

    #[test]
    fn a_teacher_that_agrees_teaches_the_entropy() {
        let device = Device::flex();
        device.seed(4);
        let model = BaselinePretrainModel::new(&config(), 32, &device);
        let special = SpecialTokens {
            padding: 0,
            separator: 1,
            decoder: 2,
            encoder: 2,
        };
        let masking = Masking {
            share: 0.5,
            mask: 3,
            vocabulary: 30,
            special,
        };
        let rows = [vec![2, 5, 6, 7, 8, 9, 1], vec![2, 10, 11, 12, 13, 1]];
        let (shown, labels): (Vec<_>, Vec<_>) = rows
            .iter()
            .zip(0..)
            .map(|(row, key)| masking.apply(row, key, 1))
            .unzip();
        let captions = Captions::new(&rows, &special, &device);
        let images = Tensor::<4>::ones([2, 3, 32, 32], &device);
        let image_states = model.encoders.image_encoder.forward(images, 0.0);
        let text = captions.text().clone();
        let text_states = model
            .encoders
            .joint_encoder
            .encode(text.ids, text.padding, None);
        let masked = Masked::new(&shown, &labels, &special, &device);
        let loss = |masked: &Masked, teacher: Option<&Teacher>| -> f32 {
            let (images, texts) = (image_states.clone(), text_states.clone());
            let both = model.match_and_unmask(images, texts, &captions, &[], masked, teacher);
            both.unmasking.into_scalar()
        };
        // The model is its own teacher: its share of the loss is the entropy of what it says.
        let probabilities =
            masked_probabilities(&model.encoders, &model.head, image_states.clone(), &masked);
        let entropy: f32 = (probabilities.clone() * probabilities.clone().log())
            .sum_dim(1)
            .mean()
            .neg()
            .into_scalar();
        let teacher = Teacher {
            probabilities,
            weight: 0.3,
        };
        let expected = 0.7 * loss(&masked, None) + 0.3 * entropy;
        assert!((loss(&masked, Some(&teacher)) - expected).abs() < 1e-5);

        let none = Masked::new(&rows, &[Vec::new(), Vec::new()], &special, &device);
        assert_eq!(loss(&none, None), 0.0);
    }
}
