//! Average drop and increase in confidence: does the network still see the class in the part that the map keeps?

use ndarray::Array2;
use nn::Real;
use tensor::Tensor;

use super::measure::{Group, Measure, Needs, share};
use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::pass::Pass;

/// The probability of a class for an image, and for the part of the image that its map keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// Y, for the whole image.
    pub whole: f64,
    /// O, for the image seen through its map.
    pub kept: f64,
}

impl Confidence {
    /// max(0, Y − O) / Y, in [0, 1]; 0 if Y = 0. Its mean over images is the *average drop*; lower is better.
    #[must_use]
    pub fn drop(&self) -> f64 {
        if self.whole > 0.0 { (self.whole - self.kept).max(0.0) / self.whole } else { 0.0 }
    }

    /// Whether O > Y. The fraction of such images is the *increase in confidence*; higher is better.
    #[must_use]
    pub fn increased(&self) -> bool {
        self.kept > self.whole
    }
}

impl<T: Real> Pass<'_, T> {
    /// The confidence in each image's class, for the whole image and for the part that its map `[H, W]`, with values in
    /// [0, 1], keeps. At a pixel where the map is m, the kept part is (1 − m) · baseline + m · image. (Chattopadhay,
    /// Sarkar, Howlader and Balasubramanian, *Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
    /// Convolutional Networks*, 2018, §4.1. There the image is multiplied by the map, which corresponds to a black
    /// baseline.)
    ///
    /// A map that keeps everything scores best, whatever it shows. Read this measure together with others.
    ///
    /// # Errors
    /// If the maps, classes or baseline don't fit.
    pub fn confidence(
        &self,
        maps: &[Array2<T>],
        classes: &[usize],
        baseline: &Baseline,
    ) -> Result<Vec<Confidence>, ExplainError> {
        self.check_maps(maps)?;
        let resolved = self.resolve(&classes.to_vec().into())?;
        let baseline = baseline.of(self.model)?;
        let channels = self.model.input_shape()[2];
        let mut seen: Tensor<T> = self.input().clone();
        for (values, map) in seen.make_mut().chunks_exact_mut(baseline.len()).zip(maps) {
            let pixels = values.chunks_exact_mut(channels).zip(baseline.as_slice().chunks_exact(channels));
            for ((pixel, nothing), &kept) in pixels.zip(map) {
                pixel.iter_mut().zip(nothing).for_each(|(x, &b)| *x = b + kept * (*x - b));
            }
        }
        let images = self.every_image();
        let whole = resolved.scores(self.outputs(), &images)?;
        let kept = resolved.scores(&self.outputs_of(seen)?, &images)?;
        let pair = |(image, (whole, kept)): (usize, (T, T))| {
            let complement = resolved.complement(self.model.task(), image);
            Confidence { whole: (whole + complement).as_f64(), kept: (kept + complement).as_f64() }
        };
        Ok(whole.into_iter().zip(kept).enumerate().map(pair).collect())
    }
}

/// The [drop](Confidence::drop) in confidence.
pub static DROP: Measure = Measure {
    id: "drop",
    title: "drop",
    what: "fall of the probability when only what the map keeps is seen",
    group: Group::Faithfulness,
    higher_is_better: false,
    needs: Needs::Network,
    figures: |trial| Ok(trial.confidence()?.iter().map(|pair| pair.drop()).collect()),
};

/// The [increase](Confidence::increased) in confidence.
pub static INCREASE: Measure = Measure {
    id: "increase",
    title: "increase",
    what: "does the probability rise instead?",
    group: Group::Faithfulness,
    higher_is_better: true,
    needs: Needs::Network,
    figures: |trial| Ok(trial.confidence()?.iter().map(|pair| share(pair.increased())).collect()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pass;
    use crate::testing::{INPUT, images, model};

    #[test]
    fn drop_and_increase_of_given_pairs() {
        let pair = |whole, kept| Confidence { whole, kept };
        assert_eq!((pair(0.8, 0.6).drop(), pair(0.8, 0.6).increased()), ((0.8 - 0.6) / 0.8, false));
        assert_eq!((pair(0.5, 0.75).drop(), pair(0.5, 0.75).increased()), (0.0, true));
        assert_eq!((pair(0.5, 0.5).drop(), pair(0.5, 0.5).increased()), (0.0, false));
        assert_eq!(pair(0.0, 0.0).drop(), 0.0);
    }

    #[test]
    fn a_map_keeps_what_it_says() {
        let model = model();
        let pass = Pass::new(&model, images(2)).unwrap();
        let map = Array2::from_shape_fn((INPUT[0], INPUT[1]), |(y, x)| (y * 8 + x) as f64 / 72.0);
        let (all, none) = (Array2::ones(map.raw_dim()), Array2::zeros(map.raw_dim()));
        let probability =
            |image: Tensor<f64>, class: usize| Pass::new(&model, image).unwrap().outputs().as_slice()[class];
        let found =
            |map: &Array2<f64>| pass.confidence(&[all.clone(), map.clone()], &[0, 2], &Baseline::Value(0.5)).unwrap();
        let [first, second] = found(&all)[..] else { panic!() };
        assert_eq!((first.whole, second.whole), (first.kept, second.kept));
        assert!((second.whole - pass.outputs().as_slice()[3 + 2]).abs() < 1e-15);
        assert!((found(&none)[1].kept - probability(Tensor::full(INPUT, 0.5), 2)).abs() < 1e-12);
        let mixed = |i: usize| {
            let m = map.as_slice().unwrap()[i / 2];
            (1.0 - m) * 0.5 + m * pass.values_of(1)[i]
        };
        assert!((found(&map)[1].kept - probability(Tensor::from_fn(INPUT, mixed), 2)).abs() < 1e-12);
    }
}
