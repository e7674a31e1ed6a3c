//! A random subset that does not depend on the order of the file.

use crate::file::sha256_hex;

/// A number of records drawn at random.
///
/// The MISS paper pretrains on 38,800 radiological figures of MedICaT chosen at random; its list is not
/// published, so no seed gives that very list, and every seed gives one of the same kind. Whether a record is
/// drawn depends on the seed, the record's id and the other ids alone: the same records in another order
/// give the same subset, and a larger subset of the same seed holds every smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subset {
    /// How many.
    pub size: usize,
    /// Which of all subsets of that size.
    pub seed: u64,
}

impl Subset {
    /// The paper's number of radiological figures.
    pub const PAPER_SIZE: usize = 38_800;

    /// Which of these ids, which must be unique, are drawn; all, if there are no more than
    /// [`size`](Self::size).
    #[must_use]
    pub fn drawn(self, ids: &[&str]) -> Vec<bool> {
        if self.size == 0 || ids.len() <= self.size {
            return vec![self.size > 0; ids.len()];
        }
        let ranks: Vec<String> = ids.iter().map(|id| self.rank(id)).collect();
        let mut sorted: Vec<&String> = ranks.iter().collect();
        let (_, last, _) = sorted.select_nth_unstable(self.size - 1);
        let last = *last;
        ranks.iter().map(|rank| rank <= last).collect()
    }

    /// The smallest ranks are drawn. A hash that is hard to steer, so that ids cannot be chosen to be drawn.
    fn rank(self, id: &str) -> String {
        sha256_hex(format!("{}/{id}", self.seed).as_bytes())
    }
}
