//! FullGrad.

use ndarray::{Array2, Axis};
use nn::Real;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::map::{Alignment, upsample};
use crate::pass::{Pass, of_image};
use crate::target::Target;

static ABOUT: About = About {
    id: "full-grad",
    title: "FullGrad",
    source: "Srinivas and Fleuret 2019",
    formula: "the magnitudes of the gradients of the image and of every bias, summed over layers",
    looks_at: LooksAt::Input,
    quantity: Quantity::Magnitude,
    cost: Cost::OnePass,
    tells: "where the picture's own gradients and those of every layer's biases are strong",
    does_not_tell: "what speaks against the class: it sums magnitudes; and the map, unlike its parts, doesn't add up to the score",
    elsewhere: &["FullGrad"],
    chapter: "chapter_12_conservation",
};

/// FullGrad (Srinivas and Fleuret, *Full-Gradient Representation for Neural Network Visualization*, 2019): a map of the
/// image's pixels, `[H, W]`, from the parts of the [full gradient](Pass::full_gradient) that have positions.
///
/// ```text
/// M = ψ(x ⊙ ∂S/∂x) + Σ_layers Σ_channels ψ(b ⊙ ∂S/∂y)
/// ```
///
/// where ψ takes absolute values, rescales them to [0, 1] and upsamples them (bilinear, edge to edge) to the image. So
/// each channel of each layer counts as much as the image's, and the map no longer adds up to the score; the
/// [decomposition](Pass::full_gradient) does. (The authors' program differs from the paper: it rescales the channels of
/// a layer together, with another map. This is the paper's formula.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FullGrad;

impl<T: Real> Method<T> for FullGrad {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        pass.full_gradient(Target::top()).map(|_| ())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let pass = question.pass();
        let full = pass.full_gradient(question.target().clone())?;
        let [height, width, _] = pass.model().input_shape();
        let spatial = || full.biases.iter().map(|bias| &bias.values).filter(|values| values.shape().len() == 4);
        let map = |image: usize| {
            let parts = std::iter::once(&full.input).chain(spatial());
            let sum = parts.fold(Array2::zeros((height, width)), |sum, values| {
                let values = of_image(values, image);
                let channels: Vec<Array2<T>> = values.axis_iter(Axis(2)).map(|channel| channel.to_owned()).collect();
                sum + post_process(&channels, [height, width])
            });
            pass.fine_map(image, ABOUT.quantity, sum)
        };
        Ok((0..pass.images()).map(map).collect())
    }
}

/// Σ ψ over channels `[h, w]`: absolute values, rescaled to [0, 1], upsampled to the image. NaN if a value isn't
/// finite.
fn post_process<T: Real>(channels: &[Array2<T>], [height, width]: [usize; 2]) -> Array2<T> {
    let mut sum = Array2::zeros((height, width));
    for channel in channels {
        if channel.iter().any(|v| !v.is_finite()) {
            return Array2::from_elem((height, width), T::nan());
        }
        let magnitude = channel.mapv(T::abs);
        let (least, most) = magnitude.iter().fold((T::infinity(), T::zero()), |(a, b), &v| (a.min(v), b.max(v)));
        if most > least {
            let scaled = magnitude.mapv(|v| (v - least) / (most - least));
            sum = sum + upsample(scaled.view(), height, width, Alignment::HalfPixel);
        }
    }
    sum
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Axis};
    use super::super::tests::{maps, near, with_pass};
    use crate::map::{Alignment, upsample};
    use crate::pass::of_image;

    pub(crate) fn check() {
        // Each part by channel: absolute values, rescaled to [0, 1], and upsampled to the image.
        with_pass(|pass| {
            let full = pass.full_gradient(1).unwrap();
            let spatial = full.biases.iter().map(|bias| &bias.values).filter(|values| values.shape().len() == 4);
            let parts: Vec<_> = std::iter::once(&full.input).chain(spatial).collect();
            for (n, map) in maps(pass, "pool", &super::FullGrad).iter().enumerate() {
                let mut expected = Array2::<f64>::zeros((9, 8));
                for values in &parts {
                    let values = of_image(values, n);
                    for channel in values.axis_iter(Axis(2)) {
                        let (least, most) = channel.iter().fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(v.abs()), b.max(v.abs())));
                        if most > least {
                            let scaled = channel.mapv(|v| (v.abs() - least) / (most - least));
                            expected += &upsample(scaled.view(), 9, 8, Alignment::HalfPixel);
                        }
                    }
                }
                near(&map.per_cell(), &expected, "FullGrad");
            }
        });
    }
}
