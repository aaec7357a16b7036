//! The exponential linear unit.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = x where x > 0 and α·(eˣ − 1) elsewhere, any shape (Clevert, Unterthiner and Hochreiter, *Fast and accurate deep network
/// learning by exponential linear units*, 2016).
///
/// dy/dx = 1 where x > 0 and α·eˣ = y + α elsewhere. α isn't negative, so y > 0 exactly where x > 0: the output is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elu {
    /// −α is approached far left of 0.
    pub alpha: f64,
}

impl<T: Real> Op<T> for Elu {
    fn name(&self) -> &'static str {
        "elu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let alpha = T::from_f64(self.alpha);
        Grads::one(upstream.zip(node.output(), |g, y| if y > T::zero() { g } else { g * (y + alpha) }))
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT
    }
}

/// x where x > 0 and α·(eˣ − 1) elsewhere. Works in place where `x` was the last owner of its value.
///
/// # Panics
/// Where α is negative or not a number.
#[must_use]
pub fn elu<T: Real>(x: Var<T>, alpha: f64) -> Var<T> {
    assert!(alpha >= 0.0, "elu: an α of {alpha}");
    let factor = T::from_f64(alpha);
    x.consumed_by(Elu { alpha }, |x| x.map(|x| if x > T::zero() { x } else { factor * x.exp_m1() }))
}

#[cfg(test)]
mod tests {
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        for alpha in [0.0, 0.5, 1.0, 2.0] {
            gradcheck(&[random([40], 1)], |v| v[0].mul_scalar(4.0).elu(alpha)).within(1e-7).unwrap();
        }
    }

    #[test]
    fn it_is_the_rectified_part_and_an_exponential() {
        let tape = Tape::new();
        let x = tape.leaf(random([40], 2)).mul_scalar(4.0);
        let negative = x.neg().relu().neg().exp().add_scalar(-1.0).mul_scalar(0.7);
        approx::assert_abs_diff_eq!(x.elu(0.7).value(), x.relu().add(&negative).value(), epsilon = 1e-15);
    }

    #[test]
    fn far_out_it_is_minus_alpha_or_the_input_and_small_inputs_keep_their_digits() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -1e-12, 0.0, 1000.0]));
        let y = x.elu(1.0);
        assert_eq!(y.value().as_slice(), &[-1.0, -1e-12, 0.0, 1000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 1.0, 1.0, 1.0]);
    }
}
