//! The positions of a map that a target adds up.

use std::fmt;

use ndarray::Array2;
use nn::Real;
use nn::data::Rect;

use super::class::is_predicted;
use crate::error::ExplainError;
use nn::Task;

/// The positions of a network's map, `[H, W, K]`, whose scores a [`Target`](super::Target) adds up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// Where the class has the highest score, or the label a probability above ½; every position of a map of values.
    #[default]
    Predicted,
    /// Every position.
    All,
    /// The positions whose centres lie in a box on the input.
    Box(Rect),
    /// The positions whose centres lie in a mask of the input's pixels, `[H, W]`.
    Mask(Array2<bool>),
}

/// A map of scores on its input.
pub(super) struct Layout {
    /// `[H, W]` of the map.
    pub(super) map: [usize; 2],
    /// `[H, W]` of the input.
    pub(super) input: [usize; 2],
    pub(super) task: Task,
    /// The score that is added up.
    pub(super) score: usize,
}

impl Region {
    /// The indices of the positions of a map `[H·W·K]` that belong to the region.
    pub(super) fn positions<T: Real>(&self, map: &[T], layout: &Layout) -> Result<Vec<usize>, ExplainError> {
        let [height, width] = layout.map;
        let [rows, columns] = layout.input;
        if let Self::Mask(mask) = self
            && mask.dim() != (rows, columns)
        {
            return Err(ExplainError::Mask { expected: layout.input, found: mask.dim().into() });
        }
        // The pixel at the centre of a position.
        let pixel = |position: usize| {
            let (row, column) = (position / width, position % width);
            [(2 * row + 1) * rows / (2 * height), (2 * column + 1) * columns / (2 * width)]
        };
        let scores = |position: usize| &map[position * map.len() / (height * width)..][..map.len() / (height * width)];
        let belongs = |&position: &usize| match self {
            Self::All => true,
            Self::Predicted => is_predicted(layout.task, scores(position), layout.score),
            Self::Box(area) => {
                let [row, column] = pixel(position);
                (area.top..area.bottom()).contains(&row) && (area.left..area.right()).contains(&column)
            }
            Self::Mask(mask) => mask[pixel(position)],
        };
        let positions: Vec<usize> = (0..height * width).filter(belongs).collect();
        if positions.is_empty() { Err(ExplainError::EmptyRegion { region: self.to_string() }) } else { Ok(positions) }
    }
}

/// In words, to follow a class's name: `where it is predicted`, `everywhere`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Predicted => f.write_str("where it is predicted"),
            Self::All => f.write_str("everywhere"),
            Self::Box(Rect { top, left, height, width }) => {
                write!(f, "in rows {top} to {} and columns {left} to {}", top + height, left + width)
            }
            Self::Mask(_) => f.write_str("in the mask"),
        }
    }
}
