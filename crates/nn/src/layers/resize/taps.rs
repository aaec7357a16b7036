//! The pixels of the original that each pixel of a resized picture reads, along one axis.

use crate::layers::prelude::*;

/// How a resized picture reads the original: the position that output pixel i reads along an axis of n pixels resized to
/// m.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Interpolation {
    /// ⌊i·n/m⌋, the pixel there.
    Nearest,
    /// Between two pixels; their mean, weighted by how near they are.
    Bilinear {
        /// If set, the position is i·(n − 1)/(m − 1), or 0 where m = 1: the centres of the corner pixels coincide.
        /// Otherwise it is (i + ½)·n/m − ½, held within the picture: pixels are areas, and the pictures' edges coincide.
        align_corners: bool,
    },
    /// Between four pixels, weighted by cubic convolution (Keys, *Cubic convolution interpolation for digital image
    /// processing*, 1981) with a = −¾, as in OpenCV and PyTorch. Beyond the edges the picture goes on as its outermost
    /// pixels are.
    Bicubic {
        /// As for bilinear interpolation, the position not held within the picture.
        align_corners: bool,
    },
}

/// What is read along one axis: a pixel, and others with their weights; the pixel's own weight is what they leave of 1.
#[derive(Clone, Copy, Debug)]
pub struct Tap<T> {
    pixel: usize,
    others: [(usize, T); 3],
}

impl<T: Real> Tap<T> {
    fn new(pixel: usize, mut others: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut next = || others.next().map_or((pixel, T::zero()), |(other, weight)| (other, T::from_f64(weight)));
        Self { pixel, others: [next(), next(), next()] }
    }

    /// Between two of `from` pixels, at a position counted from the centre of the first and held within them.
    ///
    /// # Panics
    /// If there are no pixels to read.
    #[must_use]
    pub fn linear(position: f64, from: usize) -> Self {
        assert!(from > 0, "resize: no pixels to read");
        let position = position.clamp(0.0, (from - 1) as f64);
        let first = position as usize;
        Self::new(first, std::iter::once(((first + 1).min(from - 1), position - first as f64)))
    }

    /// What is read of the pixels `x`.
    #[must_use]
    pub fn read(&self, x: impl Fn(usize) -> T) -> T {
        let own = x(self.pixel);
        // Not the sum as it stands: equal neighbours then give exactly their value.
        self.others().fold(own, |y, (other, weight)| y + weight * (x(other) - own))
    }

    /// The others that count.
    fn others(&self) -> impl Iterator<Item = (usize, T)> {
        self.others.into_iter().filter(|(pixel, weight)| *pixel != self.pixel && !weight.is_zero())
    }
}

/// Keys's kernel, at a distance of up to 2 pixels.
fn cubic(distance: f64) -> f64 {
    const A: f64 = -0.75;
    let d = distance.abs();
    if d <= 1.0 { ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0 } else { ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A }
}

impl Interpolation {
    /// What each of `to` pixels reads of `from`, along one axis.
    ///
    /// # Panics
    /// If there are no pixels to read.
    #[must_use]
    pub fn taps<T: Real>(self, from: usize, to: usize) -> Vec<Tap<T>> {
        assert!(from > 0, "resize: no pixels to read");
        let last = from - 1;
        let position = |i: usize, align_corners: bool| match align_corners {
            true if to == 1 => 0.0,
            true => (i * last) as f64 / (to - 1) as f64,
            false => (i as f64 + 0.5) * from as f64 / to as f64 - 0.5,
        };
        let tap = |i: usize| match self {
            Self::Nearest => Tap::new(i * from / to, std::iter::empty()),
            Self::Bilinear { align_corners } => Tap::linear(position(i, align_corners), from),
            Self::Bicubic { align_corners } => {
                let position = position(i, align_corners);
                let held = |pixel: f64| pixel.clamp(0.0, last as f64) as usize;
                let first = position.floor();
                let others = [-1.0, 1.0, 2.0].map(|step| first + step);
                Tap::new(held(first), others.into_iter().map(|pixel| (held(pixel), cubic(position - pixel))))
            }
        };
        (0..to).map(tap).collect()
    }
}

/// y[i] = Σₖ tₖ·x[aₖ] along an axis of elements of `width` numbers.
pub(crate) fn gather<T: Real>(taps: &[Tap<T>], width: usize, x: &[T], y: &mut [T]) {
    let element = |i: usize| &x[i * width..][..width];
    for (tap, y) in taps.iter().zip(y.chunks_exact_mut(width)) {
        let own = element(tap.pixel);
        y.copy_from_slice(own);
        for (other, weight) in tap.others() {
            let other = element(other);
            for k in 0..width {
                // As `Tap::read` does.
                y[k] += weight * (other[k] - own[k]);
            }
        }
    }
}

/// The transpose of [`gather`]: adds to ∂x.
pub(super) fn scatter<T: Real>(taps: &[Tap<T>], width: usize, dy: &[T], dx: &mut [T]) {
    for (tap, dy) in taps.iter().zip(dy.chunks_exact(width)) {
        let rest = tap.others().fold(T::one(), |rest, (_, weight)| rest - weight);
        for (i, share) in std::iter::once((tap.pixel, rest)).chain(tap.others()) {
            dx[i * width..][..width].iter_mut().zip(dy).for_each(|(dx, &g)| *dx += share * g);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Interpolation;

    #[test]
    #[should_panic(expected = "resize: no pixels to read")]
    fn a_picture_without_pixels_is_refused() {
        let _ = Interpolation::Bilinear { align_corners: true }.taps::<f32>(0, 4);
    }
}
