//! The decoder, one token at a time.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::GenerateError;
use crate::attention::KeyValue;
use crate::rows::Rows;
use crate::text::CrossSource;
use crate::tokens::index_tensor;
use crate::vqa::{QuestionStates, VqaModel};

/// The decoder with its caches: keys and values of the tokens so far, one row a beam, and of the
/// question states, one row a question.
pub(super) struct Decoder<'a> {
    model: &'a VqaModel,
    cross: CrossSource,
    pasts: Vec<Option<KeyValue>>,
    position: usize,
    device: Device,
}

/// Log-probabilities of the next token.
pub(super) struct NextTokens {
    values: Vec<f32>,
    vocabulary: usize,
}

impl NextTokens {
    /// Those of a row, by token.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.vocabulary..][..self.vocabulary]
    }
}

impl<'a> Decoder<'a> {
    /// Begins with one row for each question.
    ///
    /// With `mask_padding` off, padding of a question is attended to, as the released code does.
    pub(super) fn new(model: &'a VqaModel, states: &QuestionStates, mask_padding: bool) -> Self {
        Self {
            model,
            cross: model.cross_source(states, mask_padding),
            pasts: vec![None; model.decoder_depth()],
            position: 0,
            device: states.hidden.device(),
        }
    }

    /// Appends a token to every row.
    pub(super) fn step(&mut self, tokens: &[u32]) -> Result<NextTokens, GenerateError> {
        let tokens: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        let shape = [tokens.len(), 1];
        let ids = Tensor::<2, Int>::from_data(TensorData::new(tokens, shape), &self.device);
        let logits = self
            .model
            .next_token(ids, self.position, &mut self.pasts, &self.cross);
        self.position += 1;
        let [_, vocabulary] = logits.dims();
        Ok(NextTokens {
            values: host(log_softmax(logits, 1))?,
            vocabulary,
        })
    }

    /// Makes row i continue what was row `origins[i]`. Only `questions` go on, in this order among
    /// those that went on so far, with `group` rows each.
    pub(super) fn go_on(&mut self, origins: &[usize], questions: &[usize], group: usize) {
        let rows = indices(origins, &self.device);
        for past in self.pasts.iter_mut().flatten() {
            *past = past.select(rows.clone());
        }
        let all = self.cross.bias.as_ref().map(|bias| bias.dims()[0]);
        let count = self.cross.layers.first().map(KeyValue::rows).or(all);
        if count != Some(questions.len()) {
            let kept = indices(questions, &self.device);
            for layer in &mut self.cross.layers {
                *layer = layer.select(kept.clone());
            }
            self.cross.bias = self.cross.bias.take().map(|bias| bias.select(0, kept));
        }
        // Rows of one question share its keys and values.
        self.cross.rows = Rows::Groups(group);
    }
}

fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    index_tensor(&rows, device)
}

/// Values of a tensor, read back from its device.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, GenerateError> {
    tensor
        .try_into_vec_as()
        .map_err(|error| GenerateError::Device(format!("{error:?}")))
}
