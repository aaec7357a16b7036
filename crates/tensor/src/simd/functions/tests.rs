//! The largest errors, against double precision.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use rayon::prelude::*;

use crate::simd::{Kernel, Simd, Tier, dispatch_on};

/// A function with its meaning in double precision.
trait Function: Copy + Sync {
    fn of<S: Simd>(self, s: S, x: S::V) -> S::V;
    /// The value, and the magnitude whose ulp is the unit of the error.
    fn exact(self, x: f64) -> (f64, f64);
}

/// The error of a result, and its argument.
#[derive(Clone, Copy, Debug)]
struct Error {
    ulps: f64,
    x: f32,
}

/// The distance of the numbers of single precision at `x`.
fn ulp(x: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff << 52;
    f64::from_bits(x.to_bits() & EXPONENT).clamp(2f64.powi(-126), 2f64.powi(127)) * f64::from(f32::EPSILON)
}

fn error(found: f32, (exact, magnitude): (f64, f64)) -> f64 {
    let rounded = exact as f32;
    if found == rounded || (found.is_nan() && rounded.is_nan()) {
        0.0
    } else if found.is_finite() && exact.is_finite() {
        (f64::from(found) - exact).abs() / ulp(magnitude)
    } else {
        f64::INFINITY
    }
}

/// Arguments that are checked together. If their bits are consecutive and the first is a multiple of this, they have one sign and
/// one exponent.
const BLOCK: usize = 64;

/// The meaning of a function at the arguments with the bits `first`, `first + step`, …
///
/// Three values tell those at 64 adjacent numbers: the third derivative is nothing over a 2⁻¹⁷th of the argument.
fn exact<F: Function>(function: F, first: u64, step: u64) -> [(f64, f64); BLOCK] {
    let bits = |i: usize| first + i as u64 * step;
    let x = |i: usize| f64::from(f32::from_bits(bits(i) as u32));
    if step > 1 || !x(BLOCK - 1).is_finite() {
        return std::array::from_fn(|i| function.exact(x(i)));
    }
    let distance = x(1) - x(0);
    let [a, b, c] = [0, BLOCK / 2, BLOCK].map(|i| function.exact(x(0) + i as f64 * distance));
    let parabola = |a: f64, b: f64, c: f64, s: f64| a + s * ((b - a) * 2.0 + (s - 0.5) * (2.0 * (c - 2.0 * b + a)));
    std::array::from_fn(|i| {
        let s = i as f64 / BLOCK as f64;
        (parabola(a.0, b.0, c.0, s), parabola(a.1, b.1, c.1, s))
    })
}

/// The largest error of a function over the arguments whose bits are `from`, `from + step`, … and below `to`.
struct Largest<F> {
    function: F,
    bits: std::ops::Range<u64>,
    step: u64,
}

impl<F: Function> Kernel for Largest<F> {
    type Output = Error;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Error {
        let mut largest = Error { ulps: 0.0, x: 0.0 };
        for first in self.bits.step_by(BLOCK * self.step as usize) {
            let x: [f32; BLOCK] = std::array::from_fn(|i| f32::from_bits((first + i as u64 * self.step) as u32));
            let mut y = [0.0; BLOCK];
            for i in (0..BLOCK).step_by(S::LANES) {
                // SAFETY: LANES divides the length of both.
                unsafe { s.store(y.as_mut_ptr().add(i), self.function.of(s, s.load(x.as_ptr().add(i)))) };
            }
            for ((&x, &y), meaning) in x.iter().zip(&y).zip(exact(self.function, first, self.step)) {
                let ulps = error(y, meaning);
                if ulps > largest.ulps {
                    largest = Error { ulps, x };
                }
            }
        }
        largest
    }
}

/// The largest error over each `step`th of all arguments.
fn largest<F: Function>(function: F, tier: Tier, step: u64) -> Error {
    const PART: u64 = 1 << 22;
    (0..(1 << 32) / PART)
        .into_par_iter()
        .map(|part| {
            let from = (part * PART).next_multiple_of(step);
            dispatch_on(tier, Largest { function, bits: from..(part + 1) * PART, step })
        })
        .reduce(|| Error { ulps: 0.0, x: 0.0 }, |a, b| if b.ulps > a.ulps { b } else { a })
}

/// Lists functions as `name: largest error, meaning of x`, the error on the portable tier or another, in ulps, where a meaning is a value, or a value and the magnitude
/// that its error is measured by.
macro_rules! functions {
    ($($name:ident: $unfused:literal or $fused:literal, |$x:ident| $exact:expr $(, $magnitude:expr)?;)+) => {
        $(
            #[allow(non_camel_case_types)]
            #[derive(Clone, Copy)]
            struct $name;

            impl Function for $name {
                #[inline(always)]
                fn of<S: Simd>(self, s: S, x: S::V) -> S::V {
                    super::$name(s, x)
                }

                fn exact(self, $x: f64) -> (f64, f64) {
                    let exact: f64 = $exact;
                    $(let exact = (exact, $magnitude);)?
                    exact.into_measured()
                }
            }
        )+

        fn check(step: u64, mut each: impl FnMut(&str, Tier, Error, f64)) {
            for tier in Tier::available() {
                let bound = |unfused, fused| if tier == Tier::Portable { unfused } else { fused };
                $(each(stringify!($name), tier, largest($name, tier, step), bound($unfused, $fused));)+
            }
        }
    };
}

trait Measured {
    fn into_measured(self) -> (f64, f64);
}

impl Measured for f64 {
    fn into_measured(self) -> (f64, f64) {
        (self, self)
    }
}

impl Measured for (f64, f64) {
    fn into_measured(self) -> (f64, f64) {
        self
    }
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Φ(x).
fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// x·Φ′(x).
fn scaled_density(x: f64) -> f64 {
    if x.is_infinite() { 0.0 } else { 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * x * (-0.5 * x * x).exp() }
}

/// Twice the argument of the hyperbolic tangent in GELU's approximation.
fn inner(x: f64) -> f64 {
    SQRT_8_OVER_PI * (x + 0.044_715 * x * x * x)
}

/// x·σ′(v)·v′ for that v.
fn bend(x: f64) -> f64 {
    let slope = sigma(inner(x)) * sigma(-inner(x));
    if slope == 0.0 { 0.0 } else { x * slope * SQRT_8_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x) }
}

/// 2·√(2/π).
const SQRT_8_OVER_PI: f64 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

functions! {
    exp: 0.9 or 0.9, |x| x.exp();
    logistic: 1.7 or 1.5, |x| sigma(x);
    logistic_slope: 1.5 or 1.5, |y| y * (1.0 - y);
    silu: 2.0 or 2.0, |x| if x == f64::NEG_INFINITY { 0.0 } else { x * sigma(x) };
    silu_slope: 2.0 or 2.0, |x| sigma(x) + if x.is_infinite() { 0.0 } else { x * sigma(x) * sigma(-x) },
        if x.is_infinite() { 1.0 } else { sigma(x) + x.abs() * sigma(x) * sigma(-x) };
    tanh: 1.3 or 1.3, |x| x.tanh();
    tanh_slope: 1.6 or 1.6, |y| (1.0 - y) * (1.0 + y);
    erf: 1.3 or 1.1, |x| libm::erf(x);
    erf_slope: 1.2 or 1.0, |x| FRAC_2_SQRT_PI * (-x * x).exp();
    gelu: 2.0 or 1.7, |x| if x == f64::NEG_INFINITY { 0.0 } else { x * phi(x) };
    gelu_slope: 2.2 or 2.0, |x| phi(x) + scaled_density(x), phi(x) + scaled_density(x.abs());
    gelu_tanh: 2.0 or 2.0, |x| if x == f64::NEG_INFINITY { 0.0 } else { x * sigma(inner(x)) };
    gelu_tanh_slope: 4.0 or 4.0, |x| sigma(inner(x)) + bend(x), sigma(inner(x)) + bend(x).abs();
    exp_m1: 1.6 or 1.5, |x| x.exp_m1();
    softplus: 2.2 or 1.9, |x| x.max(0.0) + if x.is_nan() { x } else { (-x.abs()).exp().ln_1p() };
    softplus_slope: 1.6 or 1.5, |y| -(-y).exp_m1();
}

#[test]
fn errors_are_small() {
    check(4099, |name, tier, error, bound| assert!(error.ulps <= bound, "{name}, {tier}: {error:?}"));
}

/// `cargo test --release -p glassbox-tensor --lib -- --ignored --nocapture largest_errors`
#[test]
#[ignore = "all arguments take minutes"]
fn largest_errors() {
    let mut larger = Vec::new();
    check(1, |name, tier, Error { ulps, x }, bound| {
        println!("{name:15} {tier:8} {ulps:.3} at {x:e}");
        larger.extend((ulps > bound).then(|| format!("{name}, {tier}")));
    });
    assert!(larger.is_empty(), "larger than the table says: {larger:?}");
}
