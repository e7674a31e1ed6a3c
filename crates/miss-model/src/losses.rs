//! The losses, as functions of logits and targets.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

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

/// What counts as the partner of an image or a caption in the contrast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItcTargets {
    /// Its own pair alone, as in the reference. Another pair with the same caption is a negative.
    #[default]
    Diagonal,
    /// Every pair of batch and queue with the same caption, in equal shares. TransCap writes one
    /// caption for many images; they are no negatives of each other.
    SameCaption,
}

/// Soft targets of the contrast: `α · softmax(momentum similarity) + (1 − α) · hard`
/// (`reference.md` 1.3, step 3). All are `[batch, batch + queue]`.
pub fn contrast_targets(momentum_similarity: Tensor<2>, hard: Tensor<2>, alpha: f64) -> Tensor<2> {
    softmax(momentum_similarity, 1) * alpha + hard * (1.0 - alpha)
}

/// The hard part of the targets, `[batch, batch + queue]`: every row sums to 1.
///
/// `batch` and `queue` are keys of captions, equal where captions are; a column without a key is no
/// one's partner. It serves both directions: an image has the key of its caption.
pub fn hard_targets(
    targets: ItcTargets,
    batch: &[u64],
    queue: &[Option<u64>],
    device: &Device,
) -> Tensor<2> {
    match targets {
        ItcTargets::Diagonal => identity(batch.len(), batch.len() + queue.len(), device),
        ItcTargets::SameCaption => {
            let columns = batch.len() + queue.len();
            let mut values = vec![0f32; batch.len() * columns];
            let partners = |key: u64| {
                let own = batch.iter().map(move |other| *other == key);
                own.chain(queue.iter().map(move |other| *other == Some(key)))
            };
            for (row, key) in values.chunks_exact_mut(columns).zip(batch) {
                let share = 1.0 / partners(*key).filter(|same| *same).count() as f32;
                for (value, same) in row.iter_mut().zip(partners(*key)) {
                    *value = if same { share } else { 0.0 };
                }
            }
            Tensor::from_data(TensorData::new(values, [batch.len(), columns]), device)
        }
    }
}

fn identity(batch: usize, columns: usize, device: &Device) -> Tensor<2> {
    let identity = Tensor::<2>::eye(batch, device);
    if columns == batch {
        return identity;
    }
    let none = Tensor::zeros([batch, columns - batch], device);
    Tensor::cat(vec![identity, none], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    /// The contrast by its definition, in f64.
    fn contrast_by_hand(
        similarity: &[f32],
        momentum: &[f32],
        hard: &[f64],
        columns: usize,
        alpha: f64,
    ) -> f64 {
        let softmax = |row: &[f32]| -> Vec<f64> {
            let sum: f64 = row.iter().map(|value| f64::from(*value).exp()).sum();
            row.iter()
                .map(|value| f64::from(*value).exp() / sum)
                .collect()
        };
        let rows = similarity.chunks(columns).zip(momentum.chunks(columns));
        let mut total = 0.0;
        for ((similarity, momentum), hard) in rows.zip(hard.chunks(columns)) {
            let soft = softmax(momentum);
            for (at, p) in softmax(similarity).into_iter().enumerate() {
                total -= (alpha * soft[at] + (1.0 - alpha) * hard[at]) * p.ln();
            }
        }
        total / (similarity.len() / columns) as f64
    }

    #[test]
    fn the_contrast_over_batch_and_queue_is_its_definition() {
        let device = Device::flex();
        let (keys, queue) = ([5, 6, 5], [Some(6), None, Some(9), Some(5)]);
        let random =
            || -> Tensor<2> { Tensor::random([3, 7], Distribution::Normal(0.0, 2.0), &device) };
        let (similarity, momentum) = (random(), random());
        let host =
            |tensor: &Tensor<2>| -> Vec<f32> { tensor.clone().try_into_vec_as().expect("floats") };
        let third = 1.0 / 3.0;
        let diagonal = [
            [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        ];
        let same = [
            [third, 0.0, third, 0.0, 0.0, 0.0, third],
            [0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0],
            [third, 0.0, third, 0.0, 0.0, 0.0, third],
        ];
        for (targets, hard) in [
            (ItcTargets::Diagonal, diagonal),
            (ItcTargets::SameCaption, same),
        ] {
            for alpha in [0.0, 0.4, 1.0] {
                let ours = hard_targets(targets, &keys, &queue, &device);
                let ours = contrast_targets(momentum.clone(), ours, alpha);
                let ours = contrast(similarity.clone(), ours).into_scalar::<f32>();
                let (s, m) = (host(&similarity), host(&momentum));
                let expected = contrast_by_hand(&s, &m, hard.as_flattened(), 7, alpha);
                assert!(
                    (f64::from(ours) - expected).abs() < 1e-5,
                    "{targets:?} {alpha}"
                );
            }
        }
    }

    #[test]
    fn without_a_queue_the_batch_is_all_there_is() {
        let targets = hard_targets(ItcTargets::Diagonal, &[1, 1], &[], &Device::flex());
        let values: Vec<f32> = targets.try_into_vec_as().expect("floats");
        assert_eq!(values, [1.0, 0.0, 0.0, 1.0]);
    }

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
