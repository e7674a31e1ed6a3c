//! Choosing the words that masked language modelling hides (`reference.md` 7).

use crate::hash::unit_interval;
use crate::tokens::SpecialTokens;

/// How words are hidden: a share of the tokens is to be predicted; of those, 80 % become `[MASK]`,
/// 10 % a random token (any of the vocabulary, as in BERT), and 10 % stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Masking {
    /// Share of the tokens to be predicted: 0.15 in BERT and ALBEF.
    pub share: f64,
    /// Id of `[MASK]`.
    pub mask: u32,
    /// Random tokens are drawn from the ids below.
    pub vocabulary: u32,
    /// Special token ids.
    pub special: SpecialTokens,
}

impl Default for Masking {
    /// That of BERT, with its vocabulary.
    fn default() -> Self {
        Self {
            share: 0.15,
            mask: 103,
            vocabulary: 30_522,
            special: SpecialTokens::baseline(),
        }
    }
}

impl Masking {
    /// The `row` (`[CLS] … [SEP]`) with words hidden, and for every position the token to be
    /// predicted there, if any. The first token, `[SEP]` and padding are never hidden.
    ///
    /// A function of `seed` and the row's `key` (its record and epoch, say) alone.
    pub fn apply(&self, row: &[u32], key: u64, seed: u64) -> (Vec<u32>, Vec<Option<u32>>) {
        let hide = |(at, token): (usize, &u32)| {
            let random = |stream| unit_interval(&[seed, key, at as u64, stream]);
            let own = [self.special.separator, self.special.padding].contains(token);
            if at == 0 || own || random(0) >= self.share {
                return (*token, None);
            }
            let shown = match random(1) {
                kind if kind < 0.8 => self.mask,
                kind if kind < 0.9 => (random(2) * f64::from(self.vocabulary)) as u32,
                _ => *token,
            };
            (shown, Some(*token))
        };
        row.iter().enumerate().map(hide).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_bert() {
        let masking = Masking::default();
        // [CLS], 4,998 words, [SEP] and padding.
        let mut row = vec![101];
        row.extend((0..4_998).map(|at| 2_000 + at));
        row.extend([102, 0, 0]);
        let (mut chosen, mut masked, mut random, mut kept) = (0, 0, 0, 0);
        let rows = 20;
        for key in 0..rows {
            let (shown, labels) = masking.apply(&row, key, 3);
            for ((shown, label), token) in shown.iter().zip(&labels).zip(&row) {
                let Some(label) = label else {
                    assert_eq!(shown, token);
                    continue;
                };
                assert_eq!(label, token);
                assert!(![101, 102, 0].contains(label));
                chosen += 1;
                match *shown {
                    103 => masked += 1,
                    shown if shown == *token => kept += 1,
                    _ => random += 1,
                }
            }
        }
        let words = 4_998.0 * rows as f64;
        // Five standard deviations of each share.
        let near = |count: i32, of: f64, share: f64| {
            let deviation = (share * (1.0 - share) / of).sqrt();
            assert!(
                (f64::from(count) / of - share).abs() < 5.0 * deviation,
                "{count} of {of}"
            );
        };
        near(chosen, words, 0.15);
        near(masked, f64::from(chosen), 0.8);
        near(random, f64::from(chosen), 0.1);
        near(kept, f64::from(chosen), 0.1);
    }

    #[test]
    fn a_row_is_hidden_by_its_key_and_seed() {
        let masking = Masking::default();
        let row: Vec<u32> = (0..200).map(|at| 2_000 + at).collect();
        assert_eq!(masking.apply(&row, 1, 2), masking.apply(&row, 1, 2));
        assert_ne!(masking.apply(&row, 1, 2), masking.apply(&row, 2, 2));
        assert_ne!(masking.apply(&row, 1, 2), masking.apply(&row, 1, 3));
    }
}
