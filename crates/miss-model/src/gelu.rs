//! The activation of every feed-forward part.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::{Device, Tensor, activation};

/// GELU in its erf form, `x · Φ(x)`, which all published weights were trained with.
///
/// Burn's own has the exact value everywhere, but its gradient only on the CPU backend: elsewhere it
/// is that of the tanh approximation. There it is composed of operations with exact gradients.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let device = x.device();
    if device.is_autodiff() && device.inner() != Device::flex() {
        composed(x)
    } else {
        activation::gelu(x)
    }
}

fn composed<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let twice_phi = (x.clone() * FRAC_1_SQRT_2).erf() + 1.0;
    x * twice_phi * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x, x · Φ(x) and Φ(x) + x · φ(x), from a table of the normal distribution.
    const TABLE: [[f32; 3]; 5] = [
        [-2.0, -0.045_5, -0.085_232],
        [-1.0, -0.158_655, -0.083_315],
        [0.0, 0.0, 0.5],
        [1.0, 0.841_345, 1.083_315],
        [2.0, 1.954_5, 1.085_232],
    ];

    #[test]
    fn value_and_gradient_are_those_of_the_erf_form_both_ways() {
        let device = Device::flex().autodiff();
        for way in [gelu::<1>, composed::<1>] {
            let x = Tensor::<1>::from_floats(TABLE.map(|row| row[0]), &device).require_grad();
            let y = way(x.clone());
            let gradients = y.clone().sum().backward();
            let y: Vec<f32> = y.inner().try_into_vec_as().expect("floats");
            let gradient = x.grad(&gradients).expect("a gradient");
            let gradient: Vec<f32> = gradient.try_into_vec_as().expect("floats");
            for ((row, y), gradient) in TABLE.iter().zip(y).zip(gradient) {
                assert!((y - row[1]).abs() < 2e-6, "{row:?}: {y}");
                assert!((gradient - row[2]).abs() < 2e-6, "{row:?}: {gradient}");
            }
        }
    }
}
