//! Dropout.

#[cfg(feature = "onnx")]
mod onnx;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tensor::blocks::BLOCK;

use crate::layers::prelude::*;

/// In training, sets each value to zero with this probability and scales the others up; nothing in evaluation. On the tape it
/// is a [`DropoutMask`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("dropout {}", self.probability)]
pub struct Dropout {
    /// Probability of zero.
    pub probability: f64,
}

/// y = x·m/(1 − p), any shape, where each element of the mask m is 0 with probability p = `rate` and 1 otherwise (Srivastava
/// et al., *Dropout*, 2014, in its inverted form: the mean of y over masks is x, so evaluation does nothing at all).
///
/// The mask doesn't depend on x: ∂x = ∂y·m/(1 − p).
///
/// Element i of the mask comes from word i of the ChaCha8 stream of `seed`. The mask isn't kept: the backward pass draws it again.
#[derive(Clone, Copy, Debug)]
pub struct DropoutMask {
    /// The probability with which an element is dropped.
    pub rate: f64,
    /// Which mask.
    pub seed: u64,
}

impl DropoutMask {
    /// x·m/(1 − p).
    fn apply<T: Real>(&self, mut x: Tensor<T>) -> Tensor<T> {
        let threshold = (self.rate * 2.0_f64.powi(32)).round() as u64;
        let scale = T::from_f64(1.0 / (1.0 - self.rate));
        x.make_mut().par_chunks_mut(BLOCK).enumerate().for_each(|(i, block)| {
            let mut stream = ChaCha8Rng::seed_from_u64(self.seed);
            stream.set_word_pos((i * BLOCK) as u128);
            for x in block {
                let kept = u64::from(stream.next_u32()) >= threshold;
                *x = if kept { *x * scale } else { T::zero() };
            }
        });
        x
    }
}

impl<T: Real> Op<T> for DropoutMask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn vjp(&self, _: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(self.apply(upstream))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

/// Drops each element with probability `rate` and divides the others by 1 − `rate`. For training only: in evaluation,
/// leave it out. Works in place where `x` was the last owner of its value.
///
/// # Panics
/// If the rate isn't in [0, 1).
#[must_use]
pub fn dropout<T: Real>(x: Var<T>, rate: f64, seed: u64) -> Var<T> {
    assert!((0.0..1.0).contains(&rate), "dropout: a rate of {rate}");
    let op = DropoutMask { rate, seed };
    x.consumed_by(op, |x| op.apply(x))
}

impl SameShape for Dropout {
    fn check(&self, _: &[usize]) -> Result<(), LayerError> {
        let (probability, expected) = (self.probability, "at least 0 and less than 1");
        LayerError::unless((0.0..1.0).contains(&probability), "the probability of a dropout", probability, expected)
    }

    fn effect(&self) -> Effect {
        Effect::PassesOn
    }

    fn is_random(&self) -> bool {
        true
    }
}

impl Record for Dropout {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        match run.mode {
            Mode::Training { seed } => dropout(x, self.probability, seed ^ (run.layer as u64) << 48),
            Mode::Evaluation => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;

    fn ones(rate: f64, seed: u64) -> Tensor<f64> {
        dropout(Tape::new().leaf(Tensor::full([20_000], 1.0)), rate, seed).value().clone()
    }

    #[test]
    fn the_mask_is_the_stream_word_by_word_on_any_number_of_threads() {
        let mut stream = ChaCha8Rng::seed_from_u64(7);
        let literal = Tensor::from_fn([20_000], |_| {
            if f64::from(stream.next_u32()) / 2.0_f64.powi(32) >= 0.25 { 1.0 / 0.75 } else { 0.0 }
        });
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| ones(0.25, 7)), literal);
        }
        assert_ne!(ones(0.25, 8), literal);
    }

    #[test]
    fn the_mean_stays() {
        for rate in [0.1, 0.5, 0.9] {
            let mean = ones(rate, 3).sum() / 20_000.0;
            // Five standard deviations of the mean of 20000 elements, each of variance p/(1 − p).
            assert!((mean - 1.0).abs() < 5.0 * (rate / (1.0 - rate) / 20_000.0).sqrt(), "{rate}: {mean}");
        }
        assert_eq!(ones(0.0, 3), Tensor::full([20_000], 1.0));
    }
}
