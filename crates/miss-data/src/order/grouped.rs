//! Records of one group side by side: the questions about an image.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::num::NonZeroU32;

use thiserror::Error;

use super::{Epochs, Order, assert_below, mix};

/// Streams drawn from one seed.
const UNITS: u64 = 0;
const MEMBERS: u64 = 1;

/// A shuffled order in which records of one group stand side by side, so that an image is decoded
/// and encoded once for several questions.
///
/// Each epoch divides every group anew into units of `side_by_side` records, the last one of a
/// group smaller where it must be, and visits each unit, and so each record, once. Units of one
/// size are shuffled; the sizes are spread evenly over the epoch. Thanks to that the record at a position
/// is found in `O(sizes + log groups)` steps without a walk over the epoch, and batches can
/// have the same number of records each. The price: where a batch ends within a unit, the rest of
/// the unit begins the next batch.
///
/// Memory: about 16 bytes a group, and 4 bytes a record if the file does not hold the records of
/// each group together.
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
    /// How many such units the groups before have.
    before: Vec<u32>,
    units: u64,
    /// Units of this and of all smaller sizes.
    units_left: u64,
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
        let classes = classes(&starts, side_by_side, seed);
        Ok(Self {
            seed,
            side_by_side,
            starts,
            members,
            units: classes.first().map_or(0, |class| class.units_left),
            classes,
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

    /// The unit that covers `position`. Sizes are spread evenly, hence the units stand close to
    /// where units of equal size would, and the search widens from there.
    fn unit_at(&self, position: u64) -> u64 {
        let guess = position * self.units / self.len() as u64;
        let mut width = 2;
        let (mut low, mut high) = loop {
            let low = guess.saturating_sub(width);
            let high = (guess + width).min(self.units);
            if self.start(low) <= position && position < self.start(high) {
                break (low, high);
            }
            width *= 4;
        };
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.start(middle) <= position {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
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
        let unit = self.unit_at(position as u64);
        let within = (position as u64 - self.start(unit)) as u32;
        let (class, nth) = self.class_of(unit);
        let chosen = class.shuffled.index(epoch, nth as usize) as u32;
        let entry = class.before.partition_point(|&before| before <= chosen) - 1;
        let group = class.groups[entry];

        let start = self.starts[group as usize];
        let size = self.starts[group as usize + 1] - start;
        let first = if class.size == self.side_by_side {
            (chosen - class.before[entry]) * class.size
        } else {
            // What is left of a group follows its full units.
            size - class.size
        };
        let order = Order::new(size as usize, mix(&[self.seed, MEMBERS, u64::from(group)]));
        let member = start as usize + order.index(epoch, (first + within) as usize);
        self.members
            .get(member)
            .map_or(member, |&record| record as usize)
    }
}

impl Class {
    /// How many of the first `units` units, of those that no larger class took, are of this class:
    /// its share, rounded. It grows by at most 1 with `units`.
    fn among(&self, units: u64) -> u64 {
        // Both are below 2^32.
        (units * self.units + self.units_left / 2) / self.units_left
    }
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

/// The units of all groups, by size from the largest.
fn classes(starts: &[u32], side_by_side: u32, seed: u64) -> Vec<Class> {
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
    for (size, (groups, before, units)) in by_size {
        units_left += u64::from(units);
        classes.push(Class {
            size,
            groups,
            before,
            units: u64::from(units),
            units_left,
            shuffled: Order::new(units as usize, mix(&[seed, UNITS, u64::from(size)])),
        });
    }
    classes.reverse();
    classes
}
