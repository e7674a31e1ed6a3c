//! The losses, as functions of logits and targets.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};

/// Label smoothing of every language model loss of the reference (`reference.md` 1.3 and 1.5).
pub const LABEL_SMOOTHING: f64 = 0.1;

/// Smoothed cross-entropy of each row: `(1 − ε)(−log p(target)) + ε · mean(−log p)`, with the mean
/// over the whole vocabulary, the target included (`reference.md` section 4, 9).
///
/// `logits` is `[rows, classes]`, `targets` `[rows]`; returns `[rows]`. It works with the log of the
/// sum of exponentials, so that no `[rows, classes]` of log-probabilities is kept.
pub fn smoothed_cross_entropy(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    smoothing: f64,
) -> Tensor<1> {
    let maximum = logits.clone().detach().max_dim(1);
    let shifted = logits - maximum;
    let log_sum = shifted.clone().exp().sum_dim(1).log();
    let target = shifted.clone().gather(1, targets.unsqueeze_dim(1));
    let loss = log_sum - target * (1.0 - smoothing) - shifted.mean_dim(1) * smoothing;
    loss.squeeze_dim(1)
}

/// Image–text contrast of one direction: `−mean over rows of Σ targets · log softmax(similarity)`.
///
/// Both are `[batch, batch + queue]`. Returns `[1]`.
pub fn contrast(similarity: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    (log_softmax(similarity, 1) * targets)
        .sum_dim(1)
        .mean()
        .neg()
}

/// Soft targets of the contrast: `α · softmax(momentum similarity) + (1 − α) · identity`
/// (`reference.md` 1.3, step 3). `[batch, batch + queue]`.
pub fn contrast_targets(momentum_similarity: Tensor<2>, alpha: f64) -> Tensor<2> {
    let [batch, columns] = momentum_similarity.dims();
    let device = momentum_similarity.device();
    let identity = Tensor::<2>::eye(batch, &device);
    let identity = if columns > batch {
        let none = Tensor::zeros([batch, columns - batch], &device);
        Tensor::cat(vec![identity, none], 1)
    } else {
        identity
    };
    softmax(momentum_similarity, 1) * alpha + identity * (1.0 - alpha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn smoothing_counts_the_target_in_its_mean() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]], &device);
        let targets = Tensor::<1, Int>::from_ints([2, 0], &device);
        let losses: Vec<f32> = smoothed_cross_entropy(logits, targets, 0.1)
            .try_into_vec_as()
            .expect("floats");
        let expected = [([1.0f64, -2.0, 0.5], 2), ([0.0, 3.0, 1.0], 0)].map(
            |(row, target): ([f64; 3], usize)| {
                let sum: f64 = row.iter().map(|value| value.exp()).sum();
                let negative: Vec<f64> = row.iter().map(|value| sum.ln() - value).collect();
                0.9 * negative[target] + 0.1 * negative.iter().sum::<f64>() / 3.0
            },
        );
        for (loss, expected) in losses.iter().zip(expected) {
            assert!(
                (f64::from(*loss) - expected).abs() < 1e-6,
                "{loss} against {expected}"
            );
        }
    }
}
