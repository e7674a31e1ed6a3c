//! Attention maps of a whole model: shapes, masks, and the same loss as without them.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use miss_model::{Answers, ModelConfig, Questions, Size, SpecialTokens, VqaModel};

fn config() -> ModelConfig {
    let mut config = Size::Tiny.config();
    config.text.dropout = 0.0;
    config.text.vocabulary = 40;
    config
}

#[test]
fn every_cross_attention_can_be_seen() {
    let special = SpecialTokens {
        padding: 0,
        separator: 1,
        decoder: 2,
        encoder: 3,
    };
    let device = Device::flex().autodiff();
    device.seed(21);
    let config = config();
    let model = VqaModel::new(&config, 32, &device);
    let images = Tensor::<4>::random([1, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
    let asked = [vec![4, 5, 6, 1], vec![4, 7, 1]];
    let questions = Questions::new(&asked, &[0, 0], &special, &device);
    let answers = Answers::new(&[vec![4, 8, 9, 1], vec![4, 10, 1]], &special, &device);
    let states = model.image_states(images, 0.0);
    let explanation = model.explain(states.clone(), &questions, &answers);

    // One map a layer: questions over 2 × 2 patches and the class token, answers over questions.
    assert_eq!(explanation.image.len(), config.text.depth);
    assert_eq!(explanation.question.len(), config.text.depth);
    let heads = config.text.heads;
    for map in &explanation.image {
        assert_eq!(map.probabilities.dims(), [2, heads, 4, 5]);
    }
    for map in &explanation.question {
        assert_eq!(map.probabilities.dims(), [2, heads, 4, 4]);
        // The second question has three tokens: its padding gets no attention.
        let padding = map
            .probabilities
            .clone()
            .slice([1..2, 0..heads, 0..4, 3..4]);
        assert_eq!(padding.max().into_scalar::<f32>(), 0.0);
    }
    for map in explanation.image.iter().chain(&explanation.question) {
        let sums: Vec<f32> = map
            .probabilities
            .clone()
            .sum_dim(3)
            .try_into_vec_as()
            .unwrap();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    }

    // The loss is that of the model without maps.
    let plain = model.loss(&model.question_states(states, &questions), &answers, 0.0);
    let loss = explanation.loss.clone().into_scalar::<f32>();
    assert!((loss - plain.into_scalar::<f32>()).abs() < 1e-5);

    let gradients = explanation.loss.backward();
    for map in explanation.image.iter().chain(&explanation.question) {
        let gradient = map.gradient(&gradients).unwrap();
        assert_eq!(gradient.dims(), map.probabilities.dims());
        assert!(gradient.abs().max().into_scalar::<f32>() > 0.0);
        let relevance = map.relevance(&gradients).unwrap();
        let [batch, _, tokens, sources] = map.probabilities.dims();
        assert_eq!(relevance.dims(), [batch, tokens, sources]);
        assert!(relevance.min().into_scalar::<f32>() >= 0.0);
    }

    // Without autodiff there are maps, but no gradients.
    let plain = Device::flex();
    let model = VqaModel::new(&config, 32, &plain);
    let images = Tensor::from_data(TensorData::zeros::<f32, _>([1, 3, 32, 32]), &plain);
    let questions = Questions::new(&asked[..1], &[0], &special, &plain);
    let answers = Answers::new(&[vec![4, 8, 1]], &special, &plain);
    let explanation = model.explain(model.image_states(images, 0.0), &questions, &answers);
    assert!(explanation.image[0].gradient(&gradients).is_none());
}
