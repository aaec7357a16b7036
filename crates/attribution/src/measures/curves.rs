//! Deletion and insertion: does the class's probability fall, or rise, with the pixels that the map marks?

use ndarray::Array2;
use nn::Real;
use tensor::Tensor;

use super::measure::{Group, Measure, Needs, Trial};
use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::pass::{Pass, Runner, Variants};
use crate::progress::Watch;

/// How pixels are removed or restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbation {
    /// Number of steps in which all pixels are changed.
    pub steps: usize,
    /// The source of missing pixels. The paper uses grey for deletion and a blurred image for insertion; the default is
    /// black.
    pub baseline: Baseline,
}

impl Default for Perturbation {
    fn default() -> Self {
        Self { steps: 24, baseline: Baseline::default() }
    }
}

/// The probability of a class, while the fraction of changed pixels grows from 0 to 1 in equal steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve(Vec<f64>);

impl Curve {
    /// The probabilities, from no changed pixel to all.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.0
    }

    /// The area under the curve by the trapezoidal rule, in [0, 1]: low for a good map under deletion, high under
    /// insertion.
    #[must_use]
    pub fn area(&self) -> f64 {
        let sum: f64 = self.0.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).sum();
        sum / (self.0.len() - 1) as f64
    }
}

impl<T: Real> Pass<'_, T> {
    /// Deletion: the probability of each image's class while its pixels are replaced by the baseline, in order of
    /// decreasing values of its map `[H, W]`. (Petsiuk, Das and Saenko, *RISE: Randomized Input Sampling for Explanation
    /// of Black-box Models*, 2018, §4.2.)
    ///
    /// Pixels of equal value are replaced in row-major order, and NaN pixels last. The model sees pictures unlike those
    /// in its training, so use the curve to compare methods, not networks.
    ///
    /// # Errors
    /// If `steps` is zero, the maps, classes or baseline don't fit, or `watch` stops it.
    pub fn deletion(
        &self,
        maps: &[Array2<T>],
        classes: &[usize],
        settings: &Perturbation,
        watch: Option<Watch<'_>>,
    ) -> Result<Vec<Curve>, ExplainError> {
        let baseline = settings.baseline.of(self.model)?;
        self.curves(maps, classes, settings.steps, watch, |image| (self.values_of(image), baseline.as_slice()))
    }

    /// Insertion: the probability of each image's class while its pixels replace those of the baseline, in the same order
    /// as in [`deletion`](Self::deletion).
    ///
    /// # Errors
    /// As for [`deletion`](Self::deletion).
    pub fn insertion(
        &self,
        maps: &[Array2<T>],
        classes: &[usize],
        settings: &Perturbation,
        watch: Option<Watch<'_>>,
    ) -> Result<Vec<Curve>, ExplainError> {
        let baseline = settings.baseline.of(self.model)?;
        self.curves(maps, classes, settings.steps, watch, |image| (baseline.as_slice(), self.values_of(image)))
    }

    /// The curves from the first to the second picture of `ends`, for each image.
    fn curves<'v>(
        &'v self,
        maps: &[Array2<T>],
        classes: &[usize],
        steps: usize,
        watch: Option<Watch<'_>>,
        ends: impl Fn(usize) -> (&'v [T], &'v [T]),
    ) -> Result<Vec<Curve>, ExplainError> {
        if steps == 0 {
            return Err(ExplainError::Setting("deletion and insertion need at least one step".into()));
        }
        self.check_maps(maps)?;
        let resolved = self.resolve(&classes.to_vec().into())?;
        let mut runner = Runner::new(self.images() * (steps + 1), watch);
        let curve = |(image, map): (usize, &Array2<T>)| {
            let (from, to) = ends(image);
            let [height, width, channels] = self.model.input_shape();
            let order = order(map);
            let original = ndarray::ArrayView3::from_shape((height, width, channels), from).expect("one image");
            let variants = Variants { image, original, count: steps + 1 };
            let change = |step: usize, values: &mut [T]| {
                for &pixel in &order[..step * order.len() / steps] {
                    let pixel = pixel * channels..(pixel + 1) * channels;
                    values[pixel.clone()].copy_from_slice(&to[pixel]);
                }
            };
            let scores = runner.scores(&resolved, &variants, change, |images| self.outputs_of(images))?;
            let complement = resolved.complement(self.model.task(), image);
            Ok(Curve(scores.into_iter().map(|score| (score + complement).as_f64()).collect()))
        };
        maps.iter().enumerate().map(curve).collect()
    }

    /// The model's probabilities or values for other images, `[M, …, K]`.
    pub(super) fn outputs_of(&self, images: Tensor<T>) -> Result<Tensor<T>, nn::ModelError> {
        Ok(self.model.task().outputs(&self.model.predict(images)?))
    }

    /// Checks that there is one map for each image, as large as the model's input.
    pub(super) fn check_maps(&self, maps: &[Array2<T>]) -> Result<(), ExplainError> {
        let [height, width, _] = self.model.input_shape();
        let fits = maps.len() == self.images() && maps.iter().all(|map| map.dim() == (height, width));
        let found = || maps.iter().map(|map| map.shape().to_vec()).collect::<Vec<_>>();
        fits.then_some(()).ok_or_else(|| {
            let images = self.images();
            ExplainError::Setting(format!("expected {images} maps of [{height}, {width}], found {:?}", found()))
        })
    }
}

/// The pixel indices, largest value first.
pub(super) fn order<T: Real>(map: &Array2<T>) -> Vec<usize> {
    crate::target::ranked(&map.iter().copied().collect::<Vec<_>>())
}

/// The area under the curve of [deletion](Pass::deletion).
pub static DELETION: Measure = Measure {
    id: "deletion",
    title: "deletion",
    what: "area under the class's probability while the strongest pixels are blackened first",
    group: Group::Faithfulness,
    higher_is_better: false,
    needs: Needs::Network,
    figures: |trial| {
        let Trial { pass, maps, labels, watch, .. } = trial;
        Ok(pass.deletion(maps, labels, &Perturbation::default(), *watch)?.iter().map(Curve::area).collect())
    },
};

/// The area under the curve of [insertion](Pass::insertion).
pub static INSERTION: Measure = Measure {
    id: "insertion",
    title: "insertion",
    what: "area under it while the strongest pixels appear first",
    group: Group::Faithfulness,
    higher_is_better: true,
    needs: Needs::Network,
    figures: |trial| {
        let Trial { pass, maps, labels, watch, .. } = trial;
        Ok(pass.insertion(maps, labels, &Perturbation::default(), *watch)?.iter().map(Curve::area).collect())
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pass;
    use crate::testing::{INPUT, images, model};
    use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
    use nn::{Model, ModelInfo, Task};

    fn waves(phase: f64) -> Array2<f64> {
        Array2::from_shape_fn((INPUT[0], INPUT[1]), |(y, x)| ((y * 8 + x) as f64 * 0.9 + phase).sin())
    }

    #[test]
    fn areas_of_given_curves() {
        assert_eq!(Curve(vec![1.0, 1.0, 1.0]).area(), 1.0);
        assert_eq!(Curve(vec![1.0, 0.0]).area(), 0.5);
        assert_eq!(Curve(vec![1.0, 0.0, 0.0, 0.0, 0.0]).area(), 0.125);
    }

    /// Each picture of a curve, computed by itself: pixels are sorted by value, and a fraction of them is replaced.
    #[test]
    fn each_step_replaces_the_strongest_pixels_that_are_left() {
        let model = model();
        let pass = Pass::new(&model, images(2)).unwrap();
        let (maps, classes) = ([waves(0.0), waves(1.0)], [2, 0]);
        let settings = Perturbation { steps: 5, baseline: Baseline::Value(0.25) };
        let deleted = pass.deletion(&maps, &classes, &settings, None).unwrap();
        let inserted = pass.insertion(&maps, &classes, &settings, None).unwrap();
        for n in 0..2 {
            let mut pixels: Vec<(usize, f64)> = maps[n].iter().copied().enumerate().collect();
            pixels.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap());
            for step in 0..=5 {
                let changed: Vec<usize> = pixels[..72 * step / 5].iter().map(|&(pixel, _)| pixel).collect();
                let picture = |original: bool| {
                    let value = |i: usize| {
                        if changed.contains(&(i / 2)) == original { pass.values_of(n)[i] } else { 0.25 }
                    };
                    let seen = Pass::new(&model, Tensor::from_fn(INPUT, value)).unwrap();
                    seen.outputs().as_slice()[classes[n]]
                };
                assert!((deleted[n].probabilities()[step] - picture(false)).abs() < 1e-12);
                assert!((inserted[n].probabilities()[step] - picture(true)).abs() < 1e-12);
            }
        }
    }

    /// The probabilities of a binary classifier's two classes add up to 1.
    #[test]
    fn absent_labels_have_the_complement() {
        let info = ModelInfo { task: Some(Task::Labels), ..ModelInfo::default() };
        let features = Model::builder(INPUT).layer("conv", Conv2d::new(4, 3)).layer("relu", Relu);
        let head = features.layer("gap", GlobalAvgPool).layer("fc", Linear::new(1)).info(info);
        let model: Model<f64> = head.build(3).unwrap().cast();
        let pass = Pass::new(&model, images(1)).unwrap();
        let curve =
            |class| pass.deletion(&[waves(0.0)], &[class], &Perturbation::default(), None).unwrap().swap_remove(0);
        let (absent, present) = (curve(0), curve(1));
        let steps = absent.probabilities().iter().zip(present.probabilities());
        assert!(steps.clone().count() > 2 && steps.clone().all(|(a, p)| (a + p - 1.0).abs() < 1e-12 && *p > 0.0));
    }

    #[test]
    fn equal_pixels_go_row_by_row_and_nan_last() {
        let map = ndarray::array![[1.0, f64::NAN, 2.0], [2.0, 1.0, 1.0]];
        assert_eq!(order(&map), [2, 3, 0, 4, 5, 1]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let model = model();
        let pass = Pass::new(&model, images(1)).unwrap();
        let message = |maps: &[Array2<f64>], classes: &[usize], steps| {
            let settings = Perturbation { steps, ..Perturbation::default() };
            pass.deletion(maps, classes, &settings, None).unwrap_err().to_string()
        };
        assert!(message(&[waves(0.0)], &[0], 0).contains("at least one step"));
        assert!(message(&[], &[0], 2).contains("expected 1 maps of [9, 8], found []"));
        assert!(message(&[Array2::zeros((2, 3))], &[0], 2).contains("found [[2, 3]]"));
        assert!(message(&[waves(0.0)], &[0, 1], 2).starts_with("2 classes for 1 images"));
        assert!(message(&[waves(0.0)], &[9], 2).contains("no class 9"));
    }
}
