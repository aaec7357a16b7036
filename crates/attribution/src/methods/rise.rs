//! RISE.

use std::ops::ControlFlow;

use ndarray::Array2;
use nn::Real;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::heatmap::Heatmap;
use crate::pass::Pass;
use crate::target::Target;
use crate::upsample::{Alignment, upsample};
use crate::variants::{Progress, Runner};

/// The random masks of [RISE](Pass::rise).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// Masks, N. The paper takes 4000 and 8000; the error falls with √N.
    pub masks: usize,
    /// Cells of a mask's grid along each side, s.
    pub cells: usize,
    /// The probability that a cell lets the image through, p.
    pub probability: f64,
    /// Seed; every image gets the same masks.
    pub seed: u64,
}

impl Default for Rise {
    fn default() -> Self {
        Self { masks: 4000, cells: 7, probability: 0.5, seed: 0 }
    }
}

impl Rise {
    /// Mask k, `[height, width]`, values in [0, 1]: a random grid, enlarged by a cell more than the picture each way
    /// (bilinear), and cut out at a random place (§3.2).
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

impl<T: Real> Pass<'_, T> {
    /// RISE: the mean of random masks, each weighted by the score of the image seen through it: `[H, W]`. (Petsiuk, Das and
    /// Saenko, *RISE: Randomized Input Sampling for Explanation of Black-box Models*, 2018, eq. 6.)
    ///
    /// ```text
    /// M = 1 / (p N) Σ_k S(x ⊙ mask_k) mask_k
    /// ```
    ///
    /// The paper's score is a probability; here it is the target's (a logit, unless the target is a function that says
    /// otherwise), so that the map can be negative. It is never exactly the same for two seeds: compare some.
    ///
    /// # Errors
    /// Without masks or cells, with a probability outside (0, 1], where the target doesn't fit, or when `progress` breaks
    /// it off.
    pub fn rise(
        &self,
        target: impl Into<Target<T>>,
        settings: Rise,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let (target, [height, width, channels]) = (target.into(), self.model.input_shape());
        let Rise { masks, cells, probability, .. } = settings;
        if masks == 0 || cells == 0 || cells > height.max(width) || !(probability > 0.0 && probability <= 1.0) {
            return Err(ExplainError::Setting(format!(
                "RISE needs masks, cells no smaller than pixels, and a probability in (0, 1], found {settings:?}"
            )));
        }
        let resolved = self.resolve(&target)?;
        let mut runner = Runner::new(self.images() * masks, &mut progress);
        let mut map = |image: usize| {
            let through = |k: usize, values: &mut [T]| {
                let mask = settings.mask::<T>(k, [height, width]);
                for (pixel, &open) in values.chunks_exact_mut(channels).zip(&mask) {
                    pixel.iter_mut().for_each(|x| *x *= open);
                }
            };
            let scores = runner.scores(&resolved, &self.variants(image, masks), through, |x| self.model.predict(x))?;
            let mut sum = Array2::<T>::zeros((height, width));
            for (k, &score) in scores.iter().enumerate() {
                sum.scaled_add(score, &settings.mask(k, [height, width]));
            }
            let expected = T::from_f64(probability * masks as f64);
            Ok(self.heatmap_of_pixels(image, sum.mapv(|m| m / expected)))
        };
        let maps = (0..self.images()).map(&mut map).collect::<Result<_, ExplainError>>()?;
        Ok(self.input_level("RISE", &target, maps))
    }
}
