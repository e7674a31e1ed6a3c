//! One epoch of a dataset, as Burn's data loaders take it.

use burn_dataset::{Dataset, DatasetError};

use super::Epochs;

/// A dataset seen in the order of one epoch.
///
/// ```
/// use burn_dataset::Dataset;
/// use miss_data::order::{InOrder, Order};
///
/// # fn main() -> Result<(), burn_dataset::DatasetError> {
/// let letters = burn_dataset::InMemDataset::new(vec!['a', 'b', 'c', 'd']);
/// let epoch = InOrder { dataset: letters, order: Order::new(4, 1), epoch: 0 };
/// let mut seen: Vec<char> = epoch.iter().collect::<Result<_, _>>()?;
/// seen.sort_unstable();
/// assert_eq!(seen, ['a', 'b', 'c', 'd']);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct InOrder<Data, Epoch> {
    /// The records.
    pub dataset: Data,
    /// The order of their epochs.
    pub order: Epoch,
    /// Which epoch is seen.
    pub epoch: u64,
}

impl<Item, Data, Epoch> Dataset<Item> for InOrder<Data, Epoch>
where
    Data: Dataset<Item>,
    Epoch: Epochs,
{
    /// # Panics
    ///
    /// If `index` is not below `len()`, as the trait demands, or if the order names a record that
    /// the dataset does not have.
    fn get(&self, index: usize) -> Result<Item, DatasetError> {
        self.dataset.get(self.order.record(self.epoch, index))
    }

    fn len(&self) -> usize {
        self.order.len()
    }
}
