//! Records of one group side by side: the questions about an image.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::num::NonZeroU32;

use thiserror::Error;

use super::{Epochs, Order, assert_below, mix};

/// Streams drawn from one seed.
const UNITS: u64 = 0;
const MEMBERS: u64 = 1;
const TURN: u64 = 2;
/// Members that are shuffled by exchange.
const FEW: u32 = 32;

/// A shuffled order in which records of one group stand side by side, so that an image is decoded
/// and encoded once for several questions.
///
/// Each epoch divides every group anew into units of `side_by_side` records, the last one of a
/// group smaller where it must be, and visits each unit, and so each record, once. Units of one
/// size are shuffled; the sizes are spread evenly over the epoch, in a round that each epoch enters
/// at another unit.
///
/// Because the sizes follow a rule, the record at a position is found in `O(sizes + log groups)`
/// steps without a walk over the epoch, and batches have the same number of records each. The
/// price: where a batch ends within a unit, the rest of the unit begins the next batch.
///
/// A group may be anything that is cheaper to read together: with the shards of a dataset as groups
/// this is a shuffle by blocks.
///
/// Memory: up to 20 bytes a group, and 4 bytes a record unless the file holds the records of each
/// group together.
#[derive(Debug, Clone)]
pub struct Grouped {
    seed: u64,
    side_by_side: u32,
    /// Where each group begins in `members`; one more than there are groups.
    starts: Vec<u32>,
    /// Records, group after group; empty if the file holds them like that.
    members: Vec<u32>,
    /// Units by size, larger ones first.
    classes: Vec<Class>,
    units: u64,
}

/// The units of one size.
#[derive(Debug, Clone)]
struct Class {
    size: u32,
    /// Groups that have such units.
    groups: Vec<u32>,
    /// How many such units the groups before have; empty if each of the groups has one.
    before: Vec<u32>,
    /// How many of the units of this and of all smaller sizes are of this one, times 2^32.
    share: u64,
    shuffled: Order,
}

/// More records than an order by groups can number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more than {max} records cannot be ordered by groups: divide them first", max = u32::MAX)]
pub struct TooManyRecords;

impl Grouped {
    /// The order of records with these groups, one for each record in file order: `side_by_side`
    /// records of a group together, or all of them.
    ///
    /// # Errors
    ///
    /// [`TooManyRecords`] beyond 2^32 - 1.
    pub fn new<Groups>(
        groups: Groups,
        side_by_side: Option<NonZeroU32>,
        seed: u64,
    ) -> Result<Self, TooManyRecords>
    where
        Groups: IntoIterator,
        Groups::Item: Hash + Eq,
    {
        let group_of = numbered(groups)?;
        let (starts, members) = by_group(&group_of);
        let side_by_side = side_by_side.map_or(u32::MAX, NonZeroU32::get);
        let (classes, units) = classes(&starts, side_by_side, seed);
        Ok(Self {
            seed,
            side_by_side,
            starts,
            members,
            classes,
            units,
        })
    }

    /// Position of the first record of unit `unit`.
    fn start(&self, mut unit: u64) -> u64 {
        let mut start = 0;
        for class in &self.classes {
            let own = class.among(unit);
            start += own * u64::from(class.size);
            unit -= own;
        }
        start
    }

    /// The unit that covers `position`, and where it starts. Sizes are spread evenly, hence the
    /// units stand close to where units of equal size would, and the search widens from there.
    fn unit_at(&self, position: u64) -> (u64, u64) {
        let guess = position * self.units / self.len() as u64;
        let mut width = 2;
        let (mut low, mut high, mut start) = loop {
            let low = guess.saturating_sub(width);
            let high = (guess + width).min(self.units);
            let start = self.start(low);
            if start <= position && position < self.start(high) {
                break (low, high, start);
            }
            width *= 4;
        };
        while high - low > 1 {
            let middle = low.midpoint(high);
            let here = self.start(middle);
            if here <= position {
                (low, start) = (middle, here);
            } else {
                high = middle;
            }
        }
        (low, start)
    }

    /// The size class of a unit, and the units of that class before it.
    fn class_of(&self, mut unit: u64) -> (&Class, u64) {
        for class in &self.classes {
            let own = class.among(unit);
            if class.among(unit + 1) > own {
                return (class, own);
            }
            unit -= own;
        }
        unreachable!("the last class takes every unit that is left")
    }
}

impl Epochs for Grouped {
    fn len(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    fn record(&self, epoch: u64, position: usize) -> usize {
        assert_below(position, self.len());
        // Without a turn, a group whose size no other has would always stand in the same place.
        let len = self.len() as u64;
        let turn = self.start(mix(&[self.seed, TURN, epoch]) % self.units);
        let position = (position as u64 + turn) % len;
        let (unit, first) = self.unit_at(position);
        let within = (position - first) as u32;
        let (class, nth) = self.class_of(unit);
        let (group, nth) = class.group_of(class.shuffled.index(epoch, nth as usize) as u32);

        let start = self.starts[group as usize];
        let size = self.starts[group as usize + 1] - start;
        let first = if class.size == self.side_by_side {
            nth * class.size
        } else {
            // What is left of a group follows its full units.
            size - class.size
        };
        let seed = mix(&[self.seed, MEMBERS, u64::from(group)]);
        let member = start as usize + shuffled(size, seed, epoch, first + within);
        self.members
            .get(member)
            .map_or(member, |&record| record as usize)
    }
}

impl Class {
    /// How many of the first `units` units, of those that no larger class took, are of this class:
    /// its share, rounded. It grows with `units`, by at most 1 a unit, and comes out even at the
    /// end because a share is off by less than 2^-33.
    fn among(&self, units: u64) -> u64 {
        // Both are at most 2^32, and not both 2^32.
        (units * self.share + (1 << 31)) >> 32
    }

    /// The group of a unit, counted in file order, and how many units of the class the group has
    /// before it.
    fn group_of(&self, unit: u32) -> (u32, u32) {
        if self.before.is_empty() {
            return (self.groups[unit as usize], 0);
        }
        let entry = self.before.partition_point(|&before| before <= unit) - 1;
        (self.groups[entry], unit - self.before[entry])
    }
}

/// The member that stands at `place` in a group of `size`. Most groups are small: an [`Order`] would
/// walk long in its network for them, and exchanging members up to `place` (Fisher and Yates) is
/// both faster and exact.
fn shuffled(size: u32, seed: u64, epoch: u64, place: u32) -> usize {
    if size > FEW {
        return Order::new(size as usize, seed).index(epoch, place as usize);
    }
    let mut members: [u8; FEW as usize] = std::array::from_fn(|member| member as u8);
    let key = mix(&[seed, epoch]);
    for place in 0..=place {
        let left = u128::from(size - place);
        // Multiply and shift: a number below `left`, off uniform by less than 2^-58.
        let ahead = (u128::from(mix(&[key, u64::from(place)])) * left) >> 64;
        members.swap(place as usize, place as usize + ahead as usize);
    }
    usize::from(members[place as usize])
}

/// The group of each record, groups counted in the order of their first record.
fn numbered<Groups>(groups: Groups) -> Result<Vec<u32>, TooManyRecords>
where
    Groups: IntoIterator,
    Groups::Item: Hash + Eq,
{
    let mut numbers = HashMap::new();
    let mut group_of = Vec::new();
    for group in groups {
        if group_of.len() >= u32::MAX as usize {
            return Err(TooManyRecords);
        }
        let next = numbers.len() as u32;
        group_of.push(*numbers.entry(group).or_insert(next));
    }
    Ok(group_of)
}

/// Where each group begins, and the records group after group, or none if that is file order.
fn by_group(group_of: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let groups = group_of.iter().max().map_or(0, |&last| last as usize + 1);
    let mut starts = vec![0_u32; groups + 1];
    for &group in group_of {
        starts[group as usize + 1] += 1;
    }
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    if group_of.is_sorted() {
        return (starts, Vec::new());
    }
    let mut next = starts.clone();
    let mut members = vec![0; group_of.len()];
    for (record, &group) in group_of.iter().enumerate() {
        let place = &mut next[group as usize];
        members[*place as usize] = record as u32;
        *place += 1;
    }
    (starts, members)
}

/// The units of all groups by size, from the largest, and how many units there are.
fn classes(starts: &[u32], side_by_side: u32, seed: u64) -> (Vec<Class>, u64) {
    // Groups and units before them, and the units in all, by size.
    let mut by_size: BTreeMap<u32, (Vec<u32>, Vec<u32>, u32)> = BTreeMap::new();
    for (group, bounds) in starts.windows(2).enumerate() {
        let size = bounds[1] - bounds[0];
        for (unit, count) in [
            (side_by_side, size / side_by_side),
            (size % side_by_side, 1),
        ] {
            if unit > 0 && count > 0 {
                let (groups, before, units) = by_size.entry(unit).or_default();
                groups.push(group as u32);
                before.push(*units);
                *units += count;
            }
        }
    }
    let mut classes: Vec<Class> = Vec::with_capacity(by_size.len());
    let mut units_left = 0;
    for (size, (groups, mut before, units)) in by_size {
        if groups.len() == units as usize {
            before = Vec::new();
        }
        units_left += u64::from(units);
        classes.push(Class {
            size,
            groups,
            before,
            share: ((u64::from(units) << 32) + units_left / 2) / units_left,
            shuffled: Order::new(units as usize, mix(&[seed, UNITS, u64::from(size)])),
        });
    }
    classes.reverse();
    (classes, units_left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each arrangement of a small group comes up about as often as any other.
    #[test]
    fn no_arrangement_of_a_group_is_preferred() {
        for size in 1..=6_u32 {
            let arrangements: u32 = (1..=size).product();
            let expected = 100.0;
            let mut counts = BTreeMap::new();
            for epoch in 0..u64::from(arrangements) * 100 {
                let seen: Vec<usize> = (0..size)
                    .map(|place| shuffled(size, 3, epoch, place))
                    .collect();
                *counts.entry(seen).or_insert(0.0) += 1.0;
            }
            assert_eq!(counts.len(), arrangements as usize);
            let chi_square: f64 = counts
                .values()
                .map(|count: &f64| (count - expected).powi(2) / expected)
                .sum();
            // Mean of a chi-square: its freedom; six standard deviations are never met by chance.
            let freedom = f64::from(arrangements - 1);
            assert!(
                chi_square <= freedom + 6.0 * (2.0 * freedom).sqrt(),
                "{size} members: {chi_square}"
            );
        }
    }

    /// The shares of all sizes grow one unit at a time and come out even, for the most units that
    /// can be.
    #[test]
    fn the_most_units_come_out_even() {
        let most = u64::from(u32::MAX);
        for own in [1, 2, 3, most / 3, most / 2, most - 1, most] {
            let class = Class {
                size: 1,
                groups: Vec::new(),
                before: Vec::new(),
                share: ((own << 32) + most / 2) / most,
                shuffled: Order::new(1, 0),
            };
            assert_eq!((class.among(0), class.among(most)), (0, own));
            for units in [0, 1, most / 2, most / own - 1, most - 1] {
                let grown = class.among(units + 1) - class.among(units);
                assert!(grown <= 1, "{own} of {most}: {grown} after {units}");
            }
        }
    }
}
