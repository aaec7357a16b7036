//! RISE.

use ndarray::Array2;
use nn::{Model, Real};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prelude::*;
use super::settings::to_value;
use crate::map::{Alignment, upsample};
use crate::pass::Pass;

static ABOUT: About = About {
    id: "rise",
    title: "RISE",
    source: "Petsiuk et al. 2018",
    formula: "the mean of random masks, each weighted by the score of the image seen through it",
    looks_at: LooksAt::Input,
    quantity: Quantity::Evidence,
    cost: Cost::Settings,
    tells: "where pixels that are left visible raise the score, on average over random masks",
    does_not_tell: "fine detail: the masks are coarse and random, so that weak evidence is noise",
    elsewhere: &["RISE"],
    chapter: "chapter_11_other_readings",
};

/// RISE: the mean of random masks, each weighted by the score of the masked image: `[H, W]`. (Petsiuk, Das and Saenko,
/// *RISE: Randomized Input Sampling for Explanation of Black-box Models*, 2018, eq. 6.)
///
/// ```text
/// M = 1 / (p N) Σ_k S(x ⊙ mask_k) mask_k
/// ```
///
/// The paper's score is a probability. Here it is the target's score, a logit unless the target is a function, so the
/// map can be negative. Maps with different seeds are never exactly the same: compare some.
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
            let mut sum = Array2::<T>::zeros((height, width));
            for (k, &score) in scores.iter().enumerate() {
                sum.scaled_add(score, &self.mask(k, [height, width]));
            }
            let expected = T::from_f64(self.probability * self.masks as f64);
            Ok(runner.traced(pass.fine_map(image, ABOUT.quantity, sum.mapv(|m| m / expected))))
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
    use super::Rise;
    use super::super::tests::{image, maps, near, score, with_pass};
    use crate::map::{Alignment, upsample};
    use crate::testing::INPUT;

    pub(crate) fn check() {
        let settings = Rise { masks: 33, cells: 3, probability: 0.4, seed: 9 };
        with_pass(|pass| {
            let x = image(pass, 1);
            let mut expected = Array2::<f64>::zeros((9, 8));
            for k in 0..33 {
                let mut rng = ChaCha8Rng::seed_from_u64(9);
                rng.set_stream(k);
                let grid = Array2::from_shape_simple_fn((3, 3), || f64::from(u8::from(rng.random_bool(0.4))));
                let large = upsample(grid.view(), 12, 12, Alignment::HalfPixel);
                let (top, left) = (rng.random_range(0..3), rng.random_range(0..3));
                let mask = |i: usize, j: usize| large[[top + i, left + j]];
                let seen = Array3::from_shape_fn(INPUT, |(i, j, c)| x[[i, j, c]] * mask(i, j));
                let weight = score(pass, &seen);
                expected.indexed_iter_mut().for_each(|((i, j), m)| *m += weight * mask(i, j) / (0.4 * 33.0));
            }
            let found = maps(pass, "pool", &settings);
            near(&found[1].per_cell(), &expected, "RISE");
            assert!(pass.why(1).explain_each(&Rise { cells: 0, ..settings }).is_err());
            assert_ne!(maps(pass, "pool", &Rise { seed: 10, ..settings })[1], found[1]);
        });
    }
}
