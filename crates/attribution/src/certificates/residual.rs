//! The difference between the two sides of an identity.

use nn::Real;
use serde::Serialize;

/// The two sides of an identity, and their difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Residual {
    /// The left side.
    pub left: f64,
    /// The right side.
    pub right: f64,
    /// The sum of the absolute values of all terms of both sides.
    pub magnitude: f64,
    /// |left − right| in ulps of the magnitude. An ulp is the distance between the two neighbouring floating-point numbers of
    /// the model's precision between which the magnitude lies.
    pub ulps: f64,
    /// A bound on the rounding errors, in ulps; for integrated gradients it includes an estimate of the quadrature's error.
    pub allowed: f64,
}

impl Residual {
    /// The residual of two sides, with their magnitude, and the allowed error in the same unit.
    pub(crate) fn new<T: Real>(left: f64, right: f64, magnitude: f64, allowed: f64) -> Self {
        let ulp = ulp::<T>(magnitude);
        Self { left, right, magnitude, ulps: (left - right).abs() / ulp, allowed: allowed / ulp }
    }

    /// Whether the difference is within the bound; false if a side is NaN.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ulps <= self.allowed
    }

    /// The residual that is nearer to its bound, or further beyond it.
    pub(crate) fn worse(self, other: Self) -> Self {
        let share = |r: &Self| if r.ulps == 0.0 { 0.0 } else { r.ulps / r.allowed };
        // NaN is worst.
        if share(&self).is_nan() || share(&other) <= share(&self) { self } else { other }
    }
}

/// The distance between neighbouring numbers of type T at `x`: ε · 2^⌊log₂ x⌋.
fn ulp<T: Real>(x: f64) -> f64 {
    let least = T::min_positive_value().as_f64();
    T::epsilon().as_f64() * x.max(least).log2().floor().exp2()
}

/// u, the largest relative error of one rounding: ε/2.
pub(crate) fn unit<T: Real>() -> f64 {
    T::epsilon().as_f64() / 2.0
}

/// γₙ = n u / (1 − n u): the largest relative error of n roundings (Higham, *Accuracy and Stability of Numerical Algorithms*,
/// 2002, Lemma 3.1).
pub(crate) fn gamma<T: Real>(roundings: usize) -> f64 {
    let nu = roundings as f64 * unit::<T>();
    if nu < 1.0 { nu / (1.0 - nu) } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ulp_is_the_distance_to_the_next_number() {
        for x in [1.0_f32, 1.5, 3.7, 1e-3, 6.5e4] {
            let next = f32::from_bits(x.to_bits() + 1);
            assert_eq!(ulp::<f32>(f64::from(x)), f64::from(next) - f64::from(x));
        }
        assert_eq!(ulp::<f64>(1.0), f64::EPSILON);
    }

    #[test]
    fn nan_never_holds() {
        let good = Residual::new::<f32>(1.0, 1.0, 1.0, 0.0);
        let bad = Residual::new::<f32>(f64::NAN, 1.0, 1.0, 1.0);
        assert!(good.holds() && !bad.holds());
        assert!(!good.worse(bad).holds() && !bad.worse(good).holds());
    }
}
