//! Units of a layer as targets.

use std::fmt;

use nn::{Grid, Model, Real};
use tensor::Tensor;

use crate::error::ExplainError;

/// Outputs of a layer: a channel at all positions, one cell of it, or all channels at one position. The score is the sum of
/// these outputs. A layer of tokens has a row and a column for each token of a patch; tokens of no patch, such as the class
/// token, belong to no cell, but to the channels.
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
        let layer = model.layer_index(&self.layer)?;
        let shape = &model.layers()[layer].output_shape;
        self.coefficients::<T>(&[&[1], &shape[..]].concat(), model.grids()[layer].as_ref()).map(|_| ())
    }

    /// 1 for the unit's outputs, 0 for all others, in the shape of the layer's outputs `[N, …]`, whose cells are in this grid.
    pub(super) fn coefficients<T: Real>(
        &self,
        outputs: &[usize],
        grid: Option<&Grid>,
    ) -> Result<Tensor<T>, ExplainError> {
        let channels = *outputs.last().expect("a batch has a shape");
        let size = match (grid, &outputs[1..]) {
            (Some(grid), _) => Some(grid.size),
            (None, &[height, width, _]) => Some([height, width]),
            _ => None,
        };
        let missing = || ExplainError::Unit { unit: self.to_string(), size, channels };
        if self.channel.is_some_and(|channel| channel >= channels) || outputs.len() < 2 {
            return Err(missing());
        }
        // The index of the cell among all positions.
        let chosen = match (self.cell, size) {
            (None, _) => None,
            (Some([row, column]), Some([height, width])) if row < height && column < width => {
                let at = row * width + column;
                Some(grid.and_then(|grid| grid.positions.as_ref()).map_or(at, |positions| positions[at]))
            }
            _ => return Err(missing()),
        };
        let each: usize = outputs[1..].iter().product();
        let is_chosen = |at: usize| {
            self.channel.is_none_or(|channel| channel == at % channels)
                && chosen.is_none_or(|position| position == at % each / channels)
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
