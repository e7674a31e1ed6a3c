//! Attention probabilities kept for explanation.

use burn::tensor::{Gradients, Tensor};

/// The probabilities of one attention layer, and the way to their gradient.
#[derive(Clone, Debug)]
pub struct AttentionMap {
    /// `[batch, heads, tokens, source tokens]`, before dropout; off the graph.
    pub probabilities: Tensor<4>,
    /// Zeros that were added to the probabilities: their gradient is that of the probabilities,
    /// which are no leaf and would not keep theirs.
    tap: Option<Tensor<4>>,
}

impl AttentionMap {
    /// Keeps `probabilities`; returns what the layer should go on with.
    pub(crate) fn tap(probabilities: Tensor<4>) -> (Tensor<4>, Self) {
        if !probabilities.is_autodiff() {
            let map = Self {
                probabilities: probabilities.clone(),
                tap: None,
            };
            return (probabilities, map);
        }
        let plain = probabilities.clone().inner();
        let tap = Tensor::from_inner(plain.zeros_like()).require_grad();
        let map = Self {
            probabilities: plain,
            tap: Some(tap.clone()),
        };
        (probabilities + tap, map)
    }

    /// The gradient of whatever `gradients` are of, with respect to the probabilities.
    ///
    /// None when the map was made on a device without autodiff.
    pub fn gradient(&self, gradients: &Gradients) -> Option<Tensor<4>> {
        self.tap.as_ref()?.grad(gradients)
    }

    /// Probabilities weighted by the positive part of their gradient and averaged over the heads,
    /// `[batch, tokens, source tokens]`: which parts of the source speak for what was
    /// differentiated (Grad-CAM of attention, as ALBEF and BLIP show it).
    pub fn relevance(&self, gradients: &Gradients) -> Option<Tensor<3>> {
        let gradient = self.gradient(gradients)?.clamp_min(0.0);
        Some(
            (self.probabilities.clone() * gradient)
                .mean_dim(1)
                .squeeze_dim(1),
        )
    }
}
