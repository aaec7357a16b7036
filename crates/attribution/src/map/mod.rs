//! Maps: a method's explanation of one image.
//!
//! A [`Map`] has a value for each cell. It knows [where its cells lie](Placement), [what its values mean](Quantity) and
//! [what it shows](Verdict).

mod cells;
mod framing;
mod percentile;
mod placement;
mod quantity;
#[cfg(test)]
mod tests;
mod upsample;
mod verdict;

use image::RgbImage;
use ndarray::{Array2, Array3, ArrayView3, Axis};
use nn::Real;
use nn::data::Crop;
use nn::layers::Tap;

pub use cells::Cells;
pub use framing::Framing;
pub use placement::Placement;
pub use quantity::Quantity;
pub use upsample::{Alignment, upsample};
pub use verdict::{Origin, Verdict};

use crate::render::{OPACITY, overlay};
use crate::rules::Coverage;
use nn::data::photo::Photo;
pub(crate) use percentile::percentile;
use upsample::resample;

/// In a signed map, the value with the full colour is this percentile of the absolute values, so that a few extreme
/// pixels don't make all others pale.
pub const PERCENTILE: f64 = 99.0;

/// A method's explanation of one image: a value for each cell and channel, `[h, w, C]`, and a [`Verdict`].
///
/// ```
/// # use attribution::{Pass, methods::GradCam};
/// # use nn::{Model, layers::{Conv2d, GlobalAvgPool, Linear, Relu}};
/// # use tensor::Tensor;
/// # let model = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
/// #     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(3)).build(7)?;
/// # let pass = Pass::new(&model, Tensor::from_fn([16, 16, 1], |i| (i as f32).sin()))?;
/// let map = pass.why(0).explain(&GradCam)?;
/// println!("{}: {}", map.layers().join(", "), map.verdict());   // relu1: evidence, at most 0.3
/// assert_eq!(map.raw().dim(), (16, 16, 1));                      // signed, before ReLU and upsampling
/// assert_eq!(map.over_input().dim(), (16, 16));                  // in [0, 1], as large as the input
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Map<T: Real = f32> {
    pub(crate) values: Array3<T>,
    pub(crate) quantity: Quantity,
    pub(crate) placement: Placement,
    pub(crate) verdict: Verdict,
    /// Height and width of the model's input.
    pub(crate) input: [usize; 2],
    /// How a picture becomes the input.
    pub(crate) crop: Crop,
    pub(crate) layers: Vec<String>,
    pub(crate) coverage: Option<Coverage>,
}

impl<T: Real> Map<T> {
    /// The values, signed, before ReLU and upsampling: `[h, w, C]`, one channel for a map of a layer's cells.
    #[must_use]
    pub fn raw(&self) -> ArrayView3<'_, T> {
        self.values.view()
    }

    /// One signed value for each cell, `[h, w]`. The [quantity](Quantity::reduce) determines how the channels are
    /// reduced.
    #[must_use]
    pub fn per_cell(&self) -> Array2<T> {
        self.values.map_axis(Axis(2), |channels| self.quantity.reduce(channels.iter().copied()))
    }

    /// The meaning of the values.
    #[must_use]
    pub fn quantity(&self) -> Quantity {
        self.quantity
    }

    /// Whether the map is evidence. Unless this is [evidence](Verdict::Evidence), every form for display or measurement is zero:
    /// show the verdict instead.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Where the cells lie on the model's input.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Whether the cells are the input's own pixels.
    #[must_use]
    pub fn is_of_pixels(&self) -> bool {
        self.placement == Placement::Pixels
    }

    /// The layers that the method explained; empty for maps of the input.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// The operations that the backward rule replaced; `None` for the chain rule and without a backward pass.
    #[must_use]
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }

    /// The same map with its cells stretched evenly over the input, edge to edge, as in most other programs.
    #[must_use]
    pub fn stretched(mut self) -> Self {
        self.placement = Placement::Stretched;
        self
    }

    /// The strength of each pixel of the input, `[H, W]`, at least 0 and not scaled, so that strengths can be compared
    /// between classes or images. Upsampling is bilinear.
    #[must_use]
    pub fn strength(&self) -> Array2<T> {
        self.on_pixels(self.strengths())
    }

    /// The signed value of each pixel of the input, `[H, W]`. Upsampling is bilinear.
    pub(crate) fn per_pixel(&self) -> Array2<T> {
        self.on_pixels(self.per_cell())
    }

    /// A value for each cell, at each pixel of the input.
    fn on_pixels(&self, values: Array2<T>) -> Array2<T> {
        let taps = [0, 1].map(|axis| self.taps(axis, (0..self.input[axis]).map(|pixel| pixel as f64 + 0.5)));
        resample(values.view(), &taps[0], &taps[1])
    }

    /// The form for measurement and comparison: the [strength](Self::strength) divided by its maximum, `[H, W]`,
    /// in [0, 1].
    #[must_use]
    pub fn over_input(&self) -> Array2<T> {
        let strength = self.strength();
        let most = strength.iter().copied().fold(T::zero(), T::max);
        if self.verdict.is_evidence() && most > T::zero() {
            strength.mapv(|v| v / most)
        } else {
            Array2::zeros(strength.raw_dim())
        }
    }

    /// The value with the full colour if the map doesn't share a scale: the largest strength, or for signed values the
    /// [`PERCENTILE`] of their magnitudes. 0 unless the map is evidence.
    #[must_use]
    pub fn scale(&self) -> f32 {
        match (self.verdict.is_evidence(), self.quantity.is_signed()) {
            (false, _) => 0.0,
            (true, true) => percentile(self.per_cell().iter().map(|v| v.as_f64() as f32), PERCENTILE),
            (true, false) => self.strength().iter().fold(0.0, |most, v| f32::max(most, v.as_f64() as f32)),
        }
    }

    /// Draws the map over its picture, at the picture's size. The picture is unchanged unless the map is evidence.
    ///
    /// # Panics
    /// If the picture has no pixels.
    #[must_use]
    pub fn over(&self, photo: &Photo) -> RgbImage {
        let [height, width] = self.input;
        let framing = Framing::new((photo.height(), photo.width()), (height, width), self.crop);
        self.draw(photo.to_rgb(), &framing, self.scale())
    }

    /// Draws the map over a drawing of the picture, of any size; `scale` is the value with the full colour. The picture
    /// shows through a layer's cells where they are weak. The input's own pixels cover the part that they explain. Each
    /// pixel of the drawing is interpolated once, from the cells.
    #[must_use]
    pub fn draw(&self, mut drawing: RgbImage, framing: &Framing, scale: f32) -> RgbImage {
        if !self.verdict.is_evidence() {
            return drawing;
        }
        let (width, height) = drawing.dimensions();
        let drawn = [height as usize, width as usize];
        let covered = [0, 1].map(|axis| framing.covered(axis, drawn[axis]));
        let picture = [framing.picture.0, framing.picture.1];
        let taps = [0, 1].map(|axis| {
            let pixel = picture[axis] as f64 / drawn[axis] as f64;
            let positions = covered[axis].clone().map(|at| framing.to_input(axis, (at as f64 + 0.5) * pixel));
            self.taps(axis, positions)
        });
        let cells = if self.quantity.is_signed() { self.per_cell() } else { self.strengths() };
        let values = resample(cells.view(), &taps[0], &taps[1]).mapv(|v| {
            let value = v.as_f64() as f32;
            // An all-zero map has the scale 0, and 0 / 0 is NaN.
            if value == 0.0 { 0.0 } else { value / scale }
        });
        let palette = self.quantity.palette();
        let [rows, columns] = covered;
        for ((y, x), &value) in values.indexed_iter() {
            let pixel = &mut drawing[((columns.start + x) as u32, (rows.start + y) as u32)];
            *pixel = match self.placement {
                Placement::Pixels => palette.color(value),
                _ => overlay(*pixel, palette, value, OPACITY),
            };
        }
        drawing
    }

    fn strengths(&self) -> Array2<T> {
        self.per_cell().mapv(|value| self.quantity.strength(value))
    }

    /// The cells and weights for positions along an axis of the input.
    fn taps(&self, axis: usize, positions: impl Iterator<Item = f64>) -> Vec<Tap<T>> {
        let (cells, extent) = (self.values.shape()[axis], self.input[axis]);
        positions.map(|position| self.placement.tap(axis, position, cells, extent)).collect()
    }
}
