//! ROAD: remove and debias.

use ndarray::Array2;
use nn::Real;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::curves::order;
use super::imputation::Missing;
use super::measure::{Group, Measure, Needs, Trial};
use crate::error::ExplainError;
use crate::pass::{Pass, Runner};
use crate::progress::Watch;

/// The shares of the pixels that are removed.
const SHARES: [f64; 4] = [0.2, 0.4, 0.6, 0.8];
/// Standard deviation of the noise on what replaces them, as a share of the range from black to white.
const NOISE: f64 = 0.01;
/// Residual of the linear system, by that at its start: far below the noise.
const TOLERANCE: f64 = 1e-4;

impl<T: Real> Pass<'_, T> {
    /// ROAD, *remove and debias* (Rong, Leemann, Borisov, Kasneci and Kasneci, *A Consistent and Efficient Evaluation Strategy
    /// for Attribution Methods*, 2022): the probability of each image's class without the pixels that its map `[H, W]` ranks
    /// last, less that without those that it ranks first; the mean over 20, 40, 60 and 80 % of the pixels. In [−1, 1]; 0 for
    /// chance.
    ///
    /// Removed pixels are replaced by noisy linear imputation: each is the weighted mean of its neighbours (1/6 if adjacent, 1/12
    /// if diagonal), removed or not, plus normal noise with a standard deviation of 1 % of the range from black to white.
    /// The means are solved for together. Every image starts from the same seed, so its value doesn't depend on the batch.
    /// Black pixels would show the network where pixels are missing; imputed ones hardly do.
    ///
    /// # Errors
    /// If the model has no normalization, which says what black and white are; the maps or classes don't fit; or `watch` stops it.
    pub fn road(
        &self,
        maps: &[Array2<T>],
        classes: &[usize],
        seed: u64,
        watch: Option<Watch<'_>>,
    ) -> Result<Vec<f64>, ExplainError> {
        self.check_maps(maps)?;
        let normalization = self.model.info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
        let range: Vec<f64> =
            normalization.std().iter().map(|&std| 255.0 / f64::from(normalization.scale()) / f64::from(std)).collect();
        let resolved = self.resolve(&classes.to_vec().into())?;
        let [height, width, channels] = self.model.input_shape();
        let mut runner = Runner::new(self.images() * 2 * SHARES.len(), watch);
        let road = |(image, map): (usize, &Array2<T>)| {
            let ranked = order(map);
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // The variants in turn: without the first pixels, and without the last.
            let remove = |variant: usize, values: &mut [T]| {
                let count = (SHARES[variant / 2] * ranked.len() as f64).round() as usize;
                let removed =
                    if variant.is_multiple_of(2) { &ranked[..count] } else { &ranked[ranked.len() - count..] };
                let missing = Missing::new(removed, [height, width]);
                for c in 0..channels {
                    let mut channel: Vec<f64> = values.iter().skip(c).step_by(channels).map(|v| v.as_f64()).collect();
                    missing.solve(&mut channel, TOLERANCE);
                    for &pixel in removed {
                        let noise = NOISE * range[c] * rng.sample::<f64, _>(StandardNormal);
                        values[pixel * channels + c] = T::from_f64(channel[pixel] + noise);
                    }
                }
            };
            let variants = self.variants(image, 2 * SHARES.len());
            let scores = runner.scores(&resolved, &variants, remove, |images| self.outputs_of(images))?;
            let differences = scores.chunks_exact(2).map(|pair| (pair[1] - pair[0]).as_f64());
            Ok(differences.sum::<f64>() / SHARES.len() as f64)
        };
        maps.iter().enumerate().map(road).collect()
    }
}

/// [ROAD](Pass::road).
pub static ROAD: Measure = Measure {
    id: "road",
    title: "ROAD",
    what: "probability without the last 20 to 80 % of the pixels minus that without the first, holes filled in from their neighbours",
    group: Group::Faithfulness,
    higher_is_better: true,
    needs: Needs::Network,
    figures: |trial| {
        let Trial { pass, maps, labels, watch, .. } = trial;
        pass.road(maps, labels, 0, *watch)
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use nn::data::Normalization;
    use nn::layers::{GlobalAvgPool, Linear};
    use nn::{Model, ModelInfo};
    use tensor::Tensor;

    /// A network whose score of class 0 is the brightness of the picture.
    fn model() -> Model<f64> {
        let normalization = Normalization::new(vec![0.0], vec![1.0]).unwrap();
        let info = ModelInfo { normalization: Some(normalization), ..ModelInfo::default() };
        let layers = Model::builder([8, 8, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
        let mut model = layers.info(info).build(1).unwrap().cast::<f64>();
        model.set_parameter("fc.weight", Tensor::new([1, 2], vec![20.0, 0.0])).unwrap();
        model.set_parameter("fc.bias", Tensor::new([2], vec![-5.0, 0.0])).unwrap();
        model
    }

    /// A bright square: without it, and filled in from the dark around, the class is gone; without the dark, the square spreads.
    #[test]
    fn the_right_map_scores_high_and_the_wrong_one_low() {
        let model = model();
        let is_bright = |y: usize, x: usize| (2..6).contains(&y) && (2..6).contains(&x);
        let picture = Tensor::from_fn([8, 8, 1], |i| f64::from(u8::from(is_bright(i / 8, i % 8))));
        let pass = Pass::new(&model, picture).unwrap();
        let right = Array2::from_shape_fn((8, 8), |(y, x)| f64::from(u8::from(is_bright(y, x))));
        let road = |map: &Array2<f64>| pass.road(std::slice::from_ref(map), &[0], 0, None).unwrap()[0];
        let wrong = 1.0 - &right;
        assert!(road(&right) > 0.3, "{}", road(&right));
        assert!(road(&wrong) < -0.2, "{}", road(&wrong));
        assert_eq!(road(&right), road(&right));
    }

    /// The same from the parts: rank, solve, add noise, run.
    #[test]
    fn each_share_is_removed_from_both_ends() {
        let model = model();
        let picture: Vec<f64> = (0..64).map(|i| (f64::from(i) * 0.9).sin().abs()).collect();
        let pass = Pass::new(&model, Tensor::new([8, 8, 1], picture.clone())).unwrap();
        let map = Array2::from_shape_fn((8, 8), |(y, x)| ((y * 8 + x) as f64 * 0.37).cos());
        let found = pass.road(std::slice::from_ref(&map), &[0], 3, None).unwrap()[0];
        let mut ranked: Vec<usize> = (0..64).collect();
        ranked.sort_by(|&a, &b| map[[b / 8, b % 8]].total_cmp(&map[[a / 8, a % 8]]));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut probability = |removed: &[usize]| {
            let mut values = picture.clone();
            Missing::new(removed, [8, 8]).solve(&mut values, 1e-4);
            removed.iter().for_each(|&pixel| values[pixel] += 0.01 * rng.sample::<f64, _>(StandardNormal));
            Pass::new(&model, Tensor::new([8, 8, 1], values)).unwrap().outputs().as_slice()[0]
        };
        let differences: Vec<f64> = [13, 26, 38, 51]
            .into_iter()
            .map(|count| {
                let without_first = probability(&ranked[..count]);
                probability(&ranked[64 - count..]) - without_first
            })
            .collect();
        let expected = differences.iter().sum::<f64>() / 4.0;
        assert!((found - expected).abs() < 1e-12 && expected.abs() > 1e-3, "{found} {expected}");
    }
}
