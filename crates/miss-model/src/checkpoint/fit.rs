//! Whether a tensor fits a parameter, and how it is brought to its size.

use super::names::{Layout, Parameter};

/// How a tensor comes to the size of its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It has it.
    Whole,
    /// Interpolated from another grid of patches.
    Interpolated,
    /// Its first rows are the parameter.
    FirstRows,
    /// It is the first rows of the parameter; the rest stay as they are.
    MoreRows,
}

/// Whether a tensor of the shape `stored` can become `parameter`, and how; or why not.
pub(super) fn fit(parameter: &Parameter, stored: &[usize]) -> Result<(Fit, String), String> {
    let ours = parameter.shape.as_slice();
    let same = match (parameter.layout, ours, stored) {
        (Layout::Linear, [input, output], [rows, columns]) => rows == output && columns == input,
        (Layout::Patch, [input, output], [width, 3, height, side]) => {
            width == output && height == side && 3 * height * side == *input
        }
        // Scalars are `[]` there and `[1]` here.
        (Layout::Same, [1], []) => true,
        (Layout::Same, ours, stored) => ours == stored,
        _ => false,
    };
    if same {
        return Ok((Fit::Whole, String::new()));
    }
    let name = parameter.name.as_str();
    match (ours, stored) {
        ([1, to, width], [1, from, other])
            if name.ends_with(".pos_embed") && width == other && grid(*to) && grid(*from) =>
        {
            let reason = format!("position embeddings of {from} tokens interpolated to {to}");
            return Ok((Fit::Interpolated, reason));
        }
        ([to, width], [from, other]) if name.contains("position_embeddings") && width == other => {
            return Ok(rows("positions", *from, *to));
        }
        ([to, width], [from, other])
            if name.contains("word_embeddings") && width == other && from < to =>
        {
            return Ok(rows("words", *from, *to));
        }
        ([to], [from]) if name.ends_with(".cls.predictions.bias") && from < to => {
            return Ok(rows("words", *from, *to));
        }
        _ => {}
    }
    Err(match name.contains(".crossattention.self.") {
        true => "cross-attention reads states of another width here; its keys and values stay as \
                 initialised"
            .into(),
        false => "the shapes differ; use the sizes that the file was made with".into(),
    })
}

fn rows(what: &str, from: usize, to: usize) -> (Fit, String) {
    match from < to {
        true => (
            Fit::MoreRows,
            format!(
                "the first {from} {what} loaded, the other {} initialised",
                to - from
            ),
        ),
        false => (
            Fit::FirstRows,
            format!("the first {to} of {from} {what} loaded"),
        ),
    }
}

/// Whether `tokens` are a class token and a square grid of patches.
fn grid(tokens: usize) -> bool {
    tokens > 1 && (tokens - 1).isqrt().pow(2) == tokens - 1
}
