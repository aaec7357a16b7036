//! Pictures made to activate a unit.

use ndarray::ArrayView3;
use nn::data::photo::{Photo, PhotoError};
use nn::optim::{Adam, Optimizer};
use nn::{Model, Parameter, Real};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tensor::Tensor;

use super::canvas::Canvas;
use crate::error::ExplainError;
use crate::pass::{Pass, Runner, Variants};
use crate::progress::Watch;
use crate::target::Target;

/// Standard deviation of the coefficients at the start.
const START: f64 = 0.1;
/// Limit on how often that is doubled.
const DOUBLINGS: i32 = 5;

/// Activation maximisation: a picture made, from noise, to have a high score S (Erhan et al., *Visualizing Higher-Layer
/// Features of a Deep Network*, 2009; Simonyan et al. 2014, §2). Without more, the result is a fine pattern that no picture
/// has. Three constraints make it legible (Olah, Mordvintsev and Schubert, *Feature Visualization*, 2017):
///
/// * The picture is a sum of cosines whose amplitudes fall with their frequency, and the gradient ascent, by Adam, moves the
///   amplitudes (`falloff`).
/// * Every step sees the picture shifted a little (`jitter`) and a little smaller or larger (`scale`).
/// * A logistic function keeps the pixels between black and white.
///
/// A step at which the gradient is zero, as behind a ReLU that is silent, starts again from new noise, with twice the contrast, up to
/// five times.
///
/// The target may be a unit, a channel, a class, or any other [`Target`]. The same seed gives the same picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Maximisation {
    /// Number of steps.
    pub steps: usize,
    /// Step size of Adam.
    pub rate: f64,
    /// The exponent a of the amplitudes 1/fᵃ; 0 for no frequency prior.
    pub falloff: f64,
    /// The largest shift, as a share of each side.
    pub jitter: f64,
    /// The largest factor by which the picture is enlarged or reduced, at least 1.
    pub scale: f64,
    /// Seed of the start, the shifts and the factors.
    pub seed: u64,
}

impl Default for Maximisation {
    fn default() -> Self {
        Self { steps: 64, rate: 0.05, falloff: 1.0, jitter: 1.0 / 16.0, scale: 1.1, seed: 0 }
    }
}

/// A picture made to have a high score.
#[derive(Clone, Debug)]
pub struct Maximised<T> {
    /// The picture, at the size of the model's input.
    pub picture: Photo,
    /// The score S of the noise that it was made from.
    pub before: T,
    /// The score S of the picture.
    pub after: T,
}

impl Maximisation {
    /// Makes a picture with a high score.
    ///
    /// # Errors
    /// If the model has no normalization, which says what a pixel is; the target doesn't fit it; a setting is out of range; or
    /// `watch` stopped it.
    pub fn run<T: Real>(
        &self,
        model: &Model<T>,
        target: impl Into<Target<T>>,
        watch: Option<Watch<'_>>,
    ) -> Result<Maximised<T>, ExplainError> {
        self.check()?;
        let normalization = model.info().normalization.as_ref().ok_or(ExplainError::NoNormalization)?;
        let [height, width, channels] = model.input_shape();
        if !matches!(channels, 1 | 3) {
            return Err(PhotoError::Channels { expected: channels }.into());
        }
        let (mean, std) = (normalization.mean(), normalization.std());
        // The factor between a pixel in [0, 1] and the input.
        let slope = |c: usize| T::from_f64(255.0 / f64::from(normalization.scale()) / f64::from(std[c]));
        let offset = |c: usize| T::from_f64(f64::from(mean[c]) / f64::from(std[c]));
        let slopes: Vec<T> = (0..channels).map(slope).collect();
        let offsets: Vec<T> = (0..channels).map(offset).collect();
        let input = |picture: &[T]| -> Vec<T> {
            picture.iter().enumerate().map(|(i, &x)| x * slopes[i % channels] - offsets[i % channels]).collect()
        };

        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let canvas = Canvas::new([height, width], self.falloff);
        let noise = |rng: &mut ChaCha8Rng, doublings: i32| {
            let deviation = START * 2_f64.powi(doublings.min(DOUBLINGS));
            Tensor::from_fn([channels, height, width], |_| {
                T::from_f64(deviation * rng.sample::<f64, _>(StandardNormal))
            })
        };
        let value = noise(&mut rng, 0);
        let mut theta = [Parameter { name: "coefficients".into(), trainable: true, value }];
        let finished = |theta: &Parameter<T>| input(&canvas.picture(theta.value.as_slice(), canvas.whole()));
        let shown = |theta: &Parameter<T>| Pass::new(model, Tensor::new([height, width, channels], finished(theta)));
        let target = target.into();
        let first = shown(&theta[0])?;
        let (resolved, before) = (first.resolve(&target)?, first.scores(target.clone())?[0]);
        let (mut adam, mut runner, mut doublings) = (Adam::new(self.rate), Runner::new(self.steps, watch), 0);
        for _ in 0..self.steps {
            let mut within = |most: f64| if most > 0.0 { rng.random_range(-most..=most) } else { 0.0 };
            let shift = [height, width].map(|extent| within(self.jitter * extent as f64));
            let view = canvas.view(shift, within(self.scale.ln()).exp());
            let picture = canvas.picture(theta[0].value.as_slice(), &view);
            let seen = input(&picture);
            let original = ArrayView3::from_shape((height, width, channels), &seen[..]).expect("one image");
            let (variants, mut gradient) = (Variants { image: 0, original, count: 1 }, Vec::new());
            runner.gradients(model, &resolved, &variants, |_, _| {}, |_, found| gradient = found.to_vec())?;
            if gradient.iter().all(|g| g.is_zero()) {
                doublings += 1;
                theta[0].value = noise(&mut rng, doublings);
                continue;
            }
            // Adam descends.
            gradient.iter_mut().enumerate().for_each(|(i, g)| *g = -*g * slopes[i % channels]);
            let pulled = canvas.pull_back(&gradient, &picture, &view);
            adam.step(&mut theta, &[(0, Tensor::new([channels, height, width], pulled))]);
        }
        let last = shown(&theta[0])?;
        let values: Vec<f32> = last.values_of(0).iter().map(|value| value.as_f64() as f32).collect();
        let bytes = normalization.undo(&values);
        let pixels = ArrayView3::from_shape((height, width, channels), &bytes[..]).expect("a byte for each value");
        Ok(Maximised { picture: Photo::from_pixels(pixels), before, after: last.scores(target)?[0] })
    }

    fn check(&self) -> Result<(), ExplainError> {
        let ranges = [
            ("a rate above 0", self.rate > 0.0 && self.rate.is_finite(), self.rate),
            ("a falloff from 0", self.falloff >= 0.0 && self.falloff.is_finite(), self.falloff),
            ("a jitter from 0 to 1", (0.0..=1.0).contains(&self.jitter), self.jitter),
            ("a scale from 1 to 2", (1.0..=2.0).contains(&self.scale), self.scale),
        ];
        match ranges.into_iter().find(|(_, fits, _)| !fits) {
            Some((expected, _, found)) => {
                Err(ExplainError::Setting(format!("maximisation: expected {expected}, found {found}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    use crate::Unit;
    use nn::data::{ChannelOrder, Normalization};
    use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
    use nn::{ModelBuilder, ModelInfo};

    const STD: [f32; 3] = [0.2, 0.3, 0.25];

    fn layers(channels: usize) -> ModelBuilder {
        let layers = Model::builder([9, 8, channels]).layer("conv1", Conv2d::new(4, 3)).layer("relu1", Relu);
        let layers = layers.layer("conv2", Conv2d::new(4, 3)).layer("relu2", Relu);
        layers.layer("gap", GlobalAvgPool).layer("fc", Linear::new(3))
    }

    fn info() -> ModelInfo {
        let normalization = Normalization::new(vec![0.4, 0.6, 0.5], STD.to_vec()).unwrap();
        ModelInfo { normalization: Some(normalization.with_order(ChannelOrder::Bgr)), ..ModelInfo::default() }
    }

    fn model() -> Model<f64> {
        layers(3).info(info()).build(3).unwrap().cast()
    }

    #[test]
    fn scores_rise_and_the_seed_decides() {
        let model = model();
        let units = [Unit::new("conv2", 2), Unit::new("conv1", 0).at([4, 4]), Unit::position("relu2", [2, 3])];
        for target in units.map(Target::unit).into_iter().chain([Target::from(1)]) {
            let run =
                |seed| Maximisation { seed, ..Maximisation::default() }.run(&model, target.clone(), None).unwrap();
            let found = run(0);
            assert!(found.after > found.before + 0.1, "{target}: {} {}", found.before, found.after);
            let (again, other) = (run(0), run(1));
            assert_eq!((found.picture.pixels(), found.after), (again.picture.pixels(), again.after));
            assert!(found.picture.pixels() != other.picture.pixels());
        }
    }

    /// A ReLU that is silent for a grey picture has no gradient there.
    #[test]
    fn a_silent_unit_is_woken() {
        let mut model = model();
        model.set_parameter("conv1.bias", Tensor::full([4], -1.0)).unwrap();
        for channel in 0..4 {
            let unit = Target::unit(Unit::new("relu1", channel).at([4, 4]));
            let found = Maximisation::default().run(&model, unit, None).unwrap();
            assert!(found.before == 0.0 && found.after > 0.1, "{channel}: {} {}", found.before, found.after);
        }
    }

    /// The picture, given to the model as any other one, has the score that was reported, up to the rounding of pixels to
    /// bytes: at most half a grey level, so at most half the gradient's absolute sum.
    #[test]
    fn the_picture_has_the_score() {
        let model = model();
        let found = Maximisation::default().run(&model, 0, None).unwrap();
        let pass = Pass::new(&model, &found.picture).unwrap();
        let gradient = pass.why(0).explain(&crate::methods::Gradient).unwrap();
        let sums: f64 = gradient.raw().indexed_iter().map(|((_, _, c), g)| g.abs() / 255.0 / f64::from(STD[c])).sum();
        let score = pass.scores(0).unwrap()[0];
        assert!((score - found.after).abs() <= 0.6 * sums, "{score} {} {sums}", found.after);
        assert!(sums < 0.2 * (found.after - found.before), "the bound is far below what was gained");
    }

    #[test]
    fn settings_are_checked_and_the_watch_stops() {
        let model = model();
        let message = |settings: Maximisation| settings.run(&model, 0, None).unwrap_err().to_string();
        let wrong = Maximisation { scale: 0.5, ..Maximisation::default() };
        assert_eq!(message(wrong), "maximisation: expected a scale from 1 to 2, found 0.5");
        assert!(message(Maximisation { rate: f64::NAN, ..Maximisation::default() }).contains("a rate above 0"));
        let bare = layers(3).build(3).unwrap();
        assert!(matches!(Maximisation::default().run(&bare, 0, None), Err(ExplainError::NoNormalization)));
        let stop = |progress: crate::question::Progress| match progress.done {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let stopped = Maximisation::default().run(&model, 0, Some(&stop));
        assert!(matches!(stopped, Err(ExplainError::Cancelled { done: 5, total: 64 })));
        let unknown = Maximisation::default().run(&model, Target::unit(Unit::new("conv1", 9)), None);
        assert!(unknown.unwrap_err().to_string().contains("there is no unit conv1:9"));
    }
}
