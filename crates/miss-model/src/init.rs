//! Initial values, as in the reference (`reference.md` 1.1).

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor};

/// Weights are drawn from N(0, 0.02²); biases start at zero.
pub(crate) const WEIGHTS: Initializer = Initializer::Normal {
    mean: 0.0,
    std: 0.02,
};

pub(crate) fn linear(input: usize, output: usize, device: &Device) -> Linear {
    Linear {
        weight: WEIGHTS.init([input, output], device),
        bias: Some(Initializer::Zeros.init([output], device)),
    }
}

pub(crate) fn embedding(entries: usize, width: usize, device: &Device) -> Embedding {
    EmbeddingConfig::new(entries, width)
        .with_initializer(WEIGHTS)
        .init(device)
}

pub(crate) fn layer_norm(width: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width)
        .with_epsilon(epsilon)
        .init(device)
}

/// Draws every parameter of `module` now, in declaration order.
///
/// Burn draws a parameter when it is first used. Left at that, initial values would depend on the
/// order of use, and on whatever was drawn in between.
pub(crate) fn settle<M: Module>(module: M) -> M {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    module.visit(&mut Touch);
    module
}

/// `value`, computed off the graph, as a parameter that is tracked as `like` is.
///
/// It is a leaf of its own: two parameters that began as clones of one tensor would otherwise be
/// one node of the graph, and share a gradient.
pub(crate) fn leaf<const D: usize>(value: Tensor<D>, like: &Tensor<D>) -> Tensor<D> {
    match like.is_autodiff() {
        true => Tensor::from_inner(value).set_require_grad(like.is_require_grad()),
        false => value,
    }
}
