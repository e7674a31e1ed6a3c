//! Cutting an image into patches.

use burn::tensor::Tensor;

/// Cuts images `[batch, 3, size, size]` into rows of pixels `[batch, patches, 3 · patch²]`.
///
/// Patches come in reading order and a row holds channel, then line, then column: the order of a
/// convolution kernel `[width, 3, patch, patch]`, so that a linear layer on the rows is the patch
/// convolution of the reference.
///
/// `size` must be a multiple of `patch`.
pub(crate) fn patches(images: Tensor<4>, patch: usize) -> Tensor<3> {
    let [batch, channels, height, width] = images.dims();
    let (rows, columns) = (height / patch, width / patch);
    images
        .reshape([batch, channels, rows, patch, columns, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows * columns, channels * patch * patch])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn a_row_is_channel_line_column_of_one_patch() {
        let device = Device::flex();
        let images = Tensor::<1, Int>::arange(0..2 * 3 * 4 * 4, &device)
            .float()
            .reshape([2, 3, 4, 4]);
        let rows = patches(images, 2);
        assert_eq!(rows.dims(), [2, 4, 12]);
        // Second patch of the first image: lines 0-1, columns 2-3 of each 16-pixel channel.
        let second: Vec<f32> = rows
            .narrow(0, 0, 1)
            .narrow(1, 1, 1)
            .try_into_vec_as()
            .expect("a row of floats");
        let expected = [2, 3, 6, 7, 18, 19, 22, 23, 34, 35, 38, 39].map(|v| v as f32);
        assert_eq!(second, expected);
    }
}
