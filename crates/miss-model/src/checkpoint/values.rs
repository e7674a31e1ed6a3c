//! The values of a parameter, in our layout and size.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use super::CheckpointError;
use super::fit::Fit;
use super::names::Layout;
use super::plan::Take;
use super::source::Source;
use crate::position::interpolate_positions;

/// Reads what `take` says for `param`.
pub(super) fn read<const D: usize>(
    source: &Source,
    take: &Take,
    param: &Param<Tensor<D>>,
) -> Result<TensorData, CheckpointError> {
    let shape = param.lazy_shape().to_vec();
    let name = take.tensors.join(" + ");
    let mut values = Vec::new();
    for tensor in &take.tensors {
        values.extend(source.floats(tensor)?);
    }
    if let Some(types) = &take.add_row {
        let row = source.floats(types)?;
        let width = shape.last().copied().unwrap_or(1).max(1);
        for position in values.chunks_exact_mut(width) {
            for (value, addend) in position.iter_mut().zip(&row) {
                *value += addend;
            }
        }
    }
    let values = match (take.layout, shape.as_slice()) {
        (Layout::Linear | Layout::Patch, [input, output]) => transpose(&values, *output, *input),
        _ => values,
    };
    let wanted = shape.iter().product();
    let values = match take.fit {
        Fit::Whole => values,
        Fit::FirstRows => values.into_iter().take(wanted).collect(),
        Fit::MoreRows => {
            let own = param.val().without_autodiff();
            let mut all = own
                .try_into_vec_as::<f32>()
                .map_err(|error| source.tensor_error(&name, format!("{error:?}")))?;
            all.iter_mut()
                .zip(values)
                .for_each(|(own, loaded)| *own = loaded);
            all
        }
        Fit::Interpolated => {
            let width = shape.last().copied().unwrap_or(1).max(1);
            let tokens = values.len() / width;
            let grid = TensorData::new(values, [1, tokens, width]);
            let grid = Tensor::<3>::from_data(grid, &Device::flex());
            interpolate_positions(grid, wanted / width)
                .try_into_vec_as::<f32>()
                .map_err(|error| source.tensor_error(&name, format!("{error:?}")))?
        }
    };
    if values.len() != wanted {
        let reason = format!("{} values where {wanted} belong", values.len());
        return Err(source.tensor_error(&name, reason));
    }
    Ok(TensorData::new(values, shape))
}

/// A matrix `[rows, columns]`, row by row, as `[columns, rows]`.
pub(super) fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut transposed = Vec::with_capacity(values.len());
    for column in 0..columns {
        let elements = values.iter().skip(column).step_by(columns.max(1));
        transposed.extend(elements.take(rows));
    }
    transposed
}
