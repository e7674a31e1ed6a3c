//! The model on batches that `benches/pytorch.py` makes alike: same weights, pixels and tokens.

use std::error::Error;
use std::path::Path;

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use miss_model::{
    Answers, BeamSearch, LengthRule, ModelConfig, Questions, Size, SpecialTokens, VqaModel,
    export_hugging_face,
};
use serde_json::{Value, json};

use crate::{Case, Run};

/// Tokens of a question, and of an answer.
const QUESTION: usize = 12;
const ANSWER: usize = 5;
/// Questions of an image in the cases that have several, the mean of SLAKE.
const ELEVEN: usize = 11;
const LEARNING_RATE: f64 = 2e-5;
const WEIGHT_DECAY: f32 = 0.05;
const LABEL_SMOOTHING: f64 = 0.1;

/// What the cases have in common.
#[derive(Clone)]
pub(crate) struct Setting {
    config: ModelConfig,
    image_size: usize,
    /// Images of a batch in the cases with one question an image.
    batch: usize,
}

/// Images and how many questions each has.
#[derive(Clone, Copy)]
struct Shape {
    images: usize,
    each: usize,
}

impl Setting {
    /// From the arguments `SIZE IMAGE_SIZE BATCH DROPOUT`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let [size, image_size, batch, dropout, ..] = arguments else {
            return Err("expected: SIZE IMAGE_SIZE BATCH DROPOUT".into());
        };
        let named = |candidate: &Size| candidate.name() == size;
        let size = Size::ALL.into_iter().find(named).ok_or("no such size")?;
        let mut config = size.config();
        // BLIP has no layer scale: with it the two sides would not learn the same.
        config.image.layer_scale = false;
        config.text.dropout = dropout.parse()?;
        let image_size = image_size.parse()?;
        config.validate(image_size)?;
        let batch = batch.parse()?;
        Ok(Self {
            config,
            image_size,
            batch,
        })
    }

    /// The same numbers every time.
    fn model(&self, device: &Device) -> VqaModel {
        device.seed(1);
        VqaModel::new(&self.config, self.image_size, device)
    }

    /// Writes the model for the other side.
    pub(crate) fn export(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let model = self.model(&Device::flex());
        let special = SpecialTokens::default();
        let tokenizer = b"{}";
        export_hugging_face(
            &model,
            &self.config,
            self.image_size,
            &special,
            tokenizer,
            folder,
        )?;
        Ok(())
    }

    /// The case called `name`.
    pub(crate) fn case(&self, name: &str) -> Option<Case> {
        let (operation, shape) = match name.strip_prefix("eleven_") {
            Some(operation) => (
                operation,
                Shape {
                    images: 1,
                    each: ELEVEN,
                },
            ),
            None if name == "generate" => (name, Shape { images: 1, each: 1 }),
            None => (
                name,
                Shape {
                    images: self.batch,
                    each: 1,
                },
            ),
        };
        Some(match operation {
            "forward" => self.forward(shape),
            "loss" => self.loss(shape),
            "generate" => self.generate(shape),
            "train" => self.train(shape),
            _ => return None,
        })
    }

    /// Question states: the image encoder and the joint encoder.
    fn forward(&self, shape: Shape) -> Case {
        let (model, device) = (self.model(&Device::flex()), Device::flex());
        let (images, questions) = (self.images(shape, &device), shape.questions(&device));
        Box::new(move || {
            let states = model.question_states(model.image_states(images.clone(), 0.0), &questions);
            // The first numbers of every question's first token.
            let first = states.hidden.narrow(1, 0, 1).narrow(2, 0, 4);
            Ok(Run::whole(floats(first.flatten::<1>(0, 2))?))
        })
    }

    /// The loss without gradients.
    fn loss(&self, shape: Shape) -> Case {
        let (model, device) = (self.model(&Device::flex()), Device::flex());
        let (images, questions) = (self.images(shape, &device), shape.questions(&device));
        let answers = shape.answers(&device);
        Box::new(move || {
            let states = model.question_states(model.image_states(images.clone(), 0.0), &questions);
            Ok(Run::whole(floats(model.loss(
                &states,
                &answers,
                LABEL_SMOOTHING,
            ))?))
        })
    }

    /// Answers by three beams, from pixels.
    fn generate(&self, shape: Shape) -> Case {
        let (model, device) = (self.model(&Device::flex()), Device::flex());
        let (images, questions) = (self.images(shape, &device), shape.questions(&device));
        let search = BeamSearch {
            length_rule: LengthRule::CountsEnd,
            ..BeamSearch::default()
        };
        Box::new(move || {
            let states = model.question_states(model.image_states(images.clone(), 0.0), &questions);
            let answers = search.run(&model, &states)?;
            let best = answers.iter().filter_map(|answers| answers.first());
            Ok(Run::whole(
                best.map(|answer| json!(answer.tokens)).collect(),
            ))
        })
    }

    /// A step: forward, backward, AdamW.
    fn train(&self, shape: Shape) -> Case {
        let device = Device::flex().autodiff();
        let (images, questions) = (self.images(shape, &device), shape.questions(&device));
        let answers = shape.answers(&device);
        let config = AdamWConfig::new().with_epsilon(1e-8);
        let mut state: Option<(VqaModel, ModuleOptimizer)> = Some((
            self.model(&device),
            config.with_weight_decay(WEIGHT_DECAY).init(),
        ));
        Box::new(move || {
            let Some((model, mut optimizer)) = state.take() else {
                return Ok(Run::whole(Value::Null));
            };
            let states = model.question_states(model.image_states(images.clone(), 0.0), &questions);
            let loss = model.loss(&states, &answers, LABEL_SMOOTHING);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let model = optimizer.step(LEARNING_RATE, model, gradients);
            state = Some((model, optimizer));
            Ok(Run::whole(floats(loss)?))
        })
    }

    /// Numbers without a pattern, between −2 and 2.
    fn images(&self, shape: Shape, device: &Device) -> Tensor<4> {
        let size = self.image_size;
        let pixels = shape.images * 3 * size * size;
        let values = (0..pixels as u32)
            .map(|index| index.wrapping_mul(2_654_435_761) as f32 / 2f32.powi(30) - 2.0)
            .collect();
        let shape = [shape.images, 3, size, size];
        Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
    }
}

impl Shape {
    fn questions(self, device: &Device) -> Questions {
        let count = self.images * self.each;
        let images: Vec<usize> = (0..count).map(|question| question / self.each).collect();
        Questions::new(
            &rows(count, QUESTION, 7),
            &images,
            &SpecialTokens::default(),
            device,
        )
    }

    fn answers(self, device: &Device) -> Answers {
        let count = self.images * self.each;
        Answers::new(&rows(count, ANSWER, 11), &SpecialTokens::default(), device)
    }
}

/// `count` rows of `[CLS] … [SEP]`, no two alike.
fn rows(count: usize, length: usize, factor: u32) -> Vec<Vec<u32>> {
    let middle = |row: usize| {
        (1..length as u32 - 1).map(move |place| 1000 + (row as u32 * 131 + place * 17) * factor)
    };
    let row = |row| [101].into_iter().chain(middle(row)).chain([102]).collect();
    (0..count).map(row).collect()
}

/// The numbers of `tensor`, for comparison with the other side's.
fn floats(tensor: Tensor<1>) -> Result<Value, Box<dyn Error>> {
    let values: Vec<f32> = tensor
        .try_into_vec_as()
        .map_err(|error| format!("{error:?}"))?;
    Ok(json!(values))
}
