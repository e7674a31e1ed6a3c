//! The fine-tuning model: image and question in, answer out.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::attention::KeyValue;
use crate::attention_map::AttentionMap;
use crate::baseline::BaselinePretrainModel;
use crate::config::{ImageWork, ModelConfig};
use crate::generate::GenerateError;
use crate::head::LanguageModelHead;
use crate::image_encoder::ImageEncoder;
use crate::init::{leaf, settle};
use crate::losses::smoothed_cross_entropy;
use crate::pretrain::{Encoders, PretrainModel, target_states};
use crate::rows::Rows;
use crate::text::{CrossSource, Pass, TextLayer, TextStack, causal_bias, padding_bias, run};
use crate::tokens::{SpecialTokens, Targets, Tokens};

/// Image encoder, joint encoder and text decoder, none tied to another (`reference.md` 1.2).
#[derive(Module, Debug)]
pub struct VqaModel {
    image_encoder: ImageEncoder,
    joint_encoder: TextStack,
    text_decoder: TextStack,
    head: LanguageModelHead,
    #[module(skip)]
    image_work: ImageWork,
}

/// A batch of questions over a batch of images.
#[derive(Clone, Debug)]
pub struct Questions {
    tokens: Tokens,
    /// For each question, the row of its image.
    image_rows: Vec<usize>,
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

/// Attention on the way to an answer.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Attention of question tokens to image tokens (the class token first, then the patches row by
    /// row), one map for each fusing layer of the joint encoder.
    pub image: Vec<AttentionMap>,
    /// Attention of answer tokens to question tokens, one map for each layer of the decoder.
    pub question: Vec<AttentionMap>,
    /// Negative log-probability of the answers, summed over tokens and averaged over answers: `[1]`.
    pub loss: Tensor<1>,
}

impl Questions {
    /// A batch from token rows (`[CLS] … [SEP]`) and, for each, the row of its image.
    pub fn new(
        rows: &[Vec<u32>],
        image_rows: &[usize],
        special: &SpecialTokens,
        device: &Device,
    ) -> Self {
        Self {
            tokens: Tokens::new(rows, Some(special.encoder), special, device),
            image_rows: image_rows.to_vec(),
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
        settle(Self::undrawn(config, image_size, device))
    }

    /// The same, its parameters not drawn yet.
    pub(crate) fn undrawn(config: &ModelConfig, image_size: usize, device: &Device) -> Self {
        let precision = config.precision;
        Self {
            image_encoder: ImageEncoder::new(&config.image, image_size, precision, device),
            joint_encoder: TextStack::new(&config.text, config.image.width, precision, device),
            text_decoder: TextStack::decoder(&config.text, config.text.width, precision, device),
            head: LanguageModelHead::new(&config.text, device),
            image_work: config.image_work,
        }
    }

    /// The model that fine-tuning begins with: what pretraining tied is copied and then diverges.
    ///
    /// Pretraining's decoder attends to image states and this one to text states. Where the two
    /// widths differ, keys and values of the decoder's cross-attention do not fit and are drawn
    /// anew; nothing else is.
    pub fn from_pretrained(
        pretrained: PretrainModel,
        config: &ModelConfig,
        image_size: usize,
    ) -> Self {
        let PretrainModel {
            encoders, decoder, ..
        } = pretrained;
        let mut text_decoder = encoders.joint_encoder.clone();
        let layers = text_decoder.layers.iter_mut().zip(decoder.self_attention);
        for (layer, self_attention) in layers {
            layer.self_attention = self_attention;
        }
        Self::from_parts(encoders, text_decoder, decoder.head, config, image_size)
    }

    /// The model that fine-tuning begins with after the baseline's pretraining: the decoder is a copy
    /// of the encoder's fusing layers, the head that of the masked words (`reference.md` 3.4).
    pub fn from_baseline(
        pretrained: BaselinePretrainModel,
        config: &ModelConfig,
        image_size: usize,
    ) -> Self {
        let BaselinePretrainModel { encoders, head, .. } = pretrained;
        let mut text_decoder = encoders.joint_encoder.clone();
        let fusion_layer = text_decoder.fusion_layer();
        text_decoder.layers.drain(..fusion_layer);
        Self::from_parts(encoders, text_decoder, head, config, image_size)
    }

    fn from_parts(
        encoders: Encoders,
        mut text_decoder: TextStack,
        head: LanguageModelHead,
        config: &ModelConfig,
        image_size: usize,
    ) -> Self {
        if config.image.width != config.text.width {
            let device = text_decoder.embeddings.words().device();
            for layer in &mut text_decoder.layers {
                if let Some(cross) = &mut layer.cross_attention {
                    cross.renew_source(config.text.width, &device);
                }
            }
        }
        settle(Self {
            image_encoder: encoders.image_encoder.resized(image_size),
            joint_encoder: encoders.joint_encoder,
            // A clone keeps the parameters' identities; the copies must have their own, or the
            // optimiser would take the two for one.
            text_decoder: text_decoder.map(&mut Renew),
            head,
            image_work: config.image_work,
        })
    }

    /// States `[images, 1 + patches, width]` of `images` `[images, 3, size, size]`.
    pub fn image_states(&self, images: Tensor<4>, drop_path: f64) -> Tensor<3> {
        self.image_encoder.forward(images, drop_path)
    }

    /// Fuses each question with its image. Keys and values are projected once an image, however
    /// many questions it has, and never repeated ([`Rows`]).
    pub fn question_states(
        &self,
        image_states: Tensor<3>,
        questions: &Questions,
    ) -> QuestionStates {
        let [images, ..] = image_states.dims();
        let device = image_states.device();
        let rows = Rows::new(&questions.image_rows, images, &device);
        self.fuse(image_states, questions, rows, None)
    }

    fn fuse(
        &self,
        image_states: Tensor<3>,
        questions: &Questions,
        rows: Rows,
        maps: Option<&mut Vec<AttentionMap>>,
    ) -> QuestionStates {
        let cross = CrossSource {
            layers: self.joint_encoder.key_values(image_states),
            bias: None,
            rows,
        };
        let Tokens { ids, padding } = questions.tokens.clone();
        let pass = Pass {
            bias: Some(padding_bias(padding.clone())),
            cross: Some(&cross),
            maps,
            ..Pass::default()
        };
        let hidden = self.joint_encoder.embeddings.forward(ids, 0);
        let layers = self.joint_encoder.layers.iter().map(TextLayer::parts);
        QuestionStates {
            hidden: run(layers, hidden, pass),
            padding,
        }
    }

    /// The fine-tuning loss `[1]`: summed over the tokens of an answer, averaged over the answers
    /// (`reference.md` 1.5).
    pub fn loss(&self, states: &QuestionStates, answers: &Answers, smoothing: f64) -> Tensor<1> {
        self.answer_loss(states, answers, smoothing, None)
    }

    fn answer_loss(
        &self,
        states: &QuestionStates,
        answers: &Answers,
        smoothing: f64,
        maps: Option<&mut Vec<AttentionMap>>,
    ) -> Tensor<1> {
        let cross = self.cross_source(states, true);
        let (logits, targets) = self.answer_logits(&cross, answers, maps);
        smoothed_cross_entropy(logits, targets, smoothing).sum() / answers.count as f64
    }

    /// Logits `[targets, vocabulary]` at every position of `answers` that predicts a token, answer by
    /// answer: a row of n tokens, `[CLS]` and `[SEP]` counted, has n − 1 of them.
    pub fn logits(&self, states: &QuestionStates, answers: &Answers) -> Tensor<2> {
        let cross = self.cross_source(states, true);
        self.answer_logits(&cross, answers, None).0
    }

    /// The joint encoder, for text without an image.
    pub fn joint_encoder(&self) -> &TextStack {
        &self.joint_encoder
    }

    /// The logits of [`VqaModel::logits`] over `cross`, and the tokens that they are to predict,
    /// `[targets]`.
    pub(crate) fn answer_logits(
        &self,
        cross: &CrossSource,
        answers: &Answers,
        maps: Option<&mut Vec<AttentionMap>>,
    ) -> (Tensor<2>, Tensor<1, Int>) {
        let Tokens { ids, padding } = answers.tokens.clone();
        let hidden = self.text_decoder.embeddings.forward(ids, 0);
        let layers = self.text_decoder.layers.iter().map(TextLayer::parts);
        let pass = Pass {
            bias: Some(causal_bias(padding)),
            cross: Some(cross),
            maps,
            ..Pass::default()
        };
        let decoded = target_states(run(layers, hidden, pass), answers.targets.rows.clone());
        let logits = self.head.forward(decoded, &self.text_decoder.embeddings);
        (logits, answers.targets.ids.clone())
    }

    /// How the model comes to `answers`: the attention of every cross-attention layer.
    ///
    /// On a device with autodiff, `explanation.loss.backward()` gives the gradients that
    /// [`AttentionMap::gradient`] and [`AttentionMap::relevance`] read.
    pub fn explain(
        &self,
        image_states: Tensor<3>,
        questions: &Questions,
        answers: &Answers,
    ) -> Explanation {
        let rows = Rows::gather(&questions.image_rows, &image_states.device());
        let (mut image, mut question) = (Vec::new(), Vec::new());
        let states = self.fuse(image_states, questions, rows, Some(&mut image));
        let loss = self.answer_loss(&states, answers, 0.0, Some(&mut question));
        Explanation {
            image,
            question,
            loss,
        }
    }

    /// Keys and values of question states for the decoder. With `mask_padding` off, padding is
    /// attended to, as the released code does when it generates (`reference.md` 1.6).
    pub(crate) fn cross_source(&self, states: &QuestionStates, mask_padding: bool) -> CrossSource {
        CrossSource {
            layers: self.text_decoder.key_values(states.hidden.clone()),
            bias: mask_padding.then(|| padding_bias(states.padding.clone())),
            rows: Rows::Each,
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
        let pass = Pass {
            pasts: Some(pasts),
            cross: Some(cross),
            ..Pass::default()
        };
        let states = run(layers, hidden, pass);
        self.head
            .forward(states.squeeze_dim(1), &self.text_decoder.embeddings)
    }

    /// Whether the images of a batch are to be encoded once for all their questions, or once for
    /// each. Who makes the batch decides; [`Questions`] names the image of every question.
    pub fn image_work(&self) -> ImageWork {
        self.image_work
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.joint_encoder.embeddings.words().device()
    }

    /// Whether answers of `length` tokens, `[DEC]` counted, can be written.
    pub(crate) fn check_length(&self, length: usize) -> Result<(), GenerateError> {
        let positions = self.text_decoder.embeddings.longest();
        match (2..=positions).contains(&length) {
            true => Ok(()),
            false => Err(GenerateError::Length { length, positions }),
        }
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
        let own = leaf(tensor.clone().without_autodiff(), &tensor);
        Param::from_mapped_value(ParamId::new(), own, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageEncoderConfig, ImageWork, Precision, TextConfig};
    use burn::optim::GradientsParams;

    fn config() -> ModelConfig {
        ModelConfig {
            image: ImageEncoderConfig {
                width: 16,
                depth: 1,
                heads: 2,
                patch: 4,
                feed_forward: 64,
                layer_norm_epsilon: 1e-6,
                layer_scale: false,
            },
            text: TextConfig {
                width: 16,
                depth: 2,
                heads: 2,
                feed_forward: 32,
                vocabulary: 20,
                positions: 12,
                dropout: 0.0,
                layer_norm_epsilon: 1e-12,
                token_types: 0,
                fusion_layer: 0,
            },
            projection: 8,
            precision: Precision::Fp32,
            image_work: ImageWork::Once,
        }
    }

    #[test]
    fn what_pretraining_tied_has_its_own_gradients_in_fine_tuning() {
        let device = Device::flex().autodiff();
        device.seed(3);
        let special = SpecialTokens {
            padding: 0,
            separator: 1,
            decoder: 2,
            encoder: 3,
        };
        let model =
            VqaModel::from_pretrained(PretrainModel::new(&config(), 8, &device), &config(), 16);
        let questions = Questions::new(
            &[vec![4, 5, 1], vec![4, 6, 7, 1]],
            &[0, 0],
            &special,
            &device,
        );
        let answers = Answers::new(&[vec![4, 8, 1], vec![4, 9, 1]], &special, &device);
        let images = Tensor::<4>::ones([1, 3, 16, 16], &device);
        let states = model.question_states(model.image_states(images, 0.0), &questions);
        let loss = model.loss(&states, &answers, 0.1);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let words = |stack: &TextStack| {
            let id = stack.embeddings.words_id();
            let gradient = gradients
                .get::<2>(id)
                .expect("a gradient of the word embeddings");
            gradient.try_into_vec_as::<f32>().expect("floats")
        };
        let (encoder, decoder) = (words(&model.joint_encoder), words(&model.text_decoder));
        // The encoder never sees token 8, which only the answer has; the decoder never sees 5.
        let row =
            |gradient: &[f32], token: usize| gradient[token * 16..][..16].iter().any(|g| *g != 0.0);
        assert!(row(&encoder, 5) && !row(&encoder, 8));
        assert!(row(&decoder, 8));
        assert_ne!(encoder, decoder);
    }

    #[test]
    fn an_answer_does_not_depend_on_the_batch() {
        let device = Device::flex();
        device.seed(5);
        let special = SpecialTokens {
            padding: 0,
            separator: 1,
            decoder: 2,
            encoder: 3,
        };
        let model = VqaModel::new(&config(), 8, &device);
        let images = Tensor::<4>::random(
            [2, 3, 8, 8],
            burn::tensor::Distribution::Normal(0.0, 1.0),
            &device,
        );
        let search = crate::BeamSearch {
            beams: 3,
            max_length: 6,
            mask_question_padding: true,
            special,
            ..crate::BeamSearch::default()
        };
        let answer = |images: Tensor<4>, rows: &[Vec<u32>], of: &[usize]| {
            let questions = Questions::new(rows, of, &special, &device);
            let states = model.question_states(model.image_states(images, 0.0), &questions);
            search.run(&model, &states).expect("answers")
        };
        let short = vec![4, 5, 1];
        let long = vec![4, 6, 7, 8, 9, 10, 1];
        let together = answer(images.clone(), &[short.clone(), long], &[0, 1]);
        let alone = answer(images.narrow(0, 0, 1), &[short], &[0]);
        let tokens = |answers: &[crate::Generated]| -> Vec<Vec<u32>> {
            answers.iter().map(|answer| answer.tokens.clone()).collect()
        };
        assert_eq!(tokens(&together[0]), tokens(&alone[0]));
        for (a, b) in together[0].iter().zip(&alone[0]) {
            assert!((a.log_probability - b.log_probability).abs() < 1e-4);
        }
    }
}
