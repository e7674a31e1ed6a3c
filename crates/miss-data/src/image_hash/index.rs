//! Finding like images among many.

use super::{Comparison, Detail, Fingerprint, MAX_DISTANCE};

/// Bits of a hash that are looked up at once.
const BAND_BITS: u32 = 16;
const BANDS: usize = 4;

/// Finds like images among many without comparing all.
///
/// Two hashes that differ in at most 11 of 64 bits differ in at most 2 of the bits of one of the four
/// bands of 16 (if each differed in 3 it would be 12). So each band has a table by its value, and looking
/// up the 137 values within 2 bits of the sought one, in four tables, misses nothing (multi-index
/// hashing: Norouzi, Punjani and Fleet, CVPR 2012).
pub struct Index<'a> {
    fingerprints: Vec<&'a Fingerprint>,
    tables: [Table; BANDS],
}

/// The places of fingerprints by the value of one band: those with the value `v` are
/// `places[starts[v]..starts[v + 1]]`.
struct Table {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl<'a> Index<'a> {
    /// An index of these fingerprints, at most 2^32 of them. Flat ones are never found.
    #[must_use]
    pub fn new(fingerprints: Vec<&'a Fingerprint>) -> Self {
        let tables = std::array::from_fn(|number| Table::new(number, &fingerprints));
        Self {
            fingerprints,
            tables,
        }
    }

    /// The places of all fingerprints whose hash differs from `hash` in at most [`MAX_DISTANCE`]
    /// bits, ascending.
    #[must_use]
    pub fn within_reach(&self, hash: u64) -> Vec<usize> {
        let mut found = Vec::new();
        for (number, table) in self.tables.iter().enumerate() {
            let value = band(number, hash);
            let mut look = |flipped: usize| found.extend_from_slice(table.of(value ^ flipped));
            look(0);
            for first in 0..BAND_BITS {
                look(1 << first);
                for second in 0..first {
                    look(1 << first | 1 << second);
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let near =
            |place: &usize| (self.fingerprints[*place].hash ^ hash).count_ones() <= MAX_DISTANCE;
        found
            .into_iter()
            .map(|place| place as usize)
            .filter(near)
            .collect()
    }

    /// The place of the image most like `sought`, and how alike the two are. Cropped copies are looked
    /// for only if no image is like it as it is. Of equally alike ones the first.
    #[must_use]
    pub fn nearest(&self, sought: &Fingerprint) -> Option<(usize, Comparison)> {
        let places = self.within_reach(sought.hash);
        let best = |compare: &dyn Fn(&Fingerprint) -> Option<Comparison>| {
            let mut best: Option<(usize, Comparison)> = None;
            for &place in &places {
                if let Some(found) = compare(self.fingerprints[place])
                    && best.is_none_or(|(_, best)| found.correlation > best.correlation)
                {
                    best = Some((place, found));
                }
            }
            best
        };
        let detail = Detail::of(&sought.thumbnail);
        best(&|other| sought.as_they_are(&detail, other))
            .or_else(|| best(&|other| sought.laid_over(other)))
    }
}

impl Table {
    fn new(number: usize, fingerprints: &[&Fingerprint]) -> Self {
        let listed = || {
            let all = fingerprints.iter().enumerate();
            all.filter(|(_, fingerprint)| !fingerprint.flat)
                .map(|(place, fingerprint)| (place as u32, band(number, fingerprint.hash)))
        };
        let mut starts = vec![0_u32; (1 << BAND_BITS) + 1];
        listed().for_each(|(_, value)| starts[value + 1] += 1);
        for value in 0..1 << BAND_BITS {
            starts[value + 1] += starts[value];
        }
        let mut next = starts.clone();
        let mut places = vec![0; starts[1 << BAND_BITS] as usize];
        for (place, value) in listed() {
            places[next[value] as usize] = place;
            next[value] += 1;
        }
        Self { starts, places }
    }

    fn of(&self, value: usize) -> &[u32] {
        &self.places[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}

fn band(number: usize, hash: u64) -> usize {
    (hash >> (number as u32 * BAND_BITS)) as usize & ((1 << BAND_BITS) - 1)
}
