//! Ranking of candidate answers against the reference, by both published scorings.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use burn::tensor::Device;
use miss_model::{Questions, RankScoring, Ranked, Ranking, VqaModel};
use support::{Fixture, assert_close, difference, folders, load};

/// For each question, what was ranked, by candidate.
fn by_candidate(ranked: &[Vec<Ranked>]) -> Vec<BTreeMap<i64, Ranked>> {
    ranked
        .iter()
        .map(|list| {
            list.iter()
                .map(|one| (one.candidate as i64, *one))
                .collect()
        })
        .collect()
}

#[test]
fn both_scorings_of_every_candidate() {
    for folder in folders("vqa") {
        let what = folder.display().to_string();
        let device = Device::flex();
        let config = support::config(&folder);
        let special = support::special(&config);
        let inputs = Fixture::read(&folder.join("rank/inputs.safetensors"));
        let expected = Fixture::read(&folder.join("rank/expected.safetensors"));
        let size = config["image_size"].as_u64().unwrap() as usize;
        let model = load(
            VqaModel::new(&support::model_config(&config), size, &device),
            &Fixture::read(&folder.join("model.safetensors")),
            false,
        );
        let rows = inputs.rows("question_ids", "question_mask");
        let about: Vec<usize> = (0..rows.len()).collect();
        let states = model.question_states(
            model.image_states(inputs.tensor("images", &device), 0.0),
            &Questions::new(&rows, &about, &special, &device),
        );
        assert_close(
            &what,
            states.hidden.clone(),
            &expected,
            "question_states",
            1e-4,
        );

        let candidates = inputs.rows("candidate_ids", "candidate_mask");
        let shape = expected.shape("topk_ids_sorted");
        let (questions, k) = (shape[0], shape[1]);
        let rank = |k, scoring| {
            let ranking = Ranking {
                k,
                scoring,
                special,
            };
            ranking.run(&model, &states, &candidates).unwrap()
        };
        let top = expected.integers("topk_ids_sorted");
        let chosen = |list: &BTreeMap<i64, Ranked>| list.keys().copied().collect::<Vec<_>>();
        let values = |lists: &[BTreeMap<i64, Ranked>], of: fn(&Ranked) -> f32| -> Vec<f32> {
            lists
                .iter()
                .flat_map(|list| list.values().map(of))
                .collect()
        };
        let close = |found: &[f32], name: &str| {
            let difference = difference(found, &expected.floats(name));
            assert!(
                difference <= 1e-4,
                "{what}: {name} differs by {difference:e}"
            );
        };
        let winners = |lists: &[Vec<Ranked>]| -> Vec<i64> {
            lists.iter().map(|list| list[0].candidate as i64).collect()
        };

        let blip = rank(k, RankScoring::Blip);
        assert_eq!(winners(&blip), expected.integers("blip_best"), "{what}");
        let lists = by_candidate(&blip);
        for (question, list) in lists.iter().enumerate() {
            assert_eq!(chosen(list), &top[question * k..][..k], "{what}: top k");
        }
        close(&values(&lists, |one| -one.score), "blip_loss");
        close(&values(&lists, |one| -one.log_probability), "albef_ce");

        let albef = rank(k, RankScoring::Albef);
        assert_eq!(winners(&albef), expected.integers("albef_best"), "{what}");
        let lists = by_candidate(&albef);
        close(&values(&lists, |one| one.score), "albef_score");
        close(&values(&lists, |one| one.probability), "albef_prob");
        let first = |one: &Ranked| one.first_token_log_probability;
        close(&values(&lists, first), "albef_first_token_logp");

        // k is clamped: asking for more than there are ranks them all.
        let all = rank(candidates.len() + 100, RankScoring::Blip);
        assert!(all.iter().all(|list| list.len() == candidates.len()));
        let best = expected.integers("blip_best_if_all_ranked");
        assert_eq!(winners(&all), best, "{what}");
        let lists = by_candidate(&all);
        let first = |one: &Ranked| one.first_token_log_probability.exp();
        close(&values(&lists, first), "first_token_prob_all");
        assert_eq!(lists.len(), questions);
    }
}
