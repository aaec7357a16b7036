//! A power of each element.

use tensor::{Grads, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = xᵖ for a constant p, any shape: a square (p = 2), a square root (½), a reciprocal (−1).
///
/// dy/dx = p·xᵖ⁻¹. Where that isn't finite, as that of the root is not at 0, nothing is handed back: the length of a vector of
/// zeros, √Σx², then has the derivative 0 that its neighbours have in the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// p.
    pub exponent: f64,
}

impl Power {
    fn of<T: Real>(self, x: T) -> T {
        match self.exponent {
            2.0 => x * x,
            0.5 => x.sqrt(),
            -1.0 => x.recip(),
            exponent => x.powf(T::from_f64(exponent)),
        }
    }

    fn slope<T: Real>(self, x: T) -> T {
        let power = match self.exponent {
            2.0 => x,
            0.5 => x.sqrt().recip(),
            exponent => x.powf(T::from_f64(exponent - 1.0)),
        };
        if power.is_finite() { T::from_f64(self.exponent) * power } else { T::zero() }
    }
}

impl<T: Real> Op<T> for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        Grads::one(upstream.zip(node.input(0), |g, x| g * self.slope(x)))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

/// xᵖ; not a number for negative x, unless p is whole.
#[must_use]
pub fn power<T: Real>(x: &Var<T>, exponent: f64) -> Var<T> {
    let power = Power { exponent };
    x.tape().record(power, &[x], x.value().clone().map(|x| power.of(x)))
}

#[cfg(test)]
mod tests {
    use super::power;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let positive = Tensor::new([4], vec![0.3, 0.9, 1.0, 2.7]);
        for exponent in [2.0, 0.5, -1.0, -0.5, 3.0, 1.7, 1.0, 0.0] {
            gradcheck(std::slice::from_ref(&positive), |v| power(&v[0], exponent)).within(1e-7).unwrap();
        }
        let negative = Tensor::new([4], vec![-2.0, -0.8, -1.3, 0.7]);
        for exponent in [2.0, 3.0, -1.0, -2.0] {
            gradcheck(std::slice::from_ref(&negative), |v| power(&v[0], exponent)).within(1e-7).unwrap();
        }
    }

    #[test]
    fn special_powers_are_the_general_one() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![0.25, 1.0, 2.0, 9.0]));
        for exponent in [2.0, 0.5, -1.0] {
            let general = x.value().clone().map(|x: f64| x.powf(exponent));
            approx::assert_relative_eq!(power(&x, exponent).value(), &general, epsilon = 1e-15);
        }
    }

    #[test]
    fn the_length_of_nothing_hands_nothing_back() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::<f32>::zeros([3]));
        let length = power(&power(&x, 2.0).sum(), 0.5);
        assert_eq!(tape.backward(&length, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0; 3]);
    }
}
