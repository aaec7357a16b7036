//! Occlusion.

use std::ops::ControlFlow;

use ndarray::{Array2, Zip};
use nn::Real;
use nn::data::Rect;

use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::pass::Pass;
use crate::target::Target;
use crate::variants::{Progress, Runner};

/// The patch that [occlusion](Pass::occlusion) moves over the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Occlusion<T: Real = f32> {
    /// Its `[rows, columns]`.
    pub window: [usize; 2],
    /// Steps `[down, right]`. What lies between patches further apart than they are long is never covered.
    pub stride: [usize; 2],
    /// What it shows.
    pub baseline: Baseline<T>,
}

impl<T: Real> Occlusion<T> {
    /// Squares of `size` pixels, moved by half of it, that show the default baseline.
    #[must_use]
    pub fn square(size: usize) -> Self {
        Self { window: [size; 2], stride: [size.div_ceil(2); 2], baseline: Baseline::default() }
    }

    /// The patches, row by row. The last of a row or column is cut off at the edge where it doesn't fit.
    fn patches(&self, picture: [usize; 2]) -> Vec<Rect> {
        let starts = |axis: usize| {
            let (extent, window) = (picture[axis], self.window[axis]);
            let steps = extent.saturating_sub(window).div_ceil(self.stride[axis]);
            let starts = (0..extent).step_by(self.stride[axis]).take(steps + 1);
            starts.map(move |start| (start, window.min(extent - start)))
        };
        let row = |(top, height)| starts(1).map(move |(left, width)| Rect { top, left, height, width });
        starts(0).flat_map(row).collect()
    }
}

impl<T: Real> Pass<'_, T> {
    /// Occlusion: how much the score falls when a patch covers a place, averaged over the patches that cover each pixel:
    /// `[H, W]`. (Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, 2014, §4.2.)
    ///
    /// The model is run once for each patch. What the patch shows and how large it is shape the map.
    ///
    /// # Errors
    /// Where a window or stride is zero, or the window larger than the image, the target doesn't fit, or when `progress`
    /// breaks it off.
    pub fn occlusion(
        &self,
        target: impl Into<Target<T>>,
        settings: &Occlusion<T>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let (target, [height, width, channels]) = (target.into(), self.model.input_shape());
        let Occlusion { window, stride, baseline } = settings;
        if window.contains(&0) || stride.contains(&0) || window[0] > height || window[1] > width {
            return Err(ExplainError::Setting(format!(
                "occlusion needs a window within [{height}, {width}] and a stride, found {window:?} and {stride:?}"
            )));
        }
        let resolved = self.resolve(&target)?;
        let baseline = baseline.image(self.model)?;
        let patches = settings.patches([height, width]);
        let whole = resolved.scores(self.logits(), &self.every_image())?;
        let mut runner = Runner::new(self.images() * patches.len(), &mut progress);
        let mut map = |image: usize| {
            let cover = |k: usize, values: &mut [T]| {
                let Rect { top, left, height, width: columns } = patches[k];
                for row in top..top + height {
                    let covered = (row * width + left) * channels..(row * width + left + columns) * channels;
                    values[covered.clone()].copy_from_slice(&baseline.as_slice()[covered]);
                }
            };
            let scores =
                runner.scores(&resolved, &self.variants(image, patches.len()), cover, |x| self.model.predict(x))?;
            let (mut falls, mut covers) = (Array2::<T>::zeros((height, width)), Array2::<T>::zeros((height, width)));
            for (patch, score) in patches.iter().zip(scores) {
                let pixels = (patch.top..patch.bottom()).flat_map(|y| (patch.left..patch.right()).map(move |x| [y, x]));
                for pixel in pixels {
                    falls[pixel] += whole[image] - score;
                    covers[pixel] += T::one();
                }
            }
            // Of pixels that are never covered nothing is known.
            let mean = Zip::from(&falls).and(&covers).map_collect(|&sum, &n| sum / n.max(T::one()));
            Ok(self.heatmap_of_pixels(image, mean))
        };
        let maps = (0..self.images()).map(&mut map).collect::<Result<_, ExplainError>>()?;
        Ok(self.input_level("occlusion", &target, maps))
    }
}
