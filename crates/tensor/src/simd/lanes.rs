//! Functions of each element, written once: for vectors of `f32` on any tier, and for single numbers in `f64`.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Simd, functions};

/// A vector of `f32` ([`Vector`]), or one `f64`: what a function of each element takes. There are no branches on values, since
/// lanes differ in them: [`where_less`](Self::where_less) chooses.
///
/// ```
/// use tensor::simd::Lanes;
/// /// x where x > 0 and 0.1·x elsewhere.
/// fn leaky<L: Lanes>(x: L) -> L {
///     x.like(0.0).where_less(x, x, x * x.like(0.1))
/// }
/// assert_eq!([leaky(3.0), leaky(-2.0)], [3.0, -0.2]);
/// ```
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The nearest number to `x` in every lane.
    #[must_use]
    fn like(self, x: f64) -> Self;
    /// `yes` where `self < other`, else `no`: so `no` where either is NaN.
    #[must_use]
    fn where_less(self, other: Self, yes: Self, no: Self) -> Self;
    /// The larger one; `other` where either is NaN.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// The smaller one; `other` where either is NaN.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// |x|.
    #[must_use]
    fn abs(self) -> Self;
    /// √x.
    #[must_use]
    fn sqrt(self) -> Self;
    /// eˣ.
    #[must_use]
    fn exp(self) -> Self;
    /// σ(x) = 1/(1 + e⁻ˣ).
    #[must_use]
    fn logistic(self) -> Self;
    /// tanh x.
    #[must_use]
    fn tanh(self) -> Self;
    /// erf x.
    #[must_use]
    fn erf(self) -> Self;
    /// The derivative of erf x, 2/√π·e^(−x²).
    #[must_use]
    fn erf_slope(self) -> Self;
    /// x·σ(x).
    #[must_use]
    fn silu(self) -> Self;
    /// The derivative of x·σ(x).
    #[must_use]
    fn silu_slope(self) -> Self;
    /// x·Φ(x), Φ being the distribution function of the standard normal distribution.
    #[must_use]
    fn gelu(self) -> Self;
    /// The derivative of x·Φ(x).
    #[must_use]
    fn gelu_slope(self) -> Self;
    /// x·Φ(x) with Φ(x) ≈ ½·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
    #[must_use]
    fn gelu_tanh(self) -> Self;
    /// The derivative of [`gelu_tanh`](Self::gelu_tanh).
    #[must_use]
    fn gelu_tanh_slope(self) -> Self;
    /// eˣ − 1.
    #[must_use]
    fn exp_m1(self) -> Self;
    /// ln(1 + eˣ).
    #[must_use]
    fn softplus(self) -> Self;
    /// The derivative of ln(1 + eˣ), from y = ln(1 + eˣ): 1 − e⁻ʸ.
    #[must_use]
    fn softplus_slope(self) -> Self;
    /// A function that has no vector form, lane by lane in double precision.
    #[must_use]
    fn each(self, f: impl Fn(f64) -> f64) -> Self;
}

/// A vector of a tier.
#[derive(Clone, Copy, Debug)]
pub struct Vector<S: Simd> {
    simd: S,
    lanes: S::V,
}

impl<S: Simd> Vector<S> {
    /// The vector with these lanes.
    #[inline(always)]
    pub fn new(simd: S, lanes: S::V) -> Self {
        Self { simd, lanes }
    }

    /// Its lanes.
    #[inline(always)]
    pub fn lanes(self) -> S::V {
        self.lanes
    }

    #[inline(always)]
    fn of(self, f: impl FnOnce(S, S::V) -> S::V) -> Self {
        Self { lanes: f(self.simd, self.lanes), ..self }
    }

    #[inline(always)]
    fn with(self, other: Self, f: impl FnOnce(S, S::V, S::V) -> S::V) -> Self {
        Self { lanes: f(self.simd, self.lanes, other.lanes), ..self }
    }
}

macro_rules! operator {
    ($($Operator:ident::$name:ident)*) => {
        $(impl<S: Simd> $Operator for Vector<S> {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                self.with(other, S::$name)
            }
        })*
    };
}
operator!(Add::add Sub::sub Mul::mul Div::div);

impl<S: Simd> Neg for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.of(|s, x| s.sub(s.splat(-0.0), x))
    }
}

macro_rules! by_function {
    ($($name:ident)*) => {
        $(#[inline(always)]
        fn $name(self) -> Self {
            self.of(functions::$name::<S>)
        })*
    };
}

impl<S: Simd> Lanes for Vector<S> {
    #[inline(always)]
    fn like(self, x: f64) -> Self {
        self.of(|s, _| s.splat(x as f32))
    }

    #[inline(always)]
    fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        self.with(other, |s, a, b| s.select_less(a, b, yes.lanes, no.lanes))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.with(other, S::max)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.with(other, S::min)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.of(S::abs)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.of(S::sqrt)
    }

    by_function!(exp logistic tanh erf erf_slope silu silu_slope gelu gelu_slope gelu_tanh gelu_tanh_slope exp_m1 softplus softplus_slope);

    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        self.of(|s, x| {
            let mut values = [0.0_f32; super::LINE];
            // SAFETY: no vector is longer than the array.
            unsafe {
                s.store(values.as_mut_ptr(), x);
                values[..S::LANES].iter_mut().for_each(|x| *x = f(f64::from(*x)) as f32);
                s.load(values.as_ptr())
            }
        })
    }
}

/// √(2/π).
const SQRT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
/// The factor of x³ in the approximation of the GELU.
const CUBIC: f64 = 0.044_715;

/// Φ(x) without cancellation far to the left.
fn distribution(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

impl Lanes for f64 {
    fn like(self, x: f64) -> Self {
        x
    }

    fn where_less(self, other: Self, yes: Self, no: Self) -> Self {
        if self < other { yes } else { no }
    }

    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    fn abs(self) -> Self {
        self.abs()
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn logistic(self) -> Self {
        // The exponent is never positive, so nothing overflows: 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ).
        let e = (-self.abs()).exp();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    fn tanh(self) -> Self {
        self.tanh()
    }

    fn erf(self) -> Self {
        libm::erf(self)
    }

    fn erf_slope(self) -> Self {
        std::f64::consts::FRAC_2_SQRT_PI * (-self * self).exp()
    }

    fn silu(self) -> Self {
        self * self.logistic()
    }

    fn silu_slope(self) -> Self {
        let s = self.logistic();
        s * (1.0 + self * (1.0 - s))
    }

    fn gelu(self) -> Self {
        self * distribution(self)
    }

    fn gelu_slope(self) -> Self {
        distribution(self) + self * (0.5 * SQRT_2_OVER_PI * (-0.5 * self * self).exp())
    }

    fn gelu_tanh(self) -> Self {
        // ½·(1 + tanh u) = σ(2u).
        self * (2.0 * SQRT_2_OVER_PI * (self + CUBIC * self * self * self)).logistic()
    }

    fn gelu_tanh_slope(self) -> Self {
        // Further out, the slope is 0 or 1, and powers of x overflow. The bounds come first, so that NaN stays.
        let x = Lanes::min(64.0, Lanes::max(-64.0, self));
        let u = SQRT_2_OVER_PI * (x + CUBIC * x * x * x);
        let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        // σ′ = σ(1 − σ), and 1 − σ(2u) = σ(−2u).
        let s = (2.0 * u).logistic();
        s + x * (2.0 * slope * s * (-2.0 * u).logistic())
    }

    fn exp_m1(self) -> Self {
        self.exp_m1()
    }

    fn softplus(self) -> Self {
        // The exponent is never positive, so nothing overflows: ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|).
        Lanes::max(0.0, self) + (-self.abs()).exp().ln_1p()
    }

    fn softplus_slope(self) -> Self {
        -(-self).exp_m1()
    }

    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        f(self)
    }
}
