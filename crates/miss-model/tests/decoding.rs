//! Decoding modes against brute force: teacher-forced log-probabilities of whole answers.
#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Distribution, Tensor};
use miss_model::{
    Answers, BeamSearch, GenerateError, Generated, LengthRule, PrefixTree, QuestionStates,
    Questions, Sampling, Size, SpecialTokens, VqaModel,
};

const SEPARATOR: u32 = 1;

fn special() -> SpecialTokens {
    SpecialTokens {
        padding: 0,
        separator: SEPARATOR,
        decoder: 2,
        encoder: 3,
    }
}

/// A small random model and three questions of different lengths about two images.
struct Asked {
    model: VqaModel,
    states: QuestionStates,
    device: Device,
}

fn asked(seed: u64) -> Asked {
    // Burn's CPU backend has one random generator for the whole process: tests beside this one must
    // not draw in between, or the model would be another one in every run.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex();
    device.seed(seed);
    let mut config = Size::Tiny.config();
    config.text.vocabulary = 12;
    config.text.positions = 24;
    let model = VqaModel::new(&config, 32, &device);
    // Weights of N(0, 0.02²) make every token about as probable; sharper ones make the tests sharp.
    let model = sharpened(model);
    let images = Tensor::<4>::random([2, 3, 32, 32], Distribution::Normal(0.0, 1.0), &device);
    let rows = [vec![4, 5, 6, 7, 1], vec![4, 8, 1], vec![4, 9, 10, 1]];
    let questions = Questions::new(&rows, &[0, 0, 1], &special(), &device);
    let states = model.question_states(model.image_states(images, 0.0), &questions);
    Asked {
        model,
        states,
        device,
    }
}

fn sharpened(model: VqaModel) -> VqaModel {
    use burn::module::{Module, ModuleMapper, Param};
    struct Sharpen(Vec<String>);
    impl ModuleMapper for Sharpen {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let vocabulary_bias = self.0 == ["head", "bias"];
            param.map(|value| match D {
                // Matrices only: a LayerNorm's ones stay.
                2 => value * 12.0,
                // Answers should come to an end.
                1 if vocabulary_bias => {
                    let [end, next] = [SEPARATOR as usize, SEPARATOR as usize + 1];
                    let more = value.clone().slice(end..next) + 3.0;
                    value.slice_assign(end..next, more)
                }
                _ => value,
            })
        }
    }
    model.map(&mut Sharpen(Vec::new()))
}

/// One question of several.
fn only(asked: &Asked, question: usize) -> QuestionStates {
    QuestionStates {
        hidden: asked.states.hidden.clone().narrow(0, question, 1),
        padding: asked.states.padding.clone().narrow(0, question, 1),
    }
}

/// Log-probability of `tokens` and `[SEP]` by teacher forcing: the training loss without smoothing.
fn forced(asked: &Asked, question: usize, tokens: &[u32]) -> f32 {
    let row: Vec<u32> = [4]
        .into_iter()
        .chain(tokens.iter().copied())
        .chain([SEPARATOR])
        .collect();
    let answers = Answers::new(&[row], &special(), &asked.device);
    -asked
        .model
        .loss(&only(asked, question), &answers, 0.0)
        .into_scalar::<f32>()
}

fn search(beams: usize) -> BeamSearch {
    BeamSearch {
        beams,
        max_length: 6,
        special: special(),
        ..BeamSearch::default()
    }
}

fn candidates() -> Vec<Vec<u32>> {
    [
        &[5][..],
        &[5, 6],
        &[5, 6, 7],
        &[8],
        &[9, 10],
        &[9, 11, 5, 6, 7, 8, 10],
        &[10, 4],
    ]
    .into_iter()
    .map(|tokens| {
        [4].into_iter()
            .chain(tokens.iter().copied())
            .chain([SEPARATOR])
            .collect()
    })
    .collect()
}

#[test]
fn token_log_probabilities_are_those_of_teacher_forcing() {
    let asked = asked(1);
    let mut ended = 0;
    for beams in [1, 4] {
        let answers = search(beams).run(&asked.model, &asked.states).unwrap();
        for (question, answers) in answers.iter().enumerate() {
            for answer in answers {
                let sum: f32 = answer.token_log_probabilities.iter().sum();
                assert!((sum - answer.log_probability).abs() < 1e-4);
                let tokens = answer.tokens.len() + usize::from(answer.ended);
                assert_eq!(answer.token_log_probabilities.len(), tokens);
                if answer.ended {
                    ended += 1;
                    let forced = forced(&asked, question, &answer.tokens);
                    assert!((forced - answer.log_probability).abs() < 1e-3);
                }
            }
        }
    }
    assert!(ended > 0, "no answer ended; nothing was compared");
}

#[test]
fn held_to_candidates_every_one_is_found_in_order() {
    let asked = asked(2);
    let rows = candidates();
    let tree = PrefixTree::new(&rows).unwrap();
    // More beams than candidates: dead beams must not count.
    for beams in [rows.len(), rows.len() + 5] {
        let answers = search(beams)
            .run_among(&asked.model, &asked.states, &tree)
            .unwrap();
        for (question, answers) in answers.iter().enumerate() {
            let mut expected: Vec<(usize, f32)> = rows
                .iter()
                .map(|row| &row[1..row.len() - 1])
                .map(|tokens| forced(&asked, question, tokens) / (tokens.len() + 1) as f32)
                .enumerate()
                .collect();
            expected.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_eq!(answers.len(), rows.len());
            for (answer, (candidate, score)) in answers.iter().zip(expected) {
                assert_eq!(answer.candidate, Some(candidate));
                assert!((answer.score - score).abs() < 1e-3);
                // The longest is longer than max_length, and not cut.
                assert_eq!(answer.tokens, rows[candidate][1..rows[candidate].len() - 1]);
                assert!(answer.ended);
            }
        }
    }
}

#[test]
fn one_beam_held_to_candidates_walks_greedily() {
    let asked = asked(3);
    let rows = candidates();
    let tree = PrefixTree::new(&rows).unwrap();
    let answers = search(1)
        .run_among(&asked.model, &asked.states, &tree)
        .unwrap();
    for (question, answers) in answers.iter().enumerate() {
        // By hand: at each step the probability of a prefix is that of its tokens.
        let mut prefix: Vec<u32> = Vec::new();
        let answer = loop {
            let fits = |row: &&Vec<u32>| row[1..].starts_with(&prefix);
            let next: Vec<u32> = rows
                .iter()
                .filter(fits)
                .map(|row| row[1 + prefix.len()])
                .collect();
            let of = |token: u32| {
                if token == SEPARATOR {
                    return forced(&asked, question, &prefix);
                }
                let longer: Vec<u32> = prefix.iter().copied().chain([token]).collect();
                prefix_log_probability(&asked, question, &longer)
            };
            let best = next
                .iter()
                .copied()
                .max_by(|a, b| of(*a).total_cmp(&of(*b)))
                .unwrap();
            if best == SEPARATOR {
                break prefix;
            }
            prefix.push(best);
        };
        assert_eq!(answers[0].tokens, answer);
    }
}

/// Log-probability of an answer's beginning: that of going on with every possible token.
fn prefix_log_probability(asked: &Asked, question: usize, prefix: &[u32]) -> f32 {
    // log p(prefix, SEP) − log p(SEP | prefix), the latter from a one-step search.
    let rows = [[4]
        .into_iter()
        .chain(prefix.iter().copied())
        .chain([SEPARATOR])
        .collect()];
    let tree = PrefixTree::new(&rows).unwrap();
    let found = search(1)
        .run_among(&asked.model, &only(asked, question), &tree)
        .unwrap();
    let tokens = &found[0][0].token_log_probabilities;
    tokens[..prefix.len()].iter().sum()
}

#[test]
fn the_newer_length_rule_differs_for_answers_that_were_cut() {
    let (mut cut, mut ended) = (0, 0);
    for seed in 1..6 {
        let asked = asked(seed);
        let run = |length_rule| {
            let search = BeamSearch {
                length_rule,
                ..search(4)
            };
            search.run(&asked.model, &asked.states).unwrap()
        };
        let (old, new) = (run(LengthRule::CountsPrompt), run(LengthRule::CountsEnd));
        for (old, new) in old.iter().zip(&new) {
            for answer in new {
                let same: Vec<&Generated> = old
                    .iter()
                    .filter(|other| other.tokens == answer.tokens && other.ended == answer.ended)
                    .collect();
                let [other] = same[..] else { continue };
                let ratio = if answer.ended { 1.0 } else { 6.0 / 5.0 };
                assert!((answer.score - other.score * ratio).abs() < 1e-5);
                cut += usize::from(!answer.ended);
                ended += usize::from(answer.ended);
            }
        }
    }
    assert!(cut > 0 && ended > 0, "{cut} cut, {ended} ended");
}

#[test]
fn samples_depend_on_seed_and_key_alone() {
    let asked = asked(4);
    let sampling = |seed| Sampling {
        temperature: 1.5,
        top_p: 0.95,
        max_length: 6,
        mask_question_padding: true,
        seed,
        special: special(),
    };
    let keys = [11, 12, 13];
    let run = |seed| {
        sampling(seed)
            .run(&asked.model, &asked.states, &keys)
            .unwrap()
    };
    let together = run(1);
    assert_eq!(together, run(1));
    for (question, answer) in together.iter().enumerate() {
        let key = [keys[question]];
        let alone = sampling(1)
            .run(&asked.model, &only(&asked, question), &key)
            .unwrap();
        assert_eq!(alone[0].tokens, answer.tokens);
    }
    let all: Vec<_> = (0..20).flat_map(run).map(|answer| answer.tokens).collect();
    assert!(
        all.iter().any(|tokens| *tokens != all[0]),
        "seeds change nothing"
    );

    // Cold, it is greedy search.
    let cold = Sampling {
        temperature: 1e-4,
        top_p: 1.0,
        ..sampling(3)
    };
    let cold = cold.run(&asked.model, &asked.states, &keys).unwrap();
    let greedy = search(1).run(&asked.model, &asked.states).unwrap();
    for (cold, greedy) in cold.iter().zip(greedy) {
        assert_eq!(cold.tokens, greedy[0].tokens);
        assert!((cold.log_probability - greedy[0].log_probability).abs() < 1e-4);
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let asked = asked(5);
    let refused = |search: BeamSearch| search.run(&asked.model, &asked.states).unwrap_err();
    assert_eq!(refused(search(0)), GenerateError::NoBeams);
    let long = BeamSearch {
        max_length: 25,
        ..search(1)
    };
    let expected = GenerateError::Length {
        length: 25,
        positions: 24,
    };
    assert_eq!(refused(long), expected);
    assert!(refused(long).to_string().contains("from 2 to 24"));
    let sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        max_length: 6,
        mask_question_padding: true,
        seed: 0,
        special: special(),
    };
    let error = sampling
        .run(&asked.model, &asked.states, &[0; 3])
        .unwrap_err();
    assert_eq!(error, GenerateError::Temperature(0.0));
    let error = Sampling {
        temperature: 1.0,
        ..sampling
    }
    .run(&asked.model, &asked.states, &[0]);
    let keys = GenerateError::Keys {
        keys: 1,
        questions: 3,
    };
    assert_eq!(error.unwrap_err(), keys);
}
