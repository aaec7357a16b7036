//! Units of a layer as targets.

use std::fmt;

use nn::{Model, Real};
use tensor::Tensor;

use crate::error::ExplainError;

/// Outputs of a layer: a channel at all positions, one cell of it, or all channels at one position. The score is the sum of
/// these outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The layer's name.
    pub layer: String,
    /// The channel, from 0; `None` for all channels.
    pub channel: Option<usize>,
    /// The row and column of a cell; `None` for all cells.
    pub cell: Option<[usize; 2]>,
}

/// Stands for all channels in a unit's name.
const ALL: &str = "*";

impl Unit {
    /// A channel of a layer, at all positions.
    #[must_use]
    pub fn new(layer: impl Into<String>, channel: usize) -> Self {
        Self { layer: layer.into(), channel: Some(channel), cell: None }
    }

    /// A position of a layer, by row and column, with all channels.
    #[must_use]
    pub fn position(layer: impl Into<String>, cell: [usize; 2]) -> Self {
        Self { layer: layer.into(), channel: None, cell: Some(cell) }
    }

    /// One cell of the channel, by row and column.
    #[must_use]
    pub fn at(self, cell: [usize; 2]) -> Self {
        Self { cell: Some(cell), ..self }
    }

    /// Reads `LAYER:CHANNEL`, `LAYER:CHANNEL:ROW,COLUMN` or `LAYER:*:ROW,COLUMN`; `None` if the text has another form. A
    /// layer's name may contain colons.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (before, last) = text.rsplit_once(':')?;
        if let Ok(channel) = last.parse() {
            return Some(Self::new(before, channel));
        }
        let (row, column) = last.split_once(',')?;
        let cell = [row.parse().ok()?, column.parse().ok()?];
        let (layer, channel) = before.rsplit_once(':')?;
        match channel {
            ALL => Some(Self::position(layer, cell)),
            channel => Some(Self::new(layer, channel.parse().ok()?).at(cell)),
        }
    }

    /// Checks that the model has this unit.
    ///
    /// # Errors
    /// If it has no such layer, or the layer no such unit; the error says what the layer has.
    pub fn check<T: Real>(&self, model: &Model<T>) -> Result<(), ExplainError> {
        let shape = &model.layers()[model.layer_index(&self.layer)?].output_shape;
        self.coefficients::<T>(&[&[1], &shape[..]].concat()).map(|_| ())
    }

    /// 1 for the unit's outputs, 0 for all others, in the shape of the layer's outputs `[N, …]`.
    pub(super) fn coefficients<T: Real>(&self, outputs: &[usize]) -> Result<Tensor<T>, ExplainError> {
        let width = match (outputs, self.cell) {
            (&[_, .., _], None) => Some(1),
            (&[_, height, width, _], Some([row, column])) if row < height && column < width => Some(width),
            _ => None,
        };
        let channels = *outputs.last().expect("a batch has a shape");
        let Some(width) = width.filter(|_| self.channel.is_none_or(|channel| channel < channels)) else {
            return Err(ExplainError::Unit { unit: self.to_string(), shape: outputs[1..].to_vec() });
        };
        let each: usize = outputs[1..].iter().product();
        let is_chosen = |at: usize| {
            let position = at % each / channels;
            self.channel.is_none_or(|channel| channel == at % channels)
                && self.cell.is_none_or(|cell| [position / width, position % width] == cell)
        };
        Ok(Tensor::from_fn(outputs, |at| if is_chosen(at) { T::one() } else { T::zero() }))
    }
}

/// As [`parse`](Unit::parse) reads it.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.layer)?;
        match self.channel {
            Some(channel) => write!(f, "{channel}")?,
            None => f.write_str(ALL)?,
        }
        self.cell.map_or(Ok(()), |[row, column]| write!(f, ":{row},{column}"))
    }
}
