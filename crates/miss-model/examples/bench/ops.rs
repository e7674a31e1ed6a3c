//! Single operations at the shapes they have in `base` with two images of 480 px.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::{gelu, log_softmax, softmax};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Int, Tensor};

use crate::{Case, Run};
use serde_json::Value;

/// Tokens of two images.
const ROWS: usize = 2 * 901;
const WIDTH: usize = 768;
const VOCABULARY: usize = 30_524;

/// The case called `name`; `_train` is forward and backward.
pub(crate) fn case(name: &str) -> Option<Case> {
    let (operation, device) = match name.strip_suffix("_train") {
        Some(operation) => (operation, Device::flex().autodiff()),
        None => (name, Device::flex()),
    };
    Some(match operation {
        "linear" => {
            let layer: Linear = LinearConfig::new(WIDTH, 4 * WIDTH).init(&device);
            over(tokens(&device, WIDTH), move |x| layer.forward(x))
        }
        "linear_small" => {
            // The eleven questions of one image.
            let layer: Linear = LinearConfig::new(WIDTH, WIDTH).init(&device);
            over(normal([11, 12, WIDTH], &device), move |x| layer.forward(x))
        }
        "attention" => attended(901, 901, &device),
        "attention_cross" => attended(11 * 12, 901, &device),
        "attention_plain" => {
            let key = normal::<4>([2, 12, 901, 64], &device);
            let value = normal::<4>([2, 12, 901, 64], &device);
            over(normal::<4>([2, 12, 901, 64], &device), move |query| {
                let scores = (query * 0.125).matmul(key.clone().swap_dims(2, 3));
                softmax(scores, 3).matmul(value.clone())
            })
        }
        "attention_deferred" => {
            let key = normal::<4>([2, 12, 901, 64], &device);
            let value = normal::<4>([2, 12, 901, 64], &device);
            over(normal::<4>([2, 12, 901, 64], &device), move |query| {
                let scores = (query * 0.125).matmul(key.clone().swap_dims(2, 3));
                let max = scores.clone().detach().max_dim(3);
                let exp = (scores - max).exp();
                let sum = exp.clone().sum_dim(3);
                exp.matmul(value.clone()) / sum
            })
        }
        "attention_text" => attended(12, 12, &device),
        "softmax" => over(normal([24, 901, 901], &device), |x| softmax(x, 2)),
        "gelu" => over(tokens(&device, 4 * WIDTH), gelu),
        "layer_norm" => {
            let norm: LayerNorm = LayerNormConfig::new(WIDTH).init(&device);
            over(tokens(&device, WIDTH), move |x| norm.forward(x))
        }
        "add" => {
            let other = tokens(&device, WIDTH);
            over(tokens(&device, WIDTH), move |x| x + other.clone())
        }
        "split_heads" => over(tokens(&device, 3 * WIDTH), |x| {
            let parts = x.reshape([2, 901, 3, 12, 64]).permute([2, 0, 3, 1, 4]);
            let head = parts.narrow(0, 1, 1).reshape([2, 12, 901, 64]);
            head.swap_dims(1, 2).reshape([2, 901, WIDTH])
        }),
        "embedding" => {
            let layer: Embedding = EmbeddingConfig::new(VOCABULARY, WIDTH).init(&device);
            embedded(layer, &device)
        }
        "vocabulary" => {
            let words = normal::<2>([VOCABULARY, WIDTH], &device);
            over(normal([44, WIDTH], &device), move |x: Tensor<2>| {
                x.matmul(words.clone().transpose())
            })
        }
        "log_softmax" => over(normal([33, VOCABULARY], &device), |x: Tensor<2>| {
            log_softmax(x, 1)
        }),
        "adamw" | "adamw_loop" => adamw(&device.autodiff()),
        _ => return None,
    })
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let tensor = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
    match device.is_autodiff() {
        true => tensor.require_grad(),
        false => tensor,
    }
}

fn tokens(device: &Device, width: usize) -> Tensor<3> {
    normal([2, ROWS / 2, width], device)
}

/// Runs `operation` on `input`; on a device with autodiff the backward pass too, with a random
/// gradient of the result.
fn over<const D: usize, const E: usize>(
    input: Tensor<D>,
    operation: impl Fn(Tensor<D>) -> Tensor<E> + 'static,
) -> Case {
    let mut cotangent = None;
    Box::new(move || {
        let output = operation(input.clone());
        if output.is_autodiff() {
            let cotangent = cotangent
                .get_or_insert_with(|| normal(output.dims(), &output.device()).detach())
                .clone();
            let gradients = (output * cotangent).sum().backward();
            std::hint::black_box(input.grad(&gradients));
        } else {
            std::hint::black_box(output);
        }
        Ok(Run::whole(Value::Null))
    })
}

/// Two batch rows of twelve heads.
fn attended(queries: usize, keys: usize, device: &Device) -> Case {
    let key = normal::<4>([2, 12, keys, 64], device);
    let value = normal::<4>([2, 12, keys, 64], device);
    over(normal([2, 12, queries, 64], device), move |query| {
        let options = AttentionModuleOptions::default();
        attention(query, key.clone(), value.clone(), None, None, options)
    })
}

fn embedded(layer: Embedding, device: &Device) -> Case {
    let ids: Vec<i64> = (0..11 * 12).map(|token| token * 97 % 30_000).collect();
    let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), device).reshape([11, 12]);
    let cotangent = normal::<3>([11, 12, WIDTH], device);
    Box::new(move || {
        let output = layer.forward(ids.clone());
        if output.is_autodiff() {
            let gradients = (output * cotangent.clone()).sum().backward();
            std::hint::black_box(layer.weight.val().grad(&gradients));
        } else {
            std::hint::black_box(output);
        }
        Ok(Run::whole(Value::Null))
    })
}

/// A step over 94 million parameters; the gradients are made outside the measured part.
fn adamw(device: &Device) -> Case {
    #[derive(Module, Debug)]
    struct Layers {
        layers: Vec<Linear>,
    }
    let layer = || LinearConfig::new(WIDTH, 4 * WIDTH).init(device);
    let mut module = Some(Layers {
        layers: (0..40).map(|_| layer()).collect(),
    });
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.05).init();
    let input = normal::<2>([1, WIDTH], device);
    Box::new(move || {
        let Some(layers) = module.take() else {
            return Ok(Run::whole(Value::Null));
        };
        let outputs = layers
            .layers
            .iter()
            .map(|layer| layer.forward(input.clone()));
        let gradients = Tensor::cat(outputs.collect(), 0).sum().backward();
        let gradients = GradientsParams::from_grads(gradients, &layers);
        let start = std::time::Instant::now();
        module = Some(optimizer.step(1e-4, layers, gradients));
        Ok(Run {
            seconds: Some(start.elapsed().as_secs_f64()),
            output: Value::Null,
        })
    })
}
