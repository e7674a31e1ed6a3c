//! Which caption of a set is shown when.

use crate::order::mix;

/// The index in `0..set_len` of the caption that stands beside `record` in `epoch`; 0 for an empty set.
///
/// A pure function: a resumed run, or one with another number of workers, shows the same captions.
pub fn draw(set_len: usize, seed: u64, epoch: u64, record: u64) -> usize {
    let random = mix(&[seed, epoch, record]);
    // The high half of the product maps 2^64 values onto the range without a remainder's bias.
    ((u128::from(random) * set_len as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_range_and_repeats() {
        for set_len in [1, 2, 5, 13] {
            for record in 0..200 {
                let index = draw(set_len, 1, 2, record);
                assert!(index < set_len);
                assert_eq!(index, draw(set_len, 1, 2, record));
            }
        }
        assert_eq!(draw(0, 1, 2, 3), 0);
    }

    #[test]
    fn every_caption_gets_its_share_over_epochs_and_over_records() {
        // 5,000 draws of 5: each expected 1,000 times, standard deviation 28.
        let mut by_epoch = [0_usize; 5];
        let mut by_record = [0_usize; 5];
        for step in 0..5_000 {
            by_epoch[draw(5, 3, step, 17)] += 1;
            by_record[draw(5, 3, 17, step)] += 1;
        }
        for count in by_epoch.into_iter().chain(by_record) {
            assert!((850..=1150).contains(&count), "{by_epoch:?} {by_record:?}");
        }
    }
}
