//! Orders against counting, brute force and closed forms, for arbitrary sizes and seeds.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};

use miss_data::order::{
    Batches, Epochs, Grouped, InOrder, Mixed, MixedError, Order, RankError, Sequential, Source, mix,
};
use proptest::prelude::*;

fn epoch(order: &impl Epochs, epoch: u64) -> Vec<usize> {
    (0..order.len())
        .map(|position| order.record(epoch, position))
        .collect()
}

/// Panics if an epoch does not visit each of `len` records once.
fn assert_each_once(visited: &[usize], len: usize) {
    let mut sorted = visited.to_vec();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..len), "{visited:?}");
}

/// Stretches of one group: (group, length).
fn runs(groups: impl IntoIterator<Item = u8>) -> Vec<(u8, usize)> {
    let mut runs: Vec<(u8, usize)> = Vec::new();
    for group in groups {
        match runs.last_mut() {
            Some((last, length)) if *last == group => *length += 1,
            _ => runs.push((group, 1)),
        }
    }
    runs
}

/// A batch as the definition reads: cut the epochs into pieces, then deal them out.
fn by_hand(len: usize, size: usize, drop_last: bool) -> Vec<Vec<usize>> {
    let positions: Vec<usize> = (0..len).collect();
    positions
        .chunks(size)
        .filter(|piece| !drop_last || piece.len() == size)
        .map(<[usize]>::to_vec)
        .collect()
}

fn batches(size: usize, drop_last: bool) -> Batches {
    let batches = Batches::new(NonZeroUsize::new(size).unwrap());
    if drop_last {
        batches.drop_last()
    } else {
        batches
    }
}

proptest! {
    #[test]
    fn a_shuffled_epoch_visits_each_record_once(
        len in 1_usize..5_000, seed: u64, number: u64
    ) {
        assert_each_once(&epoch(&Order::new(len, seed), number), len);
    }

    #[test]
    fn a_grouped_epoch_visits_each_record_once_in_units(
        groups in prop::collection::vec(0_u8..20, 1..300),
        side_by_side in prop::option::of(1_u32..9),
        seed: u64,
        number: u64,
    ) {
        let side_by_side = side_by_side.and_then(NonZeroU32::new);
        let order = Grouped::new(&groups, side_by_side, seed).unwrap();
        let visited = epoch(&order, number);
        assert_each_once(&visited, groups.len());

        // Every stretch of a group is made of whole units: there are as many units of each size
        // as the group's size allows, and neighbouring ones may belong together.
        let mut sizes: BTreeMap<u8, usize> = BTreeMap::new();
        groups.iter().for_each(|group| *sizes.entry(*group).or_default() += 1);
        let runs = runs(visited.iter().map(|&record| groups[record]));
        match side_by_side {
            None => {
                prop_assert_eq!(runs.len(), sizes.len());
            }
            Some(most) => {
                let most = most.get() as usize;
                let units: usize = sizes.values().map(|size| size.div_ceil(most)).sum();
                prop_assert!(runs.len() <= units);
                // All but the rest of a group comes in full units.
                for (group, length) in runs {
                    prop_assert!(
                        length % most == 0 || length % most == sizes[&group] % most,
                        "{} of a group of {}", length, sizes[&group]
                    );
                }
            }
        }
    }

    #[test]
    fn batches_and_their_slices_are_those_cut_by_hand(
        len in 0_usize..200,
        size in 1_usize..40,
        drop_last: bool,
        world in 1_usize..9,
    ) {
        let whole = batches(size, drop_last);
        let expected = by_hand(len, size, drop_last);
        prop_assert_eq!(whole.per_epoch(len), expected.len());
        if expected.is_empty() {
            prop_assert_eq!(whole.positions(len, 0), None);
            return Ok(());
        }
        for (number, expected) in expected.iter().cycle().take(3 * expected.len()).enumerate() {
            let mut all_ranks = Vec::new();
            let mut lengths = Vec::new();
            for rank in 0..world {
                let batches = whole.of_rank(rank, world).unwrap();
                prop_assert_eq!(batches.per_epoch(len), whole.per_epoch(len));
                let (epoch, positions) = batches.positions(len, number as u64).unwrap();
                prop_assert_eq!(epoch, (number / whole.per_epoch(len)) as u64);
                lengths.push(positions.len());
                all_ranks.extend(positions);
            }
            prop_assert_eq!(&all_ranks, expected);
            let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            prop_assert!(most - least <= 1);
        }
    }

    #[test]
    fn every_prefix_of_a_mixture_has_its_proportions(
        sources in prop::collection::vec((1_usize..40, 1_u32..60), 1..8),
        len in 1_usize..200,
        seed: u64,
    ) {
        let sources: Vec<Source> =
            sources.into_iter().map(|(len, weight)| Source { len, weight }).collect();
        let order = Mixed::new(&sources, len, seed).unwrap();
        let sum: u64 = sources.iter().map(|source| u64::from(source.weight)).sum();
        let mut visits: Vec<Vec<usize>> = vec![Vec::new(); sources.len()];
        let mut positions = 0_u64;
        for number in 0..(1_500 / len as u64 + 1) {
            for record in epoch(&order, number) {
                let (source, index) = order.source(record);
                prop_assert_eq!(
                    record,
                    sources[..source].iter().map(|source| source.len).sum::<usize>() + index
                );
                visits[source].push(index);
                positions += 1;
                for (source, visited) in sources.iter().zip(&visits) {
                    // |visited - positions * weight / sum| < 1, without fractions.
                    let share = positions * u64::from(source.weight);
                    prop_assert!((visited.len() as u64 * sum).abs_diff(share) < sum);
                }
            }
        }
        // Each source is visited from end to end, again and again.
        for (source, visited) in sources.iter().zip(&visits) {
            for pass in visited.chunks_exact(source.len) {
                assert_each_once(pass, source.len);
            }
        }
    }
}

#[test]
fn groups_stay_together_and_are_divided_anew_each_epoch() {
    // 100 groups of 6 records, in file order one of each group after the other.
    let groups: Vec<u32> = (0..600).map(|record| record % 100).collect();
    let order = Grouped::new(&groups, NonZeroU32::new(3), 5).unwrap();
    let pairs = |number| {
        let mut units: Vec<Vec<usize>> = epoch(&order, number)
            .chunks(3)
            .map(|unit| {
                let mut unit = unit.to_vec();
                unit.sort_unstable();
                unit
            })
            .collect();
        for unit in &units {
            assert!(unit.iter().all(|&record| groups[record] == groups[unit[0]]));
        }
        units.sort_unstable();
        units
    };
    let (first, second) = (pairs(0), pairs(1));
    // Six records have 10 divisions into threes: 10 of 100 groups are expected to keep theirs.
    let kept = first.iter().filter(|unit| second.contains(unit)).count() / 2;
    assert!(kept < 35, "{kept} of 100 groups are divided as before");
    assert_ne!(epoch(&order, 0), epoch(&order, 1));
    let other = Grouped::new(&groups, NonZeroU32::new(3), 6).unwrap();
    assert_ne!(epoch(&order, 0), epoch(&other, 0));
}

/// Over many epochs each record stands about as often in one half of the epoch as in the other, if
/// other groups have the size of its group, and in either half if none has.
#[test]
fn no_group_prefers_a_part_of_the_epoch() {
    // Expected 500, standard deviation 16; a unit that the middle cuts counts in part, and twelve
    // groups of twelve sizes keep to one round, which can be entered at twelve units only.
    for (count, sizes, side_by_side, allowed) in [
        (40, 7, NonZeroU32::new(4), 400..600),
        (12, 12, None, 250..750),
    ] {
        let groups: Vec<usize> = (0..count)
            .flat_map(|group| std::iter::repeat_n(group, group % sizes + 1))
            .collect();
        let order = Grouped::new(&groups, side_by_side, 9).unwrap();
        let mut early = vec![0_u32; groups.len()];
        for number in 0..1_000 {
            for position in 0..order.len() / 2 {
                early[order.record(number, position)] += 1;
            }
        }
        for (record, times) in early.iter().enumerate() {
            assert!(allowed.contains(times), "record {record}: {times} of 1,000");
        }
    }
}

/// The order is fixed for good: a run resumed under another version must go on with the same
/// records.
#[test]
fn grouped_and_mixed_orders_are_what_they_always_were() {
    // Computed from the description by another program.
    let groups = ["a", "b", "a", "c", "a", "b", "a", "a"];
    let grouped = Grouped::new(groups, NonZeroU32::new(2), 1).unwrap();
    assert_eq!(epoch(&grouped, 0), [4, 5, 1, 3, 7, 2, 0, 6]);
    assert_eq!(epoch(&grouped, 1), [1, 5, 4, 7, 2, 3, 6, 0]);
    let sources = [(3, 2), (5, 1)].map(|(len, weight)| Source { len, weight });
    let mixed = Mixed::new(&sources, 9, 1).unwrap();
    assert_eq!(epoch(&mixed, 0), [2, 0, 7, 1, 2, 6, 1, 0, 4]);
    assert_eq!(epoch(&mixed, 1), [2, 1, 3, 0, 2, 5, 0, 1, 6]);
}

/// As above, in long: groups of about 100 and of 6, and three sources of many periods.
#[test]
fn long_orders_are_what_they_always_were() {
    let fingerprint = |order: &dyn Epochs| {
        let records = (0..order.len()).map(|position| order.record(3, position) as u64);
        mix(&records.collect::<Vec<_>>())
    };
    for (modulus, side_by_side, expected) in [
        (19, NonZeroU32::new(3), 0xcf0a_0c17_4960_9f2f),
        (19, None, 0xefb8_2e4b_c6df_a680),
        (331, NonZeroU32::new(3), 0x4b77_fe57_5e2a_9d75),
        (331, None, 0x1f9c_e4e1_7312_d6c0),
    ] {
        let groups = (0..1_000_u32).map(|record| record * record % modulus);
        let order = Grouped::new(groups, side_by_side, 7).unwrap();
        assert_eq!(fingerprint(&order), expected, "{modulus} {side_by_side:?}");
    }
    let sources = [(100, 388), (70, 500), (9, 13)].map(|(len, weight)| Source { len, weight });
    let mixed = Mixed::new(&sources, 1_000, 7).unwrap();
    assert_eq!(fingerprint(&mixed), 0xf6d2_d2c8_5dbb_4245);
}

/// Groups of every size from 1 to 300: as many sizes of units as there can be.
#[test]
fn groups_of_very_different_sizes_are_each_visited_once() {
    let groups: Vec<u32> = (1..=300)
        .flat_map(|size| std::iter::repeat_n(size, size as usize))
        .collect();
    for side_by_side in [None, NonZeroU32::new(64)] {
        let order = Grouped::new(&groups, side_by_side, 2).unwrap();
        assert_each_once(&epoch(&order, 1), groups.len());
    }
}

#[test]
fn sources_that_cannot_be_mixed_are_named() {
    let mixed = |sources: &[(usize, u32)]| {
        let sources: Vec<Source> = sources
            .iter()
            .map(|&(len, weight)| Source { len, weight })
            .collect();
        Mixed::new(&sources, 10, 0).unwrap_err()
    };
    assert_eq!(mixed(&[]), MixedError::NoSources);
    assert_eq!(
        mixed(&[(1, 1), (0, 1)]),
        MixedError::Empty { source_index: 1 }
    );
    assert_eq!(
        mixed(&[(1, 0), (1, 1)]),
        MixedError::Weight { source_index: 0 }
    );
    assert_eq!(
        mixed(&[(1, u32::MAX), (1, 2)]),
        MixedError::Period { sum: (1 << 32) + 1 }
    );
    assert_eq!(
        mixed(&[(usize::MAX, 1), (2, 1)]),
        MixedError::TooManyRecords
    );
    // What weights have in common does not count.
    let large =
        [(3, 2_000_000_000), (3, 1_000_000_000)].map(|(len, weight)| Source { len, weight });
    assert!(Mixed::new(&large, 10, 0).is_ok());
}

/// The late end of numbers neither overflows nor repeats a record.
#[test]
fn the_last_epoch_is_like_any_other() {
    let sources = [Source { len: 7, weight: 1 }];
    let mixed = Mixed::new(&sources, 7, 3).unwrap();
    assert_each_once(&epoch(&mixed, u64::MAX), 7);
    let grouped = Grouped::new([1, 2, 1], None, u64::MAX).unwrap();
    assert_each_once(&epoch(&grouped, u64::MAX), 3);
    let last = batches(2, false).positions(3, u64::MAX).unwrap();
    assert_eq!(last, (u64::MAX / 2, 2..3));
}

#[test]
fn nothing_has_no_batches_and_a_stranger_is_no_rank() {
    let none = Grouped::new(Vec::<u8>::new(), None, 0).unwrap();
    assert!(none.is_empty() && Sequential { len: 0 }.is_empty() && Order::new(0, 0).is_empty());
    assert_eq!(batches(3, false).positions(0, 0), None);
    assert_eq!(batches(3, true).positions(2, 0), None);
    let stranger = batches(3, true).of_rank(2, 2);
    assert_eq!(stranger, Err(RankError { rank: 2, world: 2 }));
    assert!(batches(3, true).of_rank(0, 0).is_err());
}

#[test]
fn burn_sees_an_epoch() {
    use burn_dataset::{Dataset as _, InMemDataset};
    let dataset = InMemDataset::new((0..50).map(|record| record * 10).collect());
    let order = Order::new(50, 4);
    let view = InOrder {
        dataset,
        order,
        epoch: 2,
    };
    let seen: Vec<usize> = view.iter().collect::<Result<_, _>>().unwrap();
    let expected: Vec<usize> = epoch(&order, 2).iter().map(|record| record * 10).collect();
    assert_eq!(seen, expected);
    assert_eq!(view.len(), 50);
}
