//! RISE.

use ndarray::{Array2, Zip};
use nn::{Model, Real};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tensor::pairwise_sum;

use super::prelude::*;
use super::settings::to_value;
use crate::map::{Alignment, upsample};
use crate::pass::Pass;

static ABOUT: About = About {
    id: "rise",
    title: "RISE",
    source: "Petsiuk et al. 2018",
    formula: "random masks, each weighted by how far the score of the image seen through it is above the mean",
    looks_at: LooksAt::Input,
    quantity: Quantity::Evidence,
    cost: Cost::EachVariant,
    tells: "where pixels that are left visible raise the score, on average over random masks",
    does_not_tell: "fine detail: the masks are coarse and random, so that weak evidence is noise",
    elsewhere: &["RISE"],
    chapter: "chapter_11_other_readings",
};

/// RISE: how far the score is above its mean when a pixel is visible, over random masks: `[H, W]`. (Petsiuk, Das and
/// Saenko, *RISE: Randomized Input Sampling for Explanation of Black-box Models*, 2018, eqs. 5 and 6.)
///
/// ```text
/// M = Σ_k (S_k − S̄) mask_k / Σ_k mask_k,    S_k = S(x ⊙ mask_k),    S̄ = 1/N Σ_k S_k
/// ```
///
/// The paper's M = 1 / (p N) Σ_k S_k mask_k differs in two ways. It doesn't subtract the mean, since its score is a
/// probability. Here it is the target's score, usually a logit, whose zero means nothing: a constant added to all
/// logits leaves the probabilities as they are, but would add the random coverage Σ_k mask_k to the map. And it divides
/// by the expected coverage p N, not by that of the pixel.
///
/// Maps with different seeds are never exactly the same: compare some.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rise {
    /// Number of masks, N. The paper uses 4000 and 8000; the error falls with √N.
    pub masks: usize,
    /// Cells of a mask's grid along each side, s.
    pub cells: usize,
    /// The probability that a cell lets the image through, p.
    pub probability: f64,
    /// The seed. Every image gets the same masks.
    pub seed: u64,
}

impl Default for Rise {
    fn default() -> Self {
        Self { masks: 1000, cells: 7, probability: 0.5, seed: 0 }
    }
}

impl Rise {
    /// Mask k, `[height, width]`, with values in [0, 1]: a random grid is enlarged (bilinear) to a size that exceeds
    /// the picture by one cell along each axis, and cropped at a random position (§3.2).
    fn mask<T: Real>(&self, k: usize, [height, width]: [usize; 2]) -> Array2<T> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(k as u64);
        let mut open = || if rng.random_bool(self.probability) { T::one() } else { T::zero() };
        let grid = Array2::from_shape_simple_fn((self.cells, self.cells), &mut open);
        let [rows, columns] = [height, width].map(|extent| extent.div_ceil(self.cells));
        let large = upsample(grid.view(), (self.cells + 1) * rows, (self.cells + 1) * columns, Alignment::HalfPixel);
        let (top, left) = (rng.random_range(0..rows), rng.random_range(0..columns));
        Array2::from_shape_fn((height, width), |(y, x)| large[[top + y, left + x]])
    }
}

impl<T: Real> Method<T> for Rise {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        let [height, width, _] = pass.model().input_shape();
        let Self { masks, cells, probability, .. } = *self;
        let most = height.max(width);
        if masks == 0 || cells == 0 || cells > most || !(probability > 0.0 && probability <= 1.0) {
            return Err(ExplainError::Setting(format!(
                "expected masks of at least 1, cells from 1 to {most} and a probability in (0, 1], found {masks}, {cells} \
                 and {probability}"
            )));
        }
        Ok(())
    }

    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
        let (pass, resolved) = (question.pass(), question.resolve()?);
        let model = pass.model();
        self.check(pass)?;
        let [height, width, channels] = model.input_shape();
        let mut runner = question.runner(self.masks);
        let mut map = |image: usize| {
            let through = |k: usize, values: &mut [T]| {
                let mask = self.mask::<T>(k, [height, width]);
                for (pixel, &open) in values.chunks_exact_mut(channels).zip(&mask) {
                    pixel.iter_mut().for_each(|x| *x *= open);
                }
            };
            let variants = pass.variants(image, self.masks);
            let scores = runner.scores(&resolved, &variants, through, |x| resolved.predict(model, x))?;
            let mean = pairwise_sum(&scores) / T::from_f64(self.masks as f64);
            let mut sum = Array2::<T>::zeros((height, width));
            let mut coverage = Array2::<T>::zeros((height, width));
            for (k, &score) in scores.iter().enumerate() {
                let mask = self.mask(k, [height, width]);
                sum.scaled_add(score - mean, &mask);
                coverage += &mask;
            }
            // A pixel that no mask shows gets 0.
            let above = |&sum: &T, &shown: &T| if shown > T::zero() { sum / shown } else { T::zero() };
            let values = Zip::from(&sum).and(&coverage).map_collect(above);
            Ok(runner.traced(pass.fine_map(image, ABOUT.quantity, values)))
        };
        (0..pass.images()).map(&mut map).collect()
    }

    fn settings(&self, _: Option<&Model<T>>) -> Value {
        to_value(self)
    }
}

/// The formulas of the paper, implemented literally.
#[cfg(test)]
pub(super) mod literal {
    use ndarray::{Array2, Array3};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::tests::{image, maps, near, score, with_pass};
    use super::Rise;
    use crate::map::{Alignment, upsample};
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let settings = Rise { masks: 33, cells: 3, probability: 0.4, seed: 9 };
        with_pass(|pass| {
            let x = image(pass, 1);
            let masks: Vec<Array2<f64>> = (0..33)
                .map(|k| {
                    let mut rng = ChaCha8Rng::seed_from_u64(9);
                    rng.set_stream(k);
                    let grid = Array2::from_shape_simple_fn((3, 3), || f64::from(u8::from(rng.random_bool(0.4))));
                    let large = upsample(grid.view(), 12, 12, Alignment::HalfPixel);
                    let (top, left) = (rng.random_range(0..3), rng.random_range(0..3));
                    Array2::from_shape_fn((9, 8), |(i, j)| large[[top + i, left + j]])
                })
                .collect();
            let seen = |mask: &Array2<f64>| Array3::from_shape_fn(INPUT, |(i, j, c)| x[[i, j, c]] * mask[[i, j]]);
            let scores: Vec<f64> = masks.iter().map(|mask| score(pass, &seen(mask))).collect();
            let mean = scores.iter().sum::<f64>() / 33.0;
            let expected = Array2::from_shape_fn((9, 8), |pixel| {
                let shown: f64 = masks.iter().map(|mask| mask[pixel]).sum();
                scores.iter().zip(&masks).map(|(score, mask)| (score - mean) * mask[pixel]).sum::<f64>() / shown
            });
            let found = maps(pass, "pool", &settings);
            near(&found[1].per_cell(), &expected, "RISE");
            assert!(pass.why(1).explain_each(&Rise { cells: 0, ..settings }).is_err());
            assert_ne!(maps(pass, "pool", &Rise { seed: 10, ..settings })[1], found[1]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{maps, with_pass};
    use super::*;
    use crate::Target;

    /// Such a constant changes no probability.
    #[test]
    fn a_constant_added_to_all_scores_changes_nothing_but_the_rounding() {
        let settings = Rise { masks: 40, cells: 3, ..Rise::default() };
        with_pass(|pass| {
            for constant in [1e-3, 1.0, -1e3, 1e6] {
                let moved = Target::function(move |logits| logits.pick(1) + constant);
                let moved = pass.why(moved).explain_each(&settings).unwrap();
                for (moved, found) in moved.iter().zip(maps(pass, "pool", &settings)) {
                    // Each score is rounded once more, by half a unit in the last place, and so is the mean.
                    let most = 4.0 * f64::EPSILON * constant.abs().max(1.0);
                    let differs = (&moved.per_cell() - &found.per_cell()).iter().any(|d| d.abs() > most);
                    assert!(!differs, "{constant}");
                }
            }
        });
    }

    #[test]
    fn masks_that_hide_nothing_and_pixels_that_are_never_shown_tell_nothing() {
        with_pass(|pass| {
            let zero = |settings: &Rise, pixel| maps(pass, "pool", settings)[0].per_cell()[pixel] == 0.0;
            let open = Rise { probability: 1.0, masks: 8, ..Rise::default() };
            assert!(ndarray::indices((9, 8)).into_iter().all(|pixel| zero(&open, pixel)));
            // A single mask is its own mean.
            let single = Rise { masks: 1, ..Rise::default() };
            assert!(ndarray::indices((9, 8)).into_iter().all(|pixel| zero(&single, pixel)));
        });
    }
}
