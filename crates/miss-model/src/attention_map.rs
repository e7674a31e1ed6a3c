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

#[cfg(test)]
mod tests {
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Distribution, Tensor};

    use crate::attention::{Attention, Source};
    use crate::config::Precision;
    use crate::rows::Rows;
    use crate::sizes::Size;

    /// The bias `b` of the queries moves every score by `b · key / √width`. So its gradient follows
    /// from that of the probabilities through the softmax in closed form, and is known to autodiff
    /// by a way that does not touch the map.
    #[test]
    fn the_gradient_of_a_map_leads_to_that_of_the_queries() {
        let device = Device::flex().autodiff();
        let mut config = Size::Tiny.config().text;
        config.dropout = 0.0;
        let (width, heads) = (config.width, config.heads);
        let head = width / heads;
        let attention = Attention::new(&config, width, Precision::Fp32, &device);
        let random =
            |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let (hidden, states) = (random([2, 3, width]), random([2, 5, width]));
        let key_value = attention.key_value(states);
        let mut maps = Vec::new();
        let source = Source {
            states: &key_value,
            bias: None,
            rows: &Rows::Each,
            map: Some(&mut maps),
        };
        let output = attention.forward(hidden, source);
        let gradients = (output * random([2, 3, width])).sum().backward();
        let map = maps.remove(0);
        let (p, g) = (
            map.probabilities.clone(),
            map.gradient(&gradients).expect("made with autodiff"),
        );
        // Softmax: ∂L/∂score = p (g − Σ p g).
        let scores = p.clone() * (g.clone() - (p * g).sum_dim(3));
        let key = key_value.key().inner() * (head as f64).powf(-0.5);
        let expected: Vec<f32> = scores
            .matmul(key)
            .sum_dim(0)
            .sum_dim(2)
            .reshape([width])
            .try_into_vec_as()
            .expect("floats");
        let of = attention.query_bias_id();
        let found: Vec<f32> = GradientsParams::from_grads(gradients, &attention)
            .get::<1>(of)
            .expect("a gradient of the query bias")
            .try_into_vec_as()
            .expect("floats");
        let largest = expected.iter().fold(0f32, |a, b| a.max(b.abs()));
        assert!(largest > 0.0);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-4 * largest);
        }
    }
}
