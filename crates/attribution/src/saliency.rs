//! A map of the input's values.

use ndarray::{Array2, Array3, ArrayView3, Axis};
use nn::Real;

use crate::verdict::Verdict;

/// What an input-level method says: a signed value for each value of the image, `[H, W, C]`, and a [`Verdict`].
#[derive(Clone, Debug, PartialEq)]
pub struct Saliency<T: Real = f32> {
    pub(crate) values: Array3<T>,
    pub(crate) verdict: Verdict,
}

impl<T: Real> Saliency<T> {
    /// The signed values, `[H, W, C]`.
    #[must_use]
    pub fn raw(&self) -> ArrayView3<'_, T> {
        self.values.view()
    }

    /// What the map says; negative values count as evidence too.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The largest absolute value among a pixel's channels (Simonyan, Vedaldi and Zisserman, *Deep Inside Convolutional
    /// Networks*, 2014, §3.1): `[H, W]`.
    #[must_use]
    pub fn magnitude(&self) -> Array2<T> {
        self.values.map_axis(Axis(2), |channels| {
            channels.iter().fold(T::zero(), |most, v| if v.abs() > most || v.is_nan() { v.abs() } else { most })
        })
    }

    /// The sum over a pixel's channels, with its sign: `[H, W]`.
    #[must_use]
    pub fn sum(&self) -> Array2<T> {
        self.values.map_axis(Axis(2), |channels| channels.iter().copied().sum())
    }
}
