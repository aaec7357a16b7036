//! `+`, `−`, `*` and `/` of variables and constants, and the minus sign.

use std::ops;

use super::{add, div, mul, sub};
use crate::{Element, Var};

/// An operator between variables, by value or by reference, and with a constant on the right. A left operand by value may be
/// overwritten with the result.
macro_rules! operator {
    ($Trait:ident, $f:ident, $doc:literal, |$x:ident, $a:ident| $scalar:expr) => {
        impl<T: Element> Var<T> {
            #[doc = concat!($doc, ", broadcasting: the operator between references.")]
            ///
            /// # Panics
            /// If the shapes don't broadcast, or the two are on different tapes.
            #[must_use]
            pub fn $f(&self, other: &Self) -> Self {
                $f(self.clone(), other)
            }
        }

        impl<T: Element> ops::$Trait<&Self> for Var<T> {
            type Output = Self;

            fn $f(self, other: &Self) -> Self {
                $f(self, other)
            }
        }

        impl<T: Element> ops::$Trait for Var<T> {
            type Output = Self;

            fn $f(self, other: Self) -> Self {
                $f(self, &other)
            }
        }

        impl<T: Element> ops::$Trait for &Var<T> {
            type Output = Var<T>;

            fn $f(self, other: Self) -> Var<T> {
                $f(self.clone(), other)
            }
        }

        impl<T: Element> ops::$Trait<Var<T>> for &Var<T> {
            type Output = Var<T>;

            fn $f(self, other: Var<T>) -> Var<T> {
                $f(self.clone(), &other)
            }
        }

        impl<T: Element> ops::$Trait<f64> for &Var<T> {
            type Output = Var<T>;

            fn $f(self, $a: f64) -> Var<T> {
                let $x = self;
                $scalar
            }
        }

        impl<T: Element> ops::$Trait<f64> for Var<T> {
            type Output = Self;

            fn $f(self, $a: f64) -> Self {
                let $x = &self;
                $scalar
            }
        }
    };
}

operator!(Add, add, "`self + other`", |x, a| x.add_scalar(a));
operator!(Sub, sub, "`self − other`", |x, a| x.add_scalar(-a));
operator!(Mul, mul, "`self · other`", |x, a| x.mul_scalar(a));
operator!(Div, div, "`self / other`", |x, a| x.mul_scalar(1.0 / a));

impl<T: Element> ops::Neg for &Var<T> {
    type Output = Var<T>;

    fn neg(self) -> Var<T> {
        self.neg()
    }
}

impl<T: Element> ops::Neg for Var<T> {
    type Output = Self;

    fn neg(self) -> Self {
        -&self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Keep, Tape, Tensor, gradcheck};

    #[test]
    fn operators_mean_what_they_say() {
        let tape = Tape::new();
        let (x, y) = (tape.leaf(Tensor::scalar(3.0)), tape.leaf(Tensor::scalar(5.0)));
        for (found, expected) in [
            (&x + &y, 8.0),
            (&x - &y, -2.0),
            (&x * &y, 15.0),
            (&x / &y, 0.6),
            (-&x, -3.0),
            (&x + 2.0, 5.0),
            (&x - 2.0, 1.0),
            (&x * 2.0, 6.0),
            (&x / 2.0, 1.5),
            ((&x * &x + &y) * &y - x.clone() / y.clone(), 69.4),
            (-(x.clone() + y.clone() * x.clone()) / 2.0 - 1.0, -10.0),
        ] {
            assert_eq!(found.value().item(), expected);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::new([3], vec![0.9, -1.2, 2.1]);
        let y = Tensor::new([2, 1], vec![1.4, 0.3]);
        gradcheck(&[x, y], |v| (&v[0] * &v[1] - 2.0) / (&v[0] * &v[0] + 1.0) * -&v[1]).within(1e-8).unwrap();
    }

    /// On a tape that keeps no inputs, a sum is written over its left term if nothing else holds it.
    #[test]
    fn a_left_operand_read_for_the_last_time_is_overwritten() {
        for (keep, in_place) in [(Keep::Nothing, true), (Keep::Needed, true), (Keep::All, false)] {
            let tape = Tape::keeping(keep);
            let [x, y] = [0.5, 0.25].map(|x| tape.leaf(Tensor::<f32>::full([10_000], x)));
            let address = x.value().as_slice().as_ptr();
            let sum = x + &y;
            assert_eq!(sum.value().as_slice().as_ptr() == address, in_place, "{keep:?}");
            assert!(sum.value().as_slice().iter().all(|&x| x == 0.75));
            let held = sum.clone();
            let difference = sum - y;
            assert_ne!(difference.value().as_slice().as_ptr(), held.value().as_slice().as_ptr(), "another holds it");
        }
    }
}
