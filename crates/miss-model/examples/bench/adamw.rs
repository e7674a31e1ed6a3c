//! AdamW in one pass.

use burn::optim::{AdamW, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;

/// AdamW as Burn's, which composes it of a dozen passes over the parameters, on a CPU in one.
#[derive(Clone)]
pub struct FusedAdamW {
    composed: AdamW,
    epsilon: f32,
    weight_decay: f32,
}

impl FusedAdamW {
    pub fn new(epsilon: f32, weight_decay: f32) -> Self {
        let composed = burn::optim::AdamWConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(BETA_2)
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay)
            .build();
        Self { composed, epsilon, weight_decay }
    }

    fn update(&self, lr: f32, time: i32, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let decay = 1.0 - lr * self.weight_decay;
        let (bias_1, bias_2) = (1.0 - BETA_1.powi(time), 1.0 - BETA_2.powi(time));
        let (rate, scale) = (lr / bias_1, bias_2.sqrt().recip());
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            *m = *m * BETA_1 + g * (1.0 - BETA_1);
            *v = *v * BETA_2 + g * g * (1.0 - BETA_2);
            *p = *p * decay - rate * *m / (v.sqrt() * scale + self.epsilon);
        }
    }
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let device = tensor.device();
        if device != Device::flex() || tensor.dtype() != DType::F32 {
            return self.composed.step(lr, tensor, grad, state);
        }
        let shape = tensor.shape();
        let zeros = || Tensor::zeros(shape.clone(), &device);
        let (time, m, v) = match state {
            Some(AdamWState { momentum }) => (momentum.time + 1, momentum.moment_1, momentum.moment_2),
            None => (1, zeros(), zeros()),
        };
        let mut data: [TensorData; 4] = [tensor.into_data(), grad.into_data(), m.into_data(), v.into_data()];
        {
            let [p, g, m, v] = &mut data;
            let (Ok(mut p), Ok(mut g), Ok(mut m), Ok(mut v)) =
                (p.as_mut_slice::<f32>(), g.as_slice::<f32>(), m.as_mut_slice::<f32>(), v.as_mut_slice::<f32>())
            else { unreachable!() };
            let time = time as i32;
            if p.len() < 65536 {
                self.update(lr as f32, time, p, g, m, v);
            } else {
                std::thread::scope(|s| {
                    let chunk = p.len().div_ceil(2);
                    while !p.is_empty() {
                        let n = chunk.min(p.len());
                        let (a, b, c, d);
                        (a, p) = p.split_at_mut(n);
                        (b, g) = g.split_at(n);
                        (c, m) = m.split_at_mut(n);
                        (d, v) = v.split_at_mut(n);
                        s.spawn(move || self.update(lr as f32, time, a, b, c, d));
                    }
                });
            }
        }
        let [p, _, m, v] = data;
        let state = AdamWState::new(AdaptiveMomentumState::new(time, Tensor::from_data(m, &device), Tensor::from_data(v, &device)));
        (Tensor::from_data(p, &device), Some(state))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamW::to_device(state, device)
    }
}
