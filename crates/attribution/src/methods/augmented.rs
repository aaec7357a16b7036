//! Test-time augmentation.

use ndarray::{Array3, Axis};
use nn::{Model, Real};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::Tensor;

use super::parse;
use super::prelude::*;
use super::settings::to_value;
use crate::pass::Pass;

static ABOUT: About = About {
    id: "augmented",
    title: "augmented",
    source: "pytorch-grad-cam 1.5.7",
    formula: "the mean of another method's maps of the image and of copies, mirrored, darker and brighter",
    looks_at: LooksAt::Layer,
    quantity: Quantity::Evidence,
    cost: Cost::Gradients,
    tells: "what the other method tells, averaged over changes of the picture that leave the class as it is",
    does_not_tell: "what the other method doesn't tell; and what depends on left and right is averaged away",
    elsewhere: &["aug_smooth"],
    chapter: "chapter_11_other_readings",
};

/// The factors of the preprocessed values.
const FACTORS: [f64; 3] = [0.9, 1.0, 1.1];

/// Another method, smoothed by [`augmented`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmented {
    /// The other method, as [`parse`] reads it.
    pub of: String,
}

impl Default for Augmented {
    fn default() -> Self {
        Self { of: "grad-cam".into() }
    }
}

impl Augmented {
    fn method<T: Real>(&self) -> Result<Box<dyn Method<T>>, ExplainError> {
        parse(&self.of).map_err(|error| ExplainError::Setting(error.to_string()))
    }
}

/// `[N, H, W, C]`, mirrored left to right, times a factor.
fn changed<T: Real>(images: &Tensor<T>, mirrored: bool, factor: f64) -> Tensor<T> {
    let [_, _, width, channels] = images.shape()[..] else { panic!("expected [N, H, W, C], found {}", images.shape()) };
    let from = |index: usize| {
        let (row, column, channel) = (index / (width * channels), index / channels % width, index % channels);
        let column = if mirrored { width - 1 - column } else { column };
        (row * width + column) * channels + channel
    };
    let factor = T::from_f64(factor);
    Tensor::from_fn(images.shape(), |index| factor * images.as_slice()[from(index)])
}

/// Test-time augmentation, `[H, W, C]` or `[H, W]`: the mean of a method's maps of six copies of the image, each mirrored or not,
/// and with preprocessed values times 0.9, 1 or 1.1. The maps are mirrored back, at the size of the input.
///
/// These are the copies of *pytorch-grad-cam*'s `aug_smooth`, which scales each map to [0, 1] before it takes the mean; here the mean
/// is of the maps themselves, so that it keeps their unit. The likeliest class is that of the image itself.
///
/// # Errors
/// If the method can't answer.
pub fn augmented<T: Real>(question: &Question<'_, T>, method: &dyn Method<T>) -> Result<Vec<Map<T>>, ExplainError> {
    let pass = question.pass();
    let question = &question.about(question.target().settled(pass)?);
    let copies = [false, true].into_iter().flat_map(|mirrored| FACTORS.map(|factor| (mirrored, factor)));
    let count = 2 * FACTORS.len();
    let mut runner = question.runner(count);
    let mut sums: Vec<Option<(Map<T>, Array3<T>)>> = vec![None; pass.images()];
    for (mirrored, factor) in copies {
        let copy = Pass::new(pass.model(), changed(pass.input(), mirrored, factor))?;
        for (sum, map) in sums.iter_mut().zip(question.on(&copy).explain_each(method)?) {
            let mut values = if map.is_of_pixels() { map.values.clone() } else { map.per_pixel().insert_axis(Axis(2)) };
            if mirrored {
                values.invert_axis(Axis(1));
            }
            *sum = match sum.take() {
                None => Some((map, values)),
                Some((first, sum)) => Some((first, sum + values)),
            };
        }
        runner.advance(pass.images())?;
    }
    let means = sums.into_iter().flatten().enumerate().map(|(image, (first, sum))| {
        let values = sum.mapv(|v| v / T::from_f64(count as f64));
        let map = if first.is_of_pixels() {
            pass.pixel_map(image, first.quantity, values, false)
        } else {
            pass.fine_map(image, first.quantity, values.remove_axis(Axis(2)))
        };
        Map { layers: first.layers, coverage: first.coverage, ..map }
    });
    Ok(means.collect())
}

impl<T: Real> Method<T> for Augmented {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        self.method()?.check(pass)
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        augmented(question, &*self.method()?)
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

#[cfg(test)]
mod tests {
    use nn::layers::{GlobalAvgPool, Linear};

    use super::*;
    use crate::Target;
    use crate::methods::Gradient;

    /// Of the scores 0.5 and x, the first is the higher one; of a copy with x times 1.1, the second.
    #[test]
    fn the_likeliest_class_is_that_of_the_image() {
        let layers = Model::builder([2, 2, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
        let mut model = layers.build(1).unwrap().cast::<f64>();
        model.set_parameter("fc.weight", Tensor::new([1, 2], vec![0.0, 1.0])).unwrap();
        model.set_parameter("fc.bias", Tensor::new([2], vec![0.5, 0.0])).unwrap();
        let pass = Pass::new(&model, Tensor::full([2, 2, 1], 0.48)).unwrap();
        let maps = |target: Target<f64>| augmented(&pass.why(target), &Gradient).unwrap()[0].raw().to_owned();
        assert_eq!(maps(Target::top()), maps(0.into()));
        assert!(maps(1.into()).iter().all(|&g| g > 0.0) && maps(0.into()).iter().all(|&g| g == 0.0));
    }
}

/// The definition, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3};
    use tensor::Tensor;

    use super::super::tests::{gradient, image, maps, near, near_each, with_pass};
    use super::super::{GradCam, Gradient};
    use super::{Augmented, augmented};
    use crate::Pass;
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let [height, width, _] = INPUT;
        with_pass(|pass| {
            let copy = |x: &Array3<f64>, mirrored: bool, factor: f64| {
                Array3::from_shape_fn(INPUT, |(i, j, c)| factor * x[[i, if mirrored { width - 1 - j } else { j }, c]])
            };
            let gradients = pass.why(1).explain_each(&Augmented { of: "gradient".into() }).unwrap();
            let cams = maps(pass, "sum", &Augmented::default());
            for n in 0..2 {
                let (x, mut pixels, mut cells) = (image(pass, n), Array3::zeros(INPUT), Array2::zeros((height, width)));
                for (mirrored, factor) in [false, true].into_iter().flat_map(|m| [0.9, 1.0, 1.1].map(|factor| (m, factor))) {
                    let copy = copy(&x, mirrored, factor);
                    let at = |j: usize| if mirrored { width - 1 - j } else { j };
                    let g = gradient(pass, &copy);
                    pixels += &Array3::from_shape_fn(INPUT, |(i, j, c)| g[[i, at(j), c]] / 6.0);
                    // This layer has a cell for each pixel.
                    let other = Pass::new(pass.model(), Tensor::from(copy)).unwrap();
                    let cam = maps(&other, "sum", &GradCam)[0].per_cell();
                    cells += &Array2::from_shape_fn((height, width), |(i, j)| cam[[i, at(j)]] / 6.0);
                }
                near_each(gradients[n].raw(), &pixels, "augmented gradient");
                near(&cams[n].per_cell(), &cells, "augmented Grad-CAM");
                assert_eq!(cams[n].layers(), ["sum"]);
            }
            let direct = augmented(&pass.why(1), &Gradient).unwrap();
            assert_eq!(direct, gradients);
            let refused = pass.why(1).explain_each(&Augmented { of: "grad-cm".into() }).unwrap_err().to_string();
            assert!(refused.contains("there is no method `grad-cm` (did you mean `grad-cam`?)"), "{refused}");
        });
    }
}
