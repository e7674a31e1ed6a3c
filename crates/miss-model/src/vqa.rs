//! The fine-tuning model: image and question in, answer out.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::attention::KeyValue;
use crate::config::ModelConfig;
use crate::head::LanguageModelHead;
use crate::image_encoder::ImageEncoder;
use crate::init::settle;
use crate::losses::smoothed_cross_entropy;
use crate::pretrain::{PretrainModel, target_states};
use crate::text::{CrossSource, TextLayer, TextStack, causal_bias, padding_bias, run};
use crate::tokens::{SpecialTokens, Targets, Tokens, index_tensor};

/// Image encoder, joint encoder and text decoder, none tied to another (`reference.md` 1.2).
#[derive(Module, Debug)]
pub struct VqaModel {
    image_encoder: ImageEncoder,
    joint_encoder: TextStack,
    text_decoder: TextStack,
    head: LanguageModelHead,
}

/// A batch of questions over a batch of images.
#[derive(Clone, Debug)]
pub struct Questions {
    tokens: Tokens,
    /// For each question, the row of its image: `[questions]`.
    image_rows: Tensor<1, Int>,
}

/// A batch of answers to learn.
#[derive(Clone, Debug)]
pub struct Answers {
    tokens: Tokens,
    targets: Targets,
    count: usize,
}

/// What the decoder attends to.
#[derive(Clone, Debug)]
pub struct QuestionStates {
    /// The joint encoder's last states: `[questions, tokens, width]`.
    pub hidden: Tensor<3>,
    /// `[questions, tokens]`, `true` at padding.
    pub padding: Tensor<2, Bool>,
}

impl Questions {
    /// A batch from token rows (`[CLS] … [SEP]`) and, for each, the row of its image.
    pub fn new(rows: &[Vec<u32>], image_rows: &[usize], special: &SpecialTokens, device: &Device) -> Self {
        let image_rows: Vec<i64> = image_rows.iter().map(|row| *row as i64).collect();
        Self {
            tokens: Tokens::new(rows, Some(special.encoder), special, device),
            image_rows: index_tensor(&image_rows, device),
        }
    }
}

impl Answers {
    /// A batch from token rows (`[CLS] … [SEP]`), one for each question.
    pub fn new(rows: &[Vec<u32>], special: &SpecialTokens, device: &Device) -> Self {
        Self {
            tokens: Tokens::new(rows, Some(special.decoder), special, device),
            targets: Targets::new(rows, device),
            count: rows.len(),
        }
    }
}

impl VqaModel {
    /// A new model on `device`, for images of `image_size` pixels a side.
    pub fn new(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        settle(Self {
            image_encoder: ImageEncoder::new(&config.image, image_size, device),
            joint_encoder: TextStack::new(&config.text, config.image.width, device),
            text_decoder: TextStack::new(&config.text, config.text.width, device),
            head: LanguageModelHead::new(&config.text, device),
        })
    }

    /// The model that fine-tuning begins with: what pretraining tied is copied and then diverges.
    ///
    /// Pretraining's decoder attends to image states and this one to text states. Where the two
    /// widths differ, keys and values of the decoder's cross-attention do not fit and are drawn
    /// anew; nothing else is.
    pub fn from_pretrained(pretrained: PretrainModel, config: &ModelConfig, image_size: usize) -> Self {
        let PretrainModel { encoders, decoder, .. } = pretrained;
        let joint_encoder = encoders.joint_encoder;
        let device = joint_encoder.embeddings.words().device();
        let mut text_decoder = joint_encoder.clone();
        let layers = text_decoder.layers.iter_mut().zip(decoder.self_attention);
        for (layer, self_attention) in layers {
            layer.self_attention = self_attention;
            if config.image.width != config.text.width {
                layer
                    .cross_attention
                    .renew_source(config.text.width, &device);
            }
        }
        settle(Self {
            image_encoder: encoders.image_encoder.resized(image_size),
            joint_encoder,
            // A clone keeps the parameters' identities; the copies must have their own, or the
            // optimiser would take the two for one.
            text_decoder: text_decoder.map(&mut Renew),
            head: decoder.head,
        })
    }

    /// States `[images, 1 + patches, width]` of `images` `[images, 3, size, size]`.
    pub fn image_states(&self, images: Tensor<4>, drop_path: f64) -> Tensor<3> {
        self.image_encoder.forward(images, drop_path)
    }

    /// Fuses each question with its image. Keys and values are projected once an image, however
    /// many questions it has.
    pub fn question_states(&self, image_states: Tensor<3>, questions: &Questions) -> QuestionStates {
        let layers = self.joint_encoder.key_values(image_states);
        let cross = CrossSource {
            layers: layers
                .iter()
                .map(|layer| layer.select(questions.image_rows.clone()))
                .collect(),
            bias: None,
        };
        let Tokens { ids, padding } = questions.tokens.clone();
        QuestionStates {
            hidden: self.joint_encoder.encode(ids, padding.clone(), Some(&cross)),
            padding,
        }
    }

    /// The fine-tuning loss `[1]`: summed over the tokens of an answer, averaged over the answers
    /// (`reference.md` 1.5).
    pub fn loss(&self, states: &QuestionStates, answers: &Answers, smoothing: f64) -> Tensor<1> {
        let cross = self.cross_source(states, true);
        let Tokens { ids, padding } = answers.tokens.clone();
        let hidden = self.text_decoder.embeddings.forward(ids, 0);
        let layers = self.text_decoder.layers.iter().map(TextLayer::parts);
        let decoded = run(layers, hidden, Some(causal_bias(padding)), None, Some(&cross));
        let decoded = target_states(decoded, answers.targets.rows.clone());
        let logits = self.head.forward(decoded, &self.text_decoder.embeddings);
        smoothed_cross_entropy(logits, answers.targets.ids.clone(), smoothing).sum()
            / answers.count as f64
    }

    /// Keys and values of question states for the decoder. With `mask_padding` off, padding is
    /// attended to, as the released code does when it generates (`reference.md` 1.6).
    pub(crate) fn cross_source(&self, states: &QuestionStates, mask_padding: bool) -> CrossSource {
        CrossSource {
            layers: self.text_decoder.key_values(states.hidden.clone()),
            bias: mask_padding.then(|| padding_bias(states.padding.clone())),
        }
    }

    /// Logits `[rows, vocabulary]` of the token after `ids` `[rows, 1]`, which stands at
    /// `position`. `pasts` holds keys and values of the tokens before and is extended.
    pub(crate) fn next_token(
        &self,
        ids: Tensor<2, Int>,
        position: usize,
        pasts: &mut [Option<KeyValue>],
        cross: &CrossSource,
    ) -> Tensor<2> {
        let hidden = self.text_decoder.embeddings.forward(ids, position);
        let layers = self.text_decoder.layers.iter().map(TextLayer::parts);
        let states = run(layers, hidden, None, Some(pasts), Some(cross));
        self.head
            .forward(states.squeeze_dim(1), &self.text_decoder.embeddings)
    }

    /// Layers of the decoder.
    pub(crate) fn decoder_depth(&self) -> usize {
        self.text_decoder.layers.len()
    }
}

/// Gives every parameter an identity of its own.
struct Renew;

impl ModuleMapper for Renew {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, tensor, mapper) = param.consume();
        let tensor = tensor.detach().require_grad();
        Param::from_mapped_value(ParamId::new(), tensor, mapper)
    }
}
