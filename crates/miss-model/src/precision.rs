//! Matrix products in the precision that the model asks for.

use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::module::{attention, linear};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{FloatDType, Tensor};

use crate::config::Precision;

impl Precision {
    /// `tensor` as an operand of a matrix product.
    fn lower<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Fp32 => tensor,
            Self::Bf16 => tensor.cast(FloatDType::BF16),
        }
    }

    /// The result of a matrix product, back among 32-bit floats.
    pub(crate) fn raise<const D: usize>(self, tensor: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Fp32 => tensor,
            Self::Bf16 => tensor.cast(FloatDType::F32),
        }
    }

    /// `layer` on `input`; the result stays in this precision, ready for the next product.
    ///
    /// The cast of the weight is part of the graph, so its gradient arrives at the fp32 parameter.
    pub(crate) fn linear<const D: usize>(self, layer: &Linear, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Fp32 => layer.forward(input),
            Self::Bf16 => linear(
                self.lower(input),
                self.lower(layer.weight.val()),
                layer.bias.as_ref().map(|bias| self.lower(bias.val())),
            ),
        }
    }

    /// Attention probabilities `[batch, heads, tokens, source tokens]` in fp32.
    ///
    /// `query` is `[batch, heads, tokens, head width]`, `key` likewise over the source.
    pub(crate) fn probabilities(
        self,
        query: Tensor<4>,
        key: Tensor<4>,
        bias: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let [.., head_width] = query.dims();
        // Scaling the query costs less than scaling the scores.
        let query = query * (head_width as f64).powf(-0.5);
        let scores = self.raise(query.matmul(key.swap_dims(2, 3)));
        softmax(
            match bias {
                Some(bias) => scores + bias,
                None => scores,
            },
            3,
        )
    }

    /// Attention without dropout: `softmax(query · keyᵀ / √head width + bias) · value`.
    pub(crate) fn attention(
        self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        bias: Option<Tensor<4>>,
    ) -> Tensor<4> {
        // The fused kernels accumulate in fp32. While gradients are tracked Burn composes attention
        // from plain operations instead, with a softmax in the precision of its operands and many
        // passes over the scores.
        if query.device().is_autodiff() {
            return match self {
                Self::Fp32 => unnormalised(query, key, value, bias),
                Self::Bf16 => self.weigh(self.probabilities(query, key, bias), value),
            };
        }
        let bias = bias.map(|bias| self.lower(bias));
        attention(
            query,
            key,
            value,
            None,
            bias,
            AttentionModuleOptions::default(),
        )
    }

    /// `probabilities · value`, `[batch, heads, tokens, head width]`.
    pub(crate) fn weigh(self, probabilities: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        self.lower(probabilities).matmul(value)
    }
}

/// Attention that divides the weighted sum of values, not the weights: the same number, with fewer
/// passes over the scores, which are by far the largest tensor here.
///
/// A column of ones beside the values makes the product give the sum of the weights as well, so that
/// neither the sum nor its gradient is a pass of its own.
fn unnormalised(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
) -> Tensor<4> {
    let [batch, heads, tokens, head_width] = query.dims();
    let [.., source, _] = value.dims();
    let query = query * (head_width as f64).powf(-0.5);
    let scores = query.matmul(key.swap_dims(2, 3));
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    // Softmax does not change by what is subtracted from a row: no gradient goes there.
    let highest = scores.clone().detach().max_dim(3);
    let weights = (scores - highest).exp();
    let ones = Tensor::ones([batch, heads, source, 1], &value.device());
    let sums = weights.matmul(Tensor::cat(vec![value, ones], 3));
    let part = |from, to| {
        sums.clone()
            .slice([0..batch, 0..heads, 0..tokens, from..to])
    };
    part(0, head_width) / part(head_width, head_width + 1)
}
