//! The interval that results are clipped to before they are written.

use tensor::simd::{Lanes, Simd};

/// x, or `low` if it is below, or `high` if it is above; NaN stays NaN.
#[inline(always)]
pub(crate) fn clipped<L: Lanes>(x: L, low: f64, high: f64) -> L {
    // The bounds come first, so that NaN stays.
    x.like(high).min(x.like(low).max(x))
}

/// To which results are [`clipped`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bounds {
    /// All results stay as they are.
    None,
    /// From this number on.
    From(f32),
    /// From the first number to the second.
    Between(f32, f32),
}

impl Bounds {
    /// Those of a ReLU.
    pub(crate) const RELU: Self = Self::From(0.0);

    /// The bounds `low` and `high`, which may be infinite.
    pub(crate) fn new(low: f64, high: f64) -> Self {
        if high == f64::INFINITY { Self::From(low as f32) } else { Self::Between(low as f32, high as f32) }
    }

    /// The clipped values.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, v: S::V) -> S::V {
        match self {
            Self::None => v,
            Self::From(low) => s.max(s.splat(low), v),
            Self::Between(low, high) => s.min(s.splat(high), s.max(s.splat(low), v)),
        }
    }

    /// Clips all sums of a tile as [`apply`](Self::apply) does, one bound after the other: in loops of one instruction, which the
    /// compiler unrolls.
    #[inline(always)]
    pub(crate) fn apply_to_all<S: Simd, const R: usize, const V: usize>(self, s: S, sum: &mut [[S::V; V]; R]) {
        if let Self::From(low) | Self::Between(low, _) = self {
            for i in 0..R {
                for v in 0..V {
                    sum[i][v] = s.max(s.splat(low), sum[i][v]);
                }
            }
        }
        if let Self::Between(_, high) = self {
            for i in 0..R {
                for v in 0..V {
                    sum[i][v] = s.min(s.splat(high), sum[i][v]);
                }
            }
        }
    }
}
