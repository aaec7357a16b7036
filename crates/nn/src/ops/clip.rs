//! Clipping to an interval; ReLU6.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = min(max(x, `min`), `max`), any shape. ReLU6 is the interval from 0 to 6.
///
/// dy/dx = 1 where min < x < max and 0 elsewhere, both bounds included. y lies strictly inside exactly where x does, so
/// the output alone tells which: ∂x = (min < y < max)·∂y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// The lower bound.
    pub min: f64,
    /// The upper bound.
    pub max: f64,
}

impl Clip {
    /// The interval of ReLU6 (Krizhevsky, *Convolutional Deep Belief Networks on CIFAR-10*, 2010).
    pub const RELU6: Self = Self { min: 0.0, max: 6.0 };
}

impl<T: Real> Op<T> for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let (min, max) = (T::from_f64(self.min), T::from_f64(self.max));
        Grads::one(upstream.zip(node.output(), |g, y| if min < y && y < max { g } else { T::zero() }))
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// min(max(x, `min`), `max`). NaN stays NaN. Works in place where `x` was the last owner of its value.
///
/// # Panics
/// Where `min` isn't below `max`.
#[must_use]
pub fn clip<T: Real>(x: Var<T>, clip: Clip) -> Var<T> {
    assert!(clip.min < clip.max, "clip: no interval from {} to {}", clip.min, clip.max);
    let (min, max) = (T::from_f64(clip.min), T::from_f64(clip.max));
    x.consumed_by(clip, |x| {
        x.map(|x| match x {
            x if x < min => min,
            x if x > max => max,
            x => x,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::Clip;
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([60], 1)], |v| v[0].clip(Clip { min: -0.4, max: 0.7 })).within(1e-8).unwrap();
    }

    #[test]
    fn both_bounds_belong_to_the_closed_side() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([6], vec![-1.0, 0.0, 0.5, 5.5, 6.0, 7.0]));
        let y = x.relu6();
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 0.5, 5.5, 6.0, 6.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn nan_stays() {
        let y = Tape::new().leaf(Tensor::scalar(f32::NAN)).relu6();
        assert!(y.value().item().is_nan());
    }
}
