//! Infidelity: does the map say how much the network's answer changes when a part is covered?

use ndarray::Array2;
use nn::Real;
use nn::data::Rect;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::measure::{Group, Measure, Needs, Trial};
use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::pass::{Pass, Runner};
use crate::progress::Watch;

/// Number of squares that are covered, one at a time.
const SQUARES: usize = 32;

impl<T: Real> Pass<'_, T> {
    /// How badly each image's map `[H, W]` predicts the fall of its class's probability P when squares are covered: with the
    /// sum m of the map over a square, and the fall Δ = P(image) − P(image without the square),
    ///
    /// ```text
    /// min_β E[(β m − Δ)²] / E[Δ²] = 1 − E[mΔ]² / (E[m²] E[Δ²])
    /// ```
    ///
    /// over 32 random squares, the same for every image, with sides of an eighth to a half of the picture's shorter side. 0 if m
    /// is proportional to Δ; 1 if m doesn't predict Δ at all. The numerator is the infidelity of Yeh et al. 2019 (def. 2.1), with
    /// covered squares as perturbations and the best scale β, as in their appendix. The denominator makes figures of different
    /// pictures comparable. 0 if no square changes anything.
    ///
    /// # Errors
    /// If the maps or classes don't fit, or `watch` stops it.
    pub fn infidelity(
        &self,
        maps: &[Array2<T>],
        classes: &[usize],
        seed: u64,
        watch: Option<Watch<'_>>,
    ) -> Result<Vec<f64>, ExplainError> {
        self.check_maps(maps)?;
        let resolved = self.resolve(&classes.to_vec().into())?;
        let baseline = Baseline::default().of(self.model)?;
        let [height, width, channels] = self.model.input_shape();
        let squares = squares([height, width], seed);
        let mut runner = Runner::new(self.images() * (SQUARES + 1), watch);
        // The pixels of a square, row by row.
        let rows = |square: &Rect| {
            let square = *square;
            let row = move |row: usize| row * width + square.left..row * width + square.right();
            (square.top..square.bottom()).map(row)
        };
        let infidelity = |(image, map): (usize, &Array2<T>)| {
            let cover = |square: usize, values: &mut [T]| {
                // The last variant is the image itself.
                for row in squares.get(square).into_iter().flat_map(rows) {
                    let part = row.start * channels..row.end * channels;
                    values[part.clone()].copy_from_slice(&baseline.as_slice()[part]);
                }
            };
            let variants = self.variants(image, SQUARES + 1);
            let scores = runner.scores(&resolved, &variants, cover, |images| self.outputs_of(images))?;
            let whole = scores[SQUARES].as_f64();
            let map = map.as_standard_layout();
            let map = map.as_slice().expect("in row-major order");
            let pairs = squares.iter().zip(&scores).map(|(square, score)| {
                let held = rows(square).flat_map(|row| &map[row]).map(|value| value.as_f64()).sum();
                (held, whole - score.as_f64())
            });
            Ok(unexplained(&pairs.collect::<Vec<_>>()))
        };
        maps.iter().enumerate().map(infidelity).collect()
    }
}

/// Squares at random places of a picture.
fn squares([height, width]: [usize; 2], seed: u64) -> Vec<Rect> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let shorter = height.min(width);
    let mut square = || {
        let side = rng.random_range((shorter / 8).max(1)..=(shorter / 2).max(1));
        let (top, left) = (rng.random_range(0..=height - side), rng.random_range(0..=width - side));
        Rect { top, left, height: side, width: side }
    };
    (0..SQUARES).map(|_| square()).collect()
}

/// 1 − E[mΔ]² / (E[m²] E[Δ²]).
fn unexplained(pairs: &[(f64, f64)]) -> f64 {
    let sum = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
    let (both, held, fallen) = (sum(|(m, d)| m * d), sum(|(m, _)| m * m), sum(|(_, d)| d * d));
    match (fallen > 0.0, held > 0.0) {
        (false, _) => 0.0,
        (true, false) => 1.0,
        (true, true) => 1.0 - both * both / (held * fallen),
    }
}

/// The [infidelity](Pass::infidelity).
pub static INFIDELITY: Measure = Measure {
    id: "infidelity",
    title: "infidelity",
    what: "share of the change under 32 covered squares that the map's sum over them doesn't predict",
    group: Group::Faithfulness,
    higher_is_better: false,
    needs: Needs::Network,
    figures: |trial| {
        let Trial { pass, maps, labels, watch, .. } = trial;
        pass.infidelity(maps, labels, 0, *watch)
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{INPUT, images, model};
    use tensor::Tensor;

    /// Each square covered by itself, and the scale β found by trying.
    #[test]
    fn it_is_what_the_best_scale_leaves() {
        let model = model();
        let pass = Pass::new(&model, images(2)).unwrap();
        let map = |phase: f64| Array2::from_shape_fn((9, 8), |(y, x)| ((y * 8 + x) as f64 * 0.7 + phase).sin().abs());
        let (maps, classes) = ([map(0.0), map(1.0)], [1, 2]);
        let found = pass.infidelity(&maps, &classes, 5, None).unwrap();
        let black = Baseline::default().of(&model).unwrap();
        for image in 0..2 {
            let probability =
                |input: Tensor<f64>| Pass::new(&model, input).unwrap().outputs().as_slice()[classes[image]];
            let whole = probability(Tensor::new(INPUT, pass.values_of(image).to_vec()));
            let mut pairs = Vec::new();
            for square in squares([9, 8], 5) {
                let covered = Tensor::from_fn(INPUT, |i| {
                    let is_inside = square.contains(i / 16, i / 2 % 8);
                    if is_inside { black.as_slice()[i] } else { pass.values_of(image)[i] }
                });
                let held: f64 =
                    (0..72).filter(|i| square.contains(i / 8, i % 8)).map(|i| maps[image][[i / 8, i % 8]]).sum();
                pairs.push((held, whole - probability(covered)));
            }
            let left = |scale: f64| pairs.iter().map(|(m, d)| (scale * m - d).powi(2)).sum::<f64>();
            let total = left(0.0);
            let most = pairs.iter().map(|(m, d)| (d / m).abs()).fold(0.0, f64::max);
            let tried = (-100_000..=100_000).map(|i| left(most * f64::from(i) / 1e5)).fold(f64::INFINITY, f64::min);
            assert!((found[image] - tried / total).abs() < 1e-6, "{} {}", found[image], tried / total);
            assert!(found[image] > 0.01 && found[image] < 1.0);
        }
    }

    #[test]
    fn a_map_that_knows_the_changes_explains_all() {
        let pairs: Vec<(f64, f64)> = (1..9).map(|i| (f64::from(i), -0.3 * f64::from(i))).collect();
        assert!(unexplained(&pairs).abs() < 1e-15);
        assert_eq!(unexplained(&[(1.0, 0.0), (2.0, 0.0)]), 0.0);
        assert_eq!(unexplained(&[(0.0, 1.0), (0.0, 2.0)]), 1.0);
        assert_eq!(unexplained(&[(1.0, 1.0), (-1.0, 1.0)]), 1.0);
    }
}
