//! How the rows of a batch belong to the rows of what they attend to.

use burn::tensor::{Device, Int, Tensor};

use crate::attention::KeyValue;
use crate::tokens::index_tensor;

/// How the rows of a batch (questions, captions, beams, candidates) belong to the rows of a source
/// (images, question states).
///
/// Several rows often attend to one source row. Its keys and values need not be repeated for them:
/// attention treats query tokens independently, so the tokens of all rows that share a source row
/// can stand side by side as the queries of one. For eleven questions about a 480 px image that
/// saves eleven copies of 901 keys and values in every layer. The outputs are the same numbers.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a pass, never a collection of them"
)]
pub enum Rows {
    /// Row i attends to source row i.
    Each,
    /// Rows `i · n .. (i + 1) · n` attend to source row i.
    Groups(usize),
    /// Every source row has the same number of slots; rows are moved to slots and back.
    Slots(Slots),
    /// The source row of each row: `[rows]`. Keys and values are repeated.
    Gather(Tensor<1, Int>),
}

/// Where rows lie beside each other, see [`Rows::Slots`].
#[derive(Clone, Debug)]
pub struct Slots {
    /// Slots of a source row.
    group: usize,
    /// The row in each slot: `[sources · group]`. An empty slot repeats some row.
    row_of_slot: Tensor<1, Int>,
    /// The slot of each row: `[rows]`.
    slot_of_row: Tensor<1, Int>,
}

impl Rows {
    /// The cheapest way for rows that attend to the source rows `source_of`, of which there are
    /// `sources`.
    pub fn new(source_of: &[usize], sources: usize, device: &Device) -> Self {
        let rows = source_of.len();
        if rows == sources && source_of.iter().copied().eq(0..sources) {
            return Self::Each;
        }
        let mut members = vec![Vec::new(); sources];
        for (row, source) in source_of.iter().enumerate() {
            members[*source].push(row);
        }
        let group = members.iter().map(Vec::len).max().unwrap_or(0);
        if group * sources == rows && members.iter().flatten().copied().eq(0..rows) {
            return Self::Groups(group);
        }
        // One source row with very many rows would leave most slots of the others empty.
        if group * sources > 2 * rows {
            return Self::gather(source_of, device);
        }
        let mut row_of_slot = vec![0; sources * group];
        let mut slot_of_row = vec![0; rows];
        for (source, members) in members.iter().enumerate() {
            for (place, row) in members.iter().enumerate() {
                let slot = source * group + place;
                row_of_slot[slot] = *row as i64;
                slot_of_row[*row] = slot as i64;
            }
        }
        Self::Slots(Slots {
            group,
            row_of_slot: index_tensor(&row_of_slot, device),
            slot_of_row: index_tensor(&slot_of_row, device),
        })
    }

    /// The plain way: keys and values repeated for every row.
    pub fn gather(source_of: &[usize], device: &Device) -> Self {
        let indices: Vec<i64> = source_of.iter().map(|source| *source as i64).collect();
        Self::Gather(index_tensor(&indices, device))
    }

    /// Queries as the source wants them, `[sources, heads, tokens of all their rows, width]`.
    pub(crate) fn meet(&self, query: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Each | Self::Gather(_) => query,
            Self::Groups(group) => side_by_side(query, *group),
            Self::Slots(slots) => {
                side_by_side(query.select(0, slots.row_of_slot.clone()), slots.group)
            }
        }
    }

    /// The source as queries that have met want it: repeated only for [`Rows::Gather`].
    pub(crate) fn source(
        &self,
        source: &KeyValue,
        bias: Option<Tensor<4>>,
    ) -> (KeyValue, Option<Tensor<4>>) {
        match self {
            Self::Gather(indices) => (
                source.select(indices.clone()),
                bias.map(|bias| bias.select(0, indices.clone())),
            ),
            _ => (source.clone(), bias),
        }
    }

    /// Takes what attention made of `meet`'s queries, `[…, heads, tokens, width]`, back to rows.
    pub(crate) fn part(&self, context: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Each | Self::Gather(_) => context,
            Self::Groups(group) => apart(context, *group),
            Self::Slots(slots) => apart(context, slots.group).select(0, slots.slot_of_row.clone()),
        }
    }
}

/// `[sources · group, heads, tokens, width]` to `[sources, heads, group · tokens, width]`.
fn side_by_side(query: Tensor<4>, group: usize) -> Tensor<4> {
    let [rows, heads, tokens, width] = query.dims();
    query
        .reshape([rows / group, group, heads, tokens, width])
        .swap_dims(1, 2)
        .reshape([rows / group, heads, group * tokens, width])
}

/// The inverse of [`side_by_side`].
fn apart(context: Tensor<4>, group: usize) -> Tensor<4> {
    let [sources, heads, queries, width] = context.dims();
    context
        .reshape([sources, heads, group, queries / group, width])
        .swap_dims(1, 2)
        .reshape([sources * group, heads, queries / group, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(source_of: &[usize], sources: usize) -> &'static str {
        match Rows::new(source_of, sources, &Device::flex()) {
            Rows::Each => "each",
            Rows::Groups(_) => "groups",
            Rows::Slots(_) => "slots",
            Rows::Gather(_) => "gather",
        }
    }

    #[test]
    fn the_cheapest_way_is_chosen() {
        assert_eq!(kind(&[0, 1, 2], 3), "each");
        assert_eq!(kind(&[0, 0, 1, 1], 2), "groups");
        assert_eq!(kind(&[0, 1, 0, 1], 2), "slots");
        assert_eq!(kind(&[0, 0, 0, 1], 2), "slots");
        assert_eq!(kind(&[0, 0, 0, 0], 4), "gather");
    }

    #[test]
    fn rows_come_back_in_their_order() {
        let device = Device::flex();
        let query =
            Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &device).reshape([3, 1, 2, 1]);
        for source_of in [[0, 0, 1], [1, 0, 0], [0, 1, 0]] {
            let rows = Rows::new(&source_of, 2, &device);
            let met = rows.meet(query.clone());
            assert_eq!(met.dims(), [2, 1, 4, 1]);
            let back: Vec<f32> = rows.part(met).try_into_vec_as().expect("floats");
            assert_eq!(back, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
    }
}
