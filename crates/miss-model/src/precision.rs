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
        // While gradients are tracked Burn composes attention from plain operations, which would
        // leave the softmax in bf16. The fused kernels accumulate in fp32.
        if self == Self::Bf16 && query.device().is_autodiff() {
            let probabilities = self.probabilities(query, key, bias);
            return self.lower(probabilities).matmul(value);
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
