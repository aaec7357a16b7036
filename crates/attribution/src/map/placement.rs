//! Where the cells of a map lie on the model's input.

use nn::Real;
use nn::layers::Tap;

use super::Cells;

/// Where the cells of a map lie on the model's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// The cells of a layer, where kernels, strides and paddings put them.
    Cells(Cells),
    /// Stretched evenly over the input, edge to edge. This is the common convention, and the only one if the geometry
    /// isn't known.
    Stretched,
    /// The input's own pixels.
    Pixels,
}

impl Placement {
    /// The cells and weights for a point of the input, in pixels from its edge, with `cells` cells along an axis of
    /// `extent` pixels.
    pub(super) fn tap<T: Real>(&self, axis: usize, point: f64, cells: usize, extent: usize) -> Tap<T> {
        let stretched = point * cells as f64 / extent as f64 - 0.5;
        match self {
            Self::Cells(geometry) => Tap::linear(geometry.cell_at(axis, point), cells),
            Self::Stretched => Tap::linear(stretched, cells),
            // A pixel is drawn unchanged, not blended with its neighbours.
            Self::Pixels => Tap::linear(stretched.round(), cells),
        }
    }
}
