//! The leaky rectified linear unit.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = x where x > 0 and `slope`·x elsewhere, any shape (Maas, Hannun and Ng, *Rectifier nonlinearities improve neural
/// network acoustic models*, 2013).
///
/// dy/dx = 1 where x > 0 and `slope` elsewhere, x = 0 included. The slope isn't negative, so y > 0 exactly where x > 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// The slope left of 0.
    pub slope: f64,
}

impl<T: Real> Op<T> for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky relu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let slope = T::from_f64(self.slope);
        Grads::one(upstream.zip(node.output(), |g, y| if y > T::zero() { g } else { slope * g }))
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// x where x > 0 and `slope`·x elsewhere. Works in place where `x` was the last owner of its value.
///
/// # Panics
/// Where the slope is negative or not a number.
#[must_use]
pub fn leaky_relu<T: Real>(x: Var<T>, slope: f64) -> Var<T> {
    assert!(slope >= 0.0, "leaky relu: a slope of {slope}");
    let factor = T::from_f64(slope);
    x.consumed_by(LeakyRelu { slope }, |x| x.map(|x| if x > T::zero() { x } else { factor * x }))
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([40], 1)], |v| v[0].leaky_relu(0.2)).within(1e-8).unwrap();
    }

    #[test]
    fn it_is_the_rectified_part_and_a_slope_times_the_rest() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 2));
        let literal = x.relu().sub(&x.neg().relu().mul_scalar(0.2));
        approx::assert_abs_diff_eq!(x.leaky_relu(0.2).value(), literal.value(), epsilon = 1e-16);
    }

    #[test]
    fn the_kink_belongs_to_the_slope() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3], vec![-2.0, 0.0, 2.0]));
        let y = x.leaky_relu(0.25);
        assert_eq!(y.value().as_slice(), &[-0.5, 0.0, 2.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.25, 0.25, 1.0]);
    }
}
