//! Drawing the hard negatives of image–text matching.

use crate::hash::unit_interval;
use crate::pretrain::NegativePair;

/// What is added to every probability, so that each candidate can be drawn (`reference.md` 1.3).
const FLOOR: f64 = 1e-4;

/// For each caption an image that is not its own, and for each image a caption that is not its own,
/// drawn with the probabilities that the contrast gives them.
///
/// `image_to_text` and `text_to_image` are similarities over temperature, `[batch, batch]` in rows;
/// `captions` has a key for every row ([`Captions::keys`](crate::Captions::keys)).
/// Two rows with the same caption are no negatives of each other: TransCap makes many such rows, and
/// the pair would be a match. A row that has nothing else left gets no negative.
///
/// The draw is a function of `seed` alone.
pub fn hard_negatives(
    image_to_text: &[f32],
    text_to_image: &[f32],
    captions: &[u64],
    seed: u64,
) -> Vec<NegativePair> {
    let batch = captions.len();
    let pick = |similarities: &[f32], row: usize, stream: u64| {
        let similarities = &similarities[row * batch..][..batch];
        let random = unit_interval(&[seed, stream, row as u64]);
        sample(similarities, random, |other| {
            captions[other] == captions[row]
        })
    };
    let mut pairs = Vec::with_capacity(2 * batch);
    pairs.extend((0..batch).filter_map(|text| {
        let image = pick(text_to_image, text, 0)?;
        Some(NegativePair { text, image })
    }));
    pairs.extend((0..batch).filter_map(|image| {
        let text = pick(image_to_text, image, 1)?;
        Some(NegativePair { text, image })
    }));
    pairs
}

/// An index drawn from `softmax(similarities) + FLOOR`, without those `excluded`; `random` is in
/// `[0, 1)`.
fn sample(similarities: &[f32], random: f64, excluded: impl Fn(usize) -> bool) -> Option<usize> {
    let highest = similarities
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = similarities
        .iter()
        .map(|s| f64::from(s - highest).exp())
        .collect();
    let sum: f64 = exponentials.iter().sum();
    let weights: Vec<f64> = exponentials
        .iter()
        .enumerate()
        .map(|(index, value)| {
            if excluded(index) {
                0.0
            } else {
                value / sum + FLOOR
            }
        })
        .collect();
    let mut left = random * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return Some(index);
        }
    }
    // Rounding may leave a rest; nothing at all is left when every candidate was excluded.
    weights.iter().rposition(|weight| *weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_never_shares_the_caption() {
        let captions = [1, 2, 1, 3];
        let similarities = [9.0, 0.0, 9.0, 0.0].repeat(4);
        for seed in 0..200 {
            let pairs = hard_negatives(&similarities, &similarities, &captions, seed);
            assert_eq!(pairs.len(), 8);
            assert!(
                pairs
                    .iter()
                    .all(|pair| captions[pair.text] != captions[pair.image])
            );
        }
    }

    #[test]
    fn captions_draw_images_and_images_captions() {
        // Caption 0 is nearest to image 1, and image 0 to caption 2.
        let text_to_image = [0.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let image_to_text = [0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let mut counts = [0; 2];
        for seed in 0..100 {
            let pairs = hard_negatives(&image_to_text, &text_to_image, &[1, 2, 3], seed);
            counts[0] += usize::from(pairs[0] == NegativePair { text: 0, image: 1 });
            counts[1] += usize::from(pairs[3] == NegativePair { text: 2, image: 0 });
        }
        assert!(counts.iter().all(|count| *count >= 95), "{counts:?}");
    }

    #[test]
    fn a_batch_of_one_caption_has_no_negatives() {
        assert!(hard_negatives(&[0.0; 4], &[0.0; 4], &[1, 1], 1).is_empty());
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let similarities = [0.0, 1.0, 2.0];
        let mut counts = [0f64; 3];
        let draws = 20_000;
        for draw in 0..draws {
            let random = (f64::from(draw) + 0.5) / f64::from(draws);
            counts[sample(&similarities, random, |index| index == 0).expect("two are left")] += 1.0;
        }
        let sum: f64 = similarities.iter().map(|s| f64::from(*s).exp()).sum();
        let weights = [1f64.exp() / sum + FLOOR, 2f64.exp() / sum + FLOOR];
        let expected = weights[1] / (weights[0] + weights[1]);
        assert_eq!(counts[0], 0.0);
        assert!((counts[2] / f64::from(draws) - expected).abs() < 1e-3);
    }
}
