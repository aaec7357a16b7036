//! Checks of inputs.

use super::error::LayerError;
use super::limits::{MAX_VALUES, count};
use crate::geometry::Padding;

/// Intermediate values, such as those of a padded copy, may be this many times as many as input, output and weights have
/// together …
const INTERMEDIATE_FACTOR: usize = 64;
/// … or as many as this, whichever is more.
const INTERMEDIATE_FREE: usize = 1 << 20;

/// The only input.
pub(crate) fn one<'a>(inputs: &[&'a [usize]]) -> Result<&'a [usize], LayerError> {
    match *inputs {
        [input] => Ok(input),
        _ => Err(LayerError::Inputs { expected: "one input", found: inputs.len() }),
    }
}

/// The first of one input or more, and the others.
pub(crate) fn several<'a, 'b>(inputs: &'b [&'a [usize]]) -> Result<(&'a [usize], &'b [&'a [usize]]), LayerError> {
    match inputs {
        [first, rest @ ..] => Ok((first, rest)),
        [] => Err(LayerError::Inputs { expected: "one input or more", found: 0 }),
    }
}

/// The first of two inputs, and the second.
pub(crate) fn two<'a, 'b>(inputs: &'b [&'a [usize]]) -> Result<(&'a [usize], &'b [&'a [usize]]), LayerError> {
    match inputs {
        [first, rest @ ..] if rest.len() == 1 => Ok((first, rest)),
        _ => Err(LayerError::Inputs { expected: "two inputs", found: inputs.len() }),
    }
}

/// The only input, a picture `[H, W, C]`.
pub(crate) fn image(inputs: &[&[usize]]) -> Result<[usize; 3], LayerError> {
    let input = one(inputs)?;
    input.try_into().map_err(|_| LayerError::shape("[N, H, W, C]", input))
}

/// Bounds a padded copy of a picture, which kernels make, by what there is besides: input, output, and this many weights.
pub(crate) fn bounded(
    input: &[usize],
    [h, w, c]: [usize; 3],
    padding: &Padding,
    output: &[usize],
    weights: usize,
) -> Result<(), LayerError> {
    let [rows, columns] = padding.total();
    let found = [h.saturating_add(rows), w.saturating_add(columns), c];
    let ends = count(input).and_then(|values| values.checked_add(count(output)?)).unwrap_or(MAX_VALUES);
    let limit = ends.saturating_add(weights).saturating_mul(INTERMEDIATE_FACTOR).clamp(INTERMEDIATE_FREE, MAX_VALUES);
    match count(&found) {
        Some(values) if values <= limit => Ok(()),
        _ => Err(LayerError::Intermediate { found, limit }),
    }
}
