//! Padded token batches and the positions that have a target.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Ids of the tokens with a meaning of their own. The default is `bert-base-uncased` with `[DEC]`
/// and `[ENC]` appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `[PAD]`.
    pub padding: u32,
    /// `[SEP]`, which ends every text.
    pub separator: u32,
    /// `[DEC]`, first token of everything the decoder reads.
    pub decoder: u32,
    /// `[ENC]`, first token of what the joint encoder reads together with an image.
    pub encoder: u32,
}

impl SpecialTokens {
    /// Those of the baseline: its family has no tokens of its own and begins every text with `[CLS]`.
    pub fn baseline() -> Self {
        Self {
            decoder: 101,
            encoder: 101,
            ..Self::default()
        }
    }
}

impl Default for SpecialTokens {
    fn default() -> Self {
        Self {
            padding: 0,
            separator: 102,
            decoder: 30_522,
            encoder: 30_523,
        }
    }
}

/// Token rows padded to the longest.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[batch, tokens]`.
    pub ids: Tensor<2, Int>,
    /// `[batch, tokens]`, `true` where a token is padding.
    pub padding: Tensor<2, Bool>,
}

/// The positions of a batch that predict a token, and those tokens.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Row `sample · tokens + position` of the flattened states: `[targets]`.
    pub rows: Tensor<1, Int>,
    /// The token that follows: `[targets]`.
    pub ids: Tensor<1, Int>,
}

impl Tokens {
    /// Pads `rows` to the longest of them; each row's first token is replaced by `first`, if given.
    pub fn new(
        rows: &[Vec<u32>],
        first: Option<u32>,
        special: &SpecialTokens,
        device: &Device,
    ) -> Self {
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = vec![i64::from(special.padding); rows.len() * length];
        let mut padding = vec![true; rows.len() * length];
        for (index, row) in rows.iter().enumerate() {
            let start = index * length;
            for (offset, token) in row.iter().enumerate() {
                ids[start + offset] = i64::from(*token);
                padding[start + offset] = false;
            }
            if let (Some(first), false) = (first, row.is_empty()) {
                ids[start] = i64::from(first);
            }
        }
        let shape = [rows.len(), length];
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            padding: Tensor::from_data(TensorData::new(padding, shape), device),
        }
    }

    /// The rows of `indices`, with repetition.
    pub(crate) fn select(&self, indices: Tensor<1, Int>) -> Self {
        let padding = self.padding.clone().int().select(0, indices.clone()).bool();
        Self {
            ids: self.ids.clone().select(0, indices),
            padding,
        }
    }
}

impl Targets {
    /// Every position of `rows` predicts the next token, the last one nothing.
    pub fn new(rows: &[Vec<u32>], device: &Device) -> Self {
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            for (position, next) in row.iter().skip(1).enumerate() {
                positions.push((index * length + position) as i64);
                ids.push(i64::from(*next));
            }
        }
        Self {
            rows: index_tensor(&positions, device),
            ids: index_tensor(&ids, device),
        }
    }
}

/// Indices as a tensor.
pub(crate) fn index_tensor(values: &[i64], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_and_targets_point_at_what_predicts_them() {
        let device = Device::flex();
        let rows = vec![vec![101, 7, 102], vec![101, 8, 9, 102]];
        let tokens = Tokens::new(&rows, Some(30_522), &SpecialTokens::default(), &device);
        let ids: Vec<i64> = tokens.ids.try_into_vec_as().expect("integers");
        assert_eq!(ids, [30_522, 7, 102, 0, 30_522, 8, 9, 102]);
        let padding: Vec<i64> = tokens.padding.int().try_into_vec_as().expect("integers");
        assert_eq!(padding, [0, 0, 0, 1, 0, 0, 0, 0]);
        let targets = Targets::new(&rows, &device);
        let at: Vec<i64> = targets.rows.try_into_vec_as().expect("integers");
        let next: Vec<i64> = targets.ids.try_into_vec_as().expect("integers");
        assert_eq!(at, [0, 1, 4, 5, 6]);
        assert_eq!(next, [7, 102, 8, 9, 102]);
    }
}
