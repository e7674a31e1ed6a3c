//! The queues of momentum features that give the contrast its negatives.

use burn::tensor::{Device, Distribution, Tensor};

/// Features of past batches as columns, and where the next ones go.
#[derive(Clone, Debug)]
pub struct Queues {
    /// `[projection, size]`, on the plain device.
    pub image: Tensor<2>,
    /// `[projection, size]`, on the plain device.
    pub text: Tensor<2>,
    /// Key of the caption of every column; none of those the queue began with.
    pub captions: Vec<Option<u64>>,
    /// Column that the next batch begins at.
    pub pointer: usize,
}

impl Queues {
    /// Random unit columns, as the reference begins.
    pub fn random(projection: usize, size: usize, device: &Device) -> Self {
        let device = device.clone().inner();
        let random = || {
            let columns =
                Tensor::<2>::random([projection, size], Distribution::Normal(0.0, 1.0), &device);
            let length = columns.clone().square().sum_dim(0).sqrt().clamp_min(1e-12);
            columns / length
        };
        Self {
            image: random(),
            text: random(),
            captions: vec![None; size],
            pointer: 0,
        }
    }

    /// Replaces the oldest columns by features `[batch, projection]` of pairs whose captions have
    /// these `keys`, wrapping at the end.
    ///
    /// A batch larger than the queue leaves its last columns.
    pub fn enqueue(mut self, image: Tensor<2>, text: Tensor<2>, keys: &[u64]) -> Self {
        let [_, size] = self.image.dims();
        let [batch, _] = image.dims();
        let (mut taken, mut pointer) = (batch.saturating_sub(size), self.pointer);
        while taken < batch {
            let count = (batch - taken).min(size - pointer);
            let columns =
                |features: &Tensor<2>| features.clone().narrow(0, taken, count).transpose();
            let target = [0..self.image.dims()[0], pointer..pointer + count];
            self.image = self.image.slice_assign(target.clone(), columns(&image));
            self.text = self.text.slice_assign(target, columns(&text));
            for offset in 0..count {
                self.captions[pointer + offset] = keys.get(taken + offset).copied();
            }
            taken += count;
            pointer = (pointer + count) % size;
        }
        self.pointer = pointer;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_wraps_at_the_end() {
        let device = Device::flex();
        let queues = Queues {
            image: Tensor::zeros([1, 5], &device),
            text: Tensor::zeros([1, 5], &device),
            captions: vec![None; 5],
            pointer: 3,
        };
        let features = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &device);
        let queues = queues.enqueue(features.clone(), features, &[7, 8, 9]);
        assert_eq!(queues.captions, [Some(9), None, None, Some(7), Some(8)]);
        let columns: Vec<f32> = queues.image.try_into_vec_as().expect("floats");
        assert_eq!(columns, [3.0, 0.0, 0.0, 1.0, 2.0]);
        assert_eq!(queues.pointer, 1);
    }
}
