//! Occlusion.

use ndarray::{Array2, Zip};
use nn::data::Rect;
use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prelude::*;
use super::settings::{optional_sides, to_value};
use crate::baseline::Baseline;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "occlusion",
    title: "occlusion",
    source: "Zeiler and Fergus 2014",
    formula: "how much the score falls when a patch covers the place",
    looks_at: LooksAt::Input,
    quantity: Quantity::Contribution,
    cost: Cost::EachVariant,
    tells: "by how much the score falls when a patch of the picture is covered, or rises, if it is negative",
    does_not_tell: "what two places do together; and a covered picture is unlike those that it was trained on",
    elsewhere: &["Occlusion"],
    chapter: "chapter_11_other_readings",
};

/// Occlusion: how much the score falls when a patch covers a pixel, averaged over the patches that cover it: `[H, W]`.
/// (Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, 2014, §4.2.)
///
/// The model is run once for each patch. The map depends on the size and the content of the patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Occlusion {
    /// The patch's `[rows, columns]`. The default is a square with a sixth of the picture's shorter side.
    #[serde(deserialize_with = "optional_sides")]
    pub window: Option<[usize; 2]>,
    /// Steps `[down, right]` from patch to patch. The default is half the window. If the steps are longer than the
    /// window, some pixels are never covered.
    #[serde(deserialize_with = "optional_sides")]
    pub stride: Option<[usize; 2]>,
    /// The content of the patch.
    pub baseline: Baseline,
}

/// Rows and columns of the patch, and the steps from one to the next.
struct Patches {
    window: [usize; 2],
    stride: [usize; 2],
}

impl Patches {
    /// The patches, row by row. The last patch of a row or column is cut off at the edge if it doesn't fit.
    fn on(&self, picture: [usize; 2]) -> Vec<Rect> {
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

impl Occlusion {
    /// A square window of `size` pixels, with half of it as the stride, and the default baseline.
    #[must_use]
    pub fn square(size: usize) -> Self {
        Self { window: Some([size; 2]), ..Self::default() }
    }

    fn patches<T: Real>(&self, model: &Model<T>) -> Patches {
        let [height, width, _] = model.input_shape();
        let window = self.window.unwrap_or([height.min(width).div_ceil(6); 2]);
        Patches { window, stride: self.stride.unwrap_or(window.map(|side| side.div_ceil(2))) }
    }
}

impl<T: Real> Method<T> for Occlusion {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        let [height, width, _] = pass.model().input_shape();
        let Patches { window, stride } = self.patches(pass.model());
        if window.contains(&0) || stride.contains(&0) || window[0] > height || window[1] > width {
            return Err(ExplainError::Setting(format!(
                "expected a window of at most [{height}, {width}] and a stride, both of at least 1, found {window:?} and \
                 {stride:?}"
            )));
        }
        self.baseline.of(pass.model()).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (pass, resolved) = (question.pass(), question.resolve()?);
        let model = pass.model();
        self.check(pass)?;
        let [height, width, channels] = model.input_shape();
        let baseline = self.baseline.of(model)?;
        let patches = self.patches(model).on([height, width]);
        let whole = pass.scores_of(&resolved)?;
        let mut runner = question.runner(patches.len());
        let mut map = |image: usize| {
            let cover = |k: usize, values: &mut [T]| {
                let Rect { top, left, height, width: columns } = patches[k];
                for row in top..top + height {
                    let covered = (row * width + left) * channels..(row * width + left + columns) * channels;
                    values[covered.clone()].copy_from_slice(&baseline.as_slice()[covered]);
                }
            };
            let variants = pass.variants(image, patches.len());
            let scores = runner.scores(&resolved, &variants, cover, |x| resolved.predict(model, x))?;
            let (mut falls, mut covers) = (Array2::<T>::zeros((height, width)), Array2::<T>::zeros((height, width)));
            for (patch, score) in patches.iter().zip(scores) {
                let pixels = (patch.top..patch.bottom()).flat_map(|y| (patch.left..patch.right()).map(move |x| [y, x]));
                for pixel in pixels {
                    falls[pixel] += whole[image] - score;
                    covers[pixel] += T::one();
                }
            }
            // Pixels that are never covered get 0.
            let mean = Zip::from(&falls).and(&covers).map_collect(|&sum, &n| sum / n.max(T::one()));
            Ok(runner.traced(pass.fine_map(image, ABOUT.quantity, mean)))
        };
        (0..pass.images()).map(&mut map).collect()
    }

    fn settings(&self, model: Option<&Model<T>>) -> Value {
        let Some(model) = model else { return to_value(self) };
        let Patches { window, stride } = self.patches(model);
        to_value(&Self { window: Some(window), stride: Some(stride), ..self.clone() })
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3};
    use tensor::Tensor;
    use super::Occlusion;
    use super::super::tests::{image, maps, near, score, with_pass};
    use crate::Baseline;
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let settings = Occlusion { window: Some([3, 2]), stride: Some([2, 3]), baseline: Baseline::Value(0.5) };
        with_pass(|pass| {
            for (n, map) in maps(pass, "pool", &settings).iter().enumerate() {
                let x = image(pass, n);
                let (mut sum, mut count) = (Array2::<f64>::zeros((9, 8)), Array2::<f64>::zeros((9, 8)));
                for (top, left) in [0_usize, 2, 4, 6].into_iter().flat_map(|top| [0_usize, 3, 6].map(|left| (top, left))) {
                    let inside = |i: usize, j: usize| i >= top && i < top + 3 && j >= left && j < left + 2;
                    let covered = Array3::from_shape_fn(INPUT, |(i, j, c)| if inside(i, j) { 0.5 } else { x[[i, j, c]] });
                    let fall = score(pass, &x) - score(pass, &covered);
                    for ((i, j), s) in sum.indexed_iter_mut().filter(|((i, j), _)| inside(*i, *j)) {
                        *s += fall;
                        count[[i, j]] += 1.0;
                    }
                }
                near(&map.per_cell(), &(sum / count.mapv(|n| n.max(1.0))), "occlusion");
            }
            // With steps larger than the image, only the first patch is left.
            let far = Occlusion { stride: Some([20, usize::MAX]), ..settings.clone() };
            let corner = maps(pass, "pool", &far)[0].per_cell();
            assert!(corner.indexed_iter().all(|((i, j), &fall)| (fall != 0.0) == (i < 3 && j < 2)), "{corner}");
            let message = |settings: Occlusion| pass.why(1).explain_each(&settings).unwrap_err().to_string();
            assert!(message(Occlusion { window: Some([10, 1]), ..settings.clone() }).contains("at most [9, 8]"));
            let foreign = Baseline::image(&Tensor::<f64>::zeros([2, 2, 2]));
            assert!(message(Occlusion { baseline: foreign, ..Occlusion::square(2) }).contains("expected a baseline [9, 8, 2]"));
        });
    }
}
