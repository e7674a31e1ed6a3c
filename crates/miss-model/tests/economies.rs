//! What is computed once and shared gives the outputs and gradients of computing it every time.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use miss_model::{
    Answers, BeamSearch, Captions, ImageWork, ModelConfig, NegativePair, PretrainModel, Questions,
    RankScoring, Ranking, Rows, Size, SpecialTokens, VqaModel,
};
use support::{difference, export};

const IMAGE_SIZE: usize = 32;
/// fp32 rounding over two layers and a backward pass; the two ways add in another order.
const TOLERANCE: f32 = 2e-5;

/// Burn's CPU backend has one random generator for the whole process: a test that draws what another
/// run must draw again cannot share it with a test beside it.
static GENERATOR: Mutex<()> = Mutex::new(());

/// Small, without dropout, image states wider than text states.
fn config() -> ModelConfig {
    let mut config = Size::Tiny.config();
    config.image.width = 48;
    config.image.feed_forward = 64;
    config.text.dropout = 0.0;
    config.text.vocabulary = 50;
    config
}

fn special() -> SpecialTokens {
    SpecialTokens {
        padding: 0,
        separator: 1,
        decoder: 2,
        encoder: 3,
    }
}

/// Token rows of different lengths.
fn rows(count: usize, shift: usize) -> Vec<Vec<u32>> {
    (0..count)
        .map(|row| {
            let inner =
                (0..2 + (row + shift) % 4).map(|at| 4 + ((row * 7 + at * 3 + shift) % 46) as u32);
            [4].into_iter().chain(inner).chain([1]).collect()
        })
        .collect()
}

fn images(count: usize, device: &Device) -> Tensor<4> {
    let shape = [count, 3, IMAGE_SIZE, IMAGE_SIZE];
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn assert_same(what: &str, ours: &BTreeMap<String, Vec<f32>>, plain: &BTreeMap<String, Vec<f32>>) {
    assert!(!plain.is_empty());
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        plain.keys().collect::<Vec<_>>()
    );
    for (name, plain) in plain {
        // A gradient that is zero but for rounding (key biases) has no scale of its own.
        let largest = plain.iter().fold(0f32, |a, b| a.max(b.abs()));
        if largest < 1e-6 {
            continue;
        }
        let difference = difference(&ours[name], plain);
        assert!(
            difference <= TOLERANCE,
            "{what}: {name} differs by {difference:e}"
        );
    }
}

/// Which image each question is about, for each way that rows can meet their source.
fn groupings() -> Vec<(&'static str, usize, Vec<usize>)> {
    let grouped = |about: &[usize], sources| match Rows::new(about, sources, &Device::flex()) {
        Rows::Each => "each",
        Rows::Groups(_) => "groups",
        Rows::Slots(_) => "slots",
        Rows::Gather(_) => "gather",
    };
    let all: Vec<_> = [
        (2, vec![0, 0, 0, 1, 1, 1]),
        (2, vec![1, 0, 0, 1, 0]),
        (4, vec![3, 3, 3, 3, 3, 0]),
        (3, vec![0, 1, 2]),
    ]
    .into_iter()
    .map(|(sources, about)| (grouped(&about, sources), sources, about))
    .collect();
    let kinds: Vec<_> = all.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, ["groups", "slots", "gather", "each"]);
    all
}

#[test]
fn an_image_is_encoded_once_for_all_its_questions_in_fine_tuning() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex().autodiff();
    device.seed(7);
    let model = VqaModel::new(&config(), IMAGE_SIZE, &device);
    for (what, sources, about) in groupings() {
        let pixels = images(sources, &device);
        let (asked, answered) = (rows(about.len(), 0), rows(about.len(), 1));
        let answers = Answers::new(&answered, &special(), &device);
        let step = |pixels: Tensor<4>, about: &[usize]| {
            let questions = Questions::new(&asked, about, &special(), &device);
            let states = model.question_states(model.image_states(pixels, 0.0), &questions);
            let loss = model.loss(&states, &answers, 0.1);
            let hidden: Vec<f32> = states.hidden.inner().try_into_vec_as().unwrap();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let value = loss.into_scalar::<f32>();
            (hidden, value, export(&model, Some(&gradients), false))
        };
        let ours = step(pixels.clone(), &about);
        let repeated = about
            .iter()
            .map(|image| pixels.clone().narrow(0, *image, 1))
            .collect();
        let each: Vec<usize> = (0..about.len()).collect();
        let plain = step(Tensor::cat(repeated, 0), &each);
        assert!(difference(&ours.0, &plain.0) <= TOLERANCE, "{what}: states");
        assert!((ours.1 - plain.1).abs() <= 1e-5 * plain.1, "{what}: loss");
        assert_same(what, &ours.2, &plain.2);
    }
}

#[test]
fn keys_and_values_are_projected_once_in_pretraining() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex().autodiff();
    let captions = Captions::new(&rows(4, 0), &special(), &device);
    let pixels = images(4, &device);
    let pair = |text, image| NegativePair { text, image };
    for negatives in [
        vec![pair(0, 1), pair(1, 2), pair(2, 3), pair(3, 0), pair(1, 0)],
        // One image is everybody's hardest.
        vec![pair(0, 1), pair(2, 1), pair(3, 1), pair(0, 1)],
        Vec::new(),
    ] {
        let step = |work| {
            device.seed(9);
            let config = ModelConfig {
                image_work: work,
                ..config()
            };
            let model = PretrainModel::new(&config, IMAGE_SIZE, &device);
            let states = model.encoders.image_encoder.forward(pixels.clone(), 0.0);
            let both = model.match_and_caption(states, &captions, &negatives);
            let loss = both.matching + both.captioning;
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            let value = loss.into_scalar::<f32>();
            (value, export(&model, Some(&gradients), false))
        };
        let (ours, plain) = (step(ImageWork::Once), step(ImageWork::Repeated));
        assert!((ours.0 - plain.0).abs() <= 1e-5 * plain.0);
        assert_same("pretraining", &ours.1, &plain.1);
    }
}

#[test]
fn an_image_is_encoded_once_for_all_its_questions_in_prediction_and_ranking() {
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex();
    device.seed(11);
    let model = VqaModel::new(&config(), IMAGE_SIZE, &device);
    let search = BeamSearch {
        max_length: 6,
        special: special(),
        ..BeamSearch::default()
    };
    let ranking = Ranking {
        k: 4,
        scoring: RankScoring::Blip,
        special: special(),
    };
    let candidates = rows(6, 3);
    for (what, sources, about) in groupings() {
        let pixels = images(sources, &device);
        let asked = rows(about.len(), 2);
        let answer = |pixels: Tensor<4>, rows: &[Vec<u32>], about: &[usize]| {
            let questions = Questions::new(rows, about, &special(), &device);
            let states = model.question_states(model.image_states(pixels, 0.0), &questions);
            let written = search.run(&model, &states).unwrap();
            (written, ranking.run(&model, &states, &candidates).unwrap())
        };
        let (written, ranked) = answer(pixels.clone(), &asked, &about);
        for (index, image) in about.iter().enumerate() {
            let pixels = pixels.clone().narrow(0, *image, 1);
            let (alone, alone_ranked) = answer(pixels, &asked[index..=index], &[0]);
            assert_eq!(written[index].len(), alone[0].len());
            for (a, b) in written[index].iter().zip(&alone[0]) {
                assert_eq!(a.tokens, b.tokens, "{what}");
                let off = (a.log_probability - b.log_probability).abs();
                assert!(off < 1e-4, "{what}: {off}");
            }
            assert_eq!(ranked[index].len(), 4);
            for (a, b) in ranked[index].iter().zip(&alone_ranked[0]) {
                assert_eq!(a.candidate, b.candidate, "{what}");
                assert!((a.score - b.score).abs() < 1e-4, "{what}");
            }
        }
    }
}
