//! A map of a layer's cells.

use image::RgbImage;
use ndarray::{Array2, ArrayView2};
use nn::Real;
use nn::data::Crop;
use nn::layers::Tap;

use crate::framing::Framing;
use crate::geometry::Cells;
use crate::photo::Photo;
use crate::render::{Colormap, OPACITY, overlay};
use crate::upsample::{Alignment, resample, upsample};
use crate::verdict::Verdict;

/// Where the cells of a map are put when it is enlarged to the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Where kernels, strides and paddings say that they lie ([`Cells`]).
    #[default]
    Geometric,
    /// Stretched evenly over the image, edge to edge, whatever the layers did: the common convention.
    Stretched,
}

/// What one layer says about where the evidence lies: a signed value for each cell, and a [`Verdict`].
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap<T: Real = f32> {
    pub(crate) values: Array2<T>,
    pub(crate) verdict: Verdict,
    pub(crate) cells: Option<Cells>,
    pub(crate) input: [usize; 2],
    /// What of a picture becomes the input.
    pub(crate) crop: Crop,
}

impl<T: Real> Heatmap<T> {
    /// The signed values, before ReLU and upsampling: `[h, w]`.
    #[must_use]
    pub fn raw(&self) -> ArrayView2<'_, T> {
        self.values.view()
    }

    /// What the map says. Where that isn't [evidence](Verdict::Evidence), the forms to display are zero everywhere, and the
    /// verdict is what there is to show.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Where the cells lie on the model's input; `None` where branches of different strides met before the layer.
    #[must_use]
    pub fn cells(&self) -> Option<&Cells> {
        self.cells.as_ref()
    }

    /// The form to display: ReLU, then divided by the maximum. `[h, w]`, values in [0, 1].
    #[must_use]
    pub fn display(&self) -> Array2<T> {
        self.scaled(self.positive())
    }

    /// The form to display, as large as the model's input: ReLU, upsampled (bilinear), then divided by the maximum.
    /// `[H, W]`, values in [0, 1].
    #[must_use]
    pub fn over_input(&self, placement: Placement) -> Array2<T> {
        self.scaled(self.enlarged(self.positive().view(), placement))
    }

    /// The positive part, upsampled but not scaled: to compare strengths between classes or images on one scale.
    /// `[H, W]`; zero where a value isn't a number.
    #[must_use]
    pub fn positive_over_input(&self, placement: Placement) -> Array2<T> {
        self.enlarged(self.positive().view(), placement)
    }

    /// The signed values, upsampled: `[H, W]`.
    #[must_use]
    pub fn signed_over_input(&self, placement: Placement) -> Array2<T> {
        self.enlarged(self.raw(), placement)
    }

    /// The map laid over the picture that was observed, in the cells' true places; the untouched picture where it isn't
    /// evidence.
    #[must_use]
    pub fn over(&self, photo: &Photo) -> RgbImage {
        let [height, width] = self.input;
        let framing = Framing::new((photo.height(), photo.width()), (height, width), self.crop);
        let map = self.over_input(Placement::Geometric).mapv(|v| v.as_f64() as f32);
        overlay(&photo.to_rgb(), framing.spread(map.view()).view(), Colormap::default(), OPACITY)
    }

    /// max(x, 0), and zero for what isn't a number.
    fn positive(&self) -> Array2<T> {
        self.values.mapv(|v| if v > T::zero() && v.is_finite() { v } else { T::zero() })
    }

    fn enlarged(&self, values: ArrayView2<T>, placement: Placement) -> Array2<T> {
        let [height, width] = self.input;
        match (placement, self.cells) {
            (Placement::Geometric, Some(cells)) => {
                let at = |axis: usize| {
                    move |pixel| Tap::linear(cells.cell_at(axis, pixel as f64 + 0.5), values.shape()[axis])
                };
                let [rows, columns] =
                    [(0, height), (1, width)].map(|(axis, pixels)| (0..pixels).map(at(axis)).collect::<Vec<_>>());
                resample(values, &rows, &columns)
            }
            _ => upsample(values, height, width, Alignment::HalfPixel),
        }
    }

    fn scaled(&self, positive: Array2<T>) -> Array2<T> {
        let max = positive.iter().copied().fold(T::zero(), T::max);
        match self.verdict {
            Verdict::Evidence { .. } if max > T::zero() => positive.mapv(|v| v / max),
            _ => Array2::zeros(positive.raw_dim()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Occlusion;
    use crate::verdict::Values;
    use crate::{Explainer, silent};
    use ndarray::array;
    use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
    use nn::{Convolution, Model};
    use tensor::Tensor;

    fn map(values: Array2<f32>) -> Heatmap {
        let verdict = Verdict::on_map(&Values::of(values.iter().map(|&v| f64::from(v))), false, || None);
        Heatmap { values, verdict, cells: None, input: [4, 6], crop: Crop::default() }
    }

    #[test]
    fn the_display_is_the_positive_part_over_its_maximum() {
        let map = map(array![[-8.0, 2.0], [4.0, 1.0]]);
        assert_eq!(map.display(), array![[0.0, 0.5], [1.0, 0.25]]);
        let large = map.over_input(Placement::Stretched);
        assert_eq!(large.dim(), (4, 6));
        assert_eq!(large.iter().copied().fold(0.0, f32::max), 1.0);
        assert_eq!(map.raw()[[0, 0]], -8.0);
    }

    #[test]
    fn nothing_to_show_is_zero_and_never_nan() {
        for values in [
            array![[-1.0, -2.0]],
            array![[0.0, 0.0]],
            array![[3.0, 3.0]],
            array![[f32::NAN, 1.0]],
            array![[f32::INFINITY, 1.0]],
        ] {
            let map = map(values);
            assert!(!map.verdict().is_evidence());
            assert!(map.display().iter().chain(&map.over_input(Placement::Geometric)).all(|&v| v == 0.0));
        }
    }

    /// A 'valid' convolution without padding, three times: the map is smaller than the picture by three pixels a side, and
    /// stretching it puts the corner cell half a receptive field too far out.
    #[test]
    fn geometry_puts_evidence_where_it_came_from() {
        let valid = |out_channels| Conv2d { out_channels, kernel: [5, 5], conv: Convolution::default(), bias: true };
        let mut model = Model::builder([24, 24, 1])
            .layer("conv1", valid(1))
            .layer("conv2", valid(1))
            .layer("conv3", valid(1))
            .layer("relu", Relu)
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(1))
            .build(0)
            .unwrap();
        for conv in ["conv1", "conv2", "conv3"] {
            let ones = Tensor::full([5, 5, 1, 1], 0.2);
            model.set_parameter(&format!("{conv}.weight"), ones).unwrap();
        }
        model.set_parameter("fc.weight", Tensor::full([1, 1], 1.0)).unwrap();
        let mut image = Tensor::zeros([24, 24, 1]);
        image.make_mut()[8 * 24 + 15] = 1.0;
        let pass = Explainer::new(&model).observe(image).unwrap();
        let peak = |map: Array2<f32>| {
            let first = map.indexed_iter().next().unwrap();
            map.indexed_iter().fold(first, |best, next| if *next.1 > *best.1 { next } else { best }).0
        };
        let cam = pass.cam(0).unwrap().single();
        assert_eq!(peak(cam.over_input(Placement::Geometric)), (8, 15));
        assert_ne!(peak(cam.over_input(Placement::Stretched)), (8, 15));
        let patch = Occlusion { window: [1, 1], stride: [1, 1], baseline: crate::Baseline::Value(0.0) };
        let occlusion = pass.occlusion(0, &patch, silent).unwrap().single();
        assert_eq!(peak(occlusion.over_input(Placement::Geometric)), (8, 15));
    }
}
