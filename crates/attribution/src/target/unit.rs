//! Units of a layer as targets.

use std::fmt;

use nn::Real;
use tensor::Tensor;

use crate::error::ExplainError;

/// A channel of a layer, or one cell of it. Its score is the sum of the channel over the positions, or the cell's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The layer's name.
    pub layer: String,
    /// The channel, from 0.
    pub channel: usize,
    /// The row and column of a cell; `None` for all cells.
    pub cell: Option<[usize; 2]>,
}

impl Unit {
    /// A channel of a layer, at all positions.
    #[must_use]
    pub fn new(layer: impl Into<String>, channel: usize) -> Self {
        Self { layer: layer.into(), channel, cell: None }
    }

    /// One cell of the channel, by row and column.
    #[must_use]
    pub fn at(self, cell: [usize; 2]) -> Self {
        Self { cell: Some(cell), ..self }
    }

    /// Reads `LAYER:CHANNEL` or `LAYER:CHANNEL:ROW,COLUMN`; `None` if the text has another form. A layer's name may contain
    /// colons.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (before, last) = text.rsplit_once(':')?;
        if let Ok(channel) = last.parse() {
            return Some(Self::new(before, channel));
        }
        let (row, column) = last.split_once(',')?;
        let (layer, channel) = before.rsplit_once(':')?;
        Some(Self::new(layer, channel.parse().ok()?).at([row.parse().ok()?, column.parse().ok()?]))
    }

    /// 1 for the unit's outputs, 0 for all others, in the shape of the layer's outputs `[N, …]`.
    pub(super) fn coefficients<T: Real>(&self, outputs: &[usize]) -> Result<Tensor<T>, ExplainError> {
        let misfit = || ExplainError::Unit { unit: self.to_string(), shape: outputs[1..].to_vec() };
        let (channels, width) = match (outputs, self.cell) {
            (&[_, channels], None) => (channels, 1),
            (&[_, height, width, channels], Some([row, column])) if row < height && column < width => (channels, width),
            (&[_, _, width, channels], None) => (channels, width),
            _ => return Err(misfit()),
        };
        if self.channel >= channels {
            return Err(misfit());
        }
        let each: usize = outputs[1..].iter().product();
        let is_chosen = |at: usize| {
            let position = at % each / channels;
            at % channels == self.channel && self.cell.is_none_or(|cell| [position / width, position % width] == cell)
        };
        Ok(Tensor::from_fn(outputs, |at| if is_chosen(at) { T::one() } else { T::zero() }))
    }
}

/// As [`parse`](Unit::parse) reads it.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.channel)?;
        self.cell.map_or(Ok(()), |[row, column]| write!(f, ":{row},{column}"))
    }
}
