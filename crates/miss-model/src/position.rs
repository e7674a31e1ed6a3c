//! Position embeddings for another image size.

use burn::tensor::{Device, Tensor, TensorData};

/// Resizes the position embeddings `[1, 1 + n, width]` of a square grid to `tokens` tokens.
///
/// The class token's embedding is kept; the grid is interpolated as the reference does
/// (`reference.md` 1.5): bicubic with a = −0.75, half-pixel centres, borders clamped, no
/// antialiasing. `n` and `tokens - 1` must be square numbers.
pub fn interpolate_positions(embedding: Tensor<3>, tokens: usize) -> Tensor<3> {
    let [_, from_tokens, width] = embedding.dims();
    if from_tokens == tokens {
        return embedding;
    }
    let (from, to) = (side(from_tokens), side(tokens));
    let device = embedding.device();
    let class = embedding.clone().narrow(1, 0, 1);
    let grid = embedding
        .narrow(1, 1, from_tokens - 1)
        .reshape([from, from * width]);
    let weights = weights(from, to, &device);
    // Rows first, then columns: [to, from] · [from, from · width], then the same on the other axis.
    let rows = weights
        .clone()
        .matmul(grid)
        .reshape([to, from, width])
        .swap_dims(0, 1)
        .reshape([from, to * width]);
    let grid = weights
        .matmul(rows)
        .reshape([to, to, width])
        .swap_dims(0, 1)
        .reshape([1, to * to, width]);
    Tensor::cat(vec![class, grid], 1)
}

/// Side of the square grid behind `tokens` tokens, the class token not counted.
fn side(tokens: usize) -> usize {
    (tokens - 1).isqrt()
}

/// Interpolation weights `[to, from]`: row i holds the shares of the source points in point i.
fn weights(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; to * from];
    let scale = from as f64 / to as f64;
    for (target, row) in values.chunks_exact_mut(from).enumerate() {
        let centre = (target as f64 + 0.5) * scale - 0.5;
        let floor = centre.floor();
        for tap in -1..=2i64 {
            let source = (floor as i64 + tap).clamp(0, from as i64 - 1) as usize;
            row[source] += cubic(centre - floor - tap as f64) as f32;
        }
    }
    Tensor::from_data(TensorData::new(values, [to, from]), device)
}

/// The cubic convolution kernel with a = −0.75 (Keys, 1981), the value PyTorch uses.
fn cubic(distance: f64) -> f64 {
    const A: f64 = -0.75;
    let x = distance.abs();
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_point_sum_to_one() {
        for (from, to) in [(2, 3), (6, 14), (14, 30), (30, 14)] {
            let sums: Vec<f32> = weights(from, to, &Device::flex())
                .sum_dim(1)
                .try_into_vec_as()
                .expect("floats");
            assert!(
                sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6),
                "{from} -> {to}: {sums:?}"
            );
        }
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let device = Device::flex();
        let embedding =
            Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0], &device).reshape([1, 5, 1]);
        let same: Vec<f32> = interpolate_positions(embedding, 5)
            .try_into_vec_as()
            .expect("floats");
        assert_eq!(same, [1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
