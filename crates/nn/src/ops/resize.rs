//! Resizing pictures.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tensor::blocks::grain;
use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

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

/// One axis after the other, first along the rows of x `[N, H, W, C]`, then along the columns of what that gives: along
/// an axis, output element i is
///
/// ```text
/// yᵢ = Σₖ tₖ·x[aₖ],      Σₖ tₖ = 1
/// ```
///
/// for the neighbours aₖ = aₖ(i) that it reads (one, two or four), with weights tₖ = tₖ(i) that don't depend on x: ∂yᵢ goes
/// to `∂x[aₖ]` times tₖ, and the axes are gone back in reverse order.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Output `[Ho, Wo]`.
    pub size: [usize; 2],
    /// How the input is read.
    pub interpolation: Interpolation,
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
    /// Where there are no pixels to read.
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
    /// Where there are no pixels to read.
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
fn scatter<T: Real>(taps: &[Tap<T>], width: usize, dy: &[T], dx: &mut [T]) {
    for (tap, dy) in taps.iter().zip(dy.chunks_exact(width)) {
        let rest = tap.others().fold(T::one(), |rest, (_, weight)| rest - weight);
        for (i, share) in std::iter::once((tap.pixel, rest)).chain(tap.others()) {
            dx[i * width..][..width].iter_mut().zip(dy).for_each(|(dx, &g)| *dx += share * g);
        }
    }
}

/// Calls `f(from, wide, to)` for each image of `from` and `to`, `wide` being zeros, as many as in an array
/// `[H, Wo, C]`.
fn for_each_image<T: Real>(
    from: &Tensor<T>,
    wide: usize,
    to: &mut Tensor<T>,
    f: impl Fn(&[T], &mut [T], &mut [T]) + Sync + Send,
) {
    let [step_from, step_to] = [from.shape(), to.shape()].map(|shape| shape[1..].iter().product::<usize>().max(1));
    let images = to.make_mut().par_chunks_mut(step_to).zip(from.as_slice().par_chunks(step_from));
    let images = images.with_min_len(grain(step_from.max(step_to)));
    images.for_each(|(to, from)| f(from, &mut vec![T::zero(); wide], to));
}

impl<T: Real> Op<T> for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let &[_, h, w, c] = &**node.input_shape(0) else { unreachable!("a recorded resize has pictures") };
        let [rows, columns] = [self.interpolation.taps(h, self.size[0]), self.interpolation.taps(w, self.size[1])];
        let mut dx = Tensor::zeros(*node.input_shape(0));
        let line = self.size[1] * c;
        for_each_image(&upstream, h * line, &mut dx, |dy, wide, dx| {
            scatter(&rows, line, dy, wide);
            for (wide, dx) in wide.chunks_exact(line).zip(dx.chunks_exact_mut(w * c)) {
                scatter(&columns, c, wide, dx);
            }
        });
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

/// x `[N, H, W, C]` resized to `[N, Ho, Wo, C]`, `size` being `[Ho, Wo]`. A constant stays that constant to the last bit.
///
/// # Panics
/// Where the input isn't of that form, or one of the two has no pixel.
#[must_use]
pub fn resize<T: Real>(x: &Var<T>, size: [usize; 2], interpolation: Interpolation) -> Var<T> {
    let &[n, h, w, c] = &**x.shape() else { panic!("resize: expected [N, H, W, C], found {}", x.shape()) };
    assert!(h * w > 0 && size[0] * size[1] > 0, "resize: no pixel in {} or {size:?}", x.shape());
    let [rows, columns] = [interpolation.taps::<T>(h, size[0]), interpolation.taps::<T>(w, size[1])];
    let mut y = Tensor::scratch([n, size[0], size[1], c]);
    let line = size[1] * c;
    for_each_image(x.value(), h * line, &mut y, |x, wide, y| {
        for (x, wide) in x.chunks_exact(w * c).zip(wide.chunks_exact_mut(line)) {
            gather(&columns, c, x, wide);
        }
        gather(&rows, line, wide, y);
    });
    x.tape().record(Resize { size, interpolation }, &[x], y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::random;
    use proptest::prelude::*;
    use tensor::{Tape, gradcheck};

    /// The weight of a pixel at this distance.
    fn kernel(interpolation: Interpolation, distance: f64) -> f64 {
        let (d, a) = (distance.abs(), -0.75);
        match interpolation {
            Interpolation::Bicubic { .. } if d <= 1.0 => (a + 2.0) * d.powi(3) - (a + 3.0) * d.powi(2) + 1.0,
            Interpolation::Bicubic { .. } if d < 2.0 => a * d.powi(3) - 5.0 * a * d.powi(2) + 8.0 * a * d - 4.0 * a,
            Interpolation::Bicubic { .. } => 0.0,
            _ => (1.0 - d).max(0.0),
        }
    }

    /// Every output pixel as a mean of all pixels of a picture that goes on beyond its edges, each weighted by its distance.
    fn literal(x: &Tensor<f64>, size: [usize; 2], interpolation: Interpolation) -> Tensor<f64> {
        let &[n, h, w, c] = &**x.shape() else { unreachable!() };
        let weight = |i: usize, pixel: i64, from: usize, to: usize| {
            let (scaled, last) = (i as f64 * from as f64 / to as f64, from as f64 - 1.0);
            let position = match interpolation {
                // i·n/m is a whole number or misses one by at least 1/m.
                Interpolation::Nearest => (scaled + 1e-9).floor(),
                Interpolation::Bilinear { align_corners: true } | Interpolation::Bicubic { align_corners: true } => {
                    i as f64 * last / (to as f64 - 1.0).max(1.0)
                }
                _ => scaled + 0.5 * from as f64 / to as f64 - 0.5,
            };
            kernel(interpolation, position - pixel as f64)
        };
        let x = x.view();
        let held = |pixel: i64, extent: usize| pixel.clamp(0, extent as i64 - 1) as usize;
        let beyond = |extent: usize| -9..extent as i64 + 9;
        let y = ndarray::Array4::from_shape_fn([n, size[0], size[1], c], |(n, i, j, c)| {
            let pixels = beyond(h).flat_map(|a| beyond(w).map(move |b| (a, b)));
            let terms = pixels
                .map(|(a, b)| weight(i, a, h, size[0]) * weight(j, b, w, size[1]) * x[[n, held(a, h), held(b, w), c]]);
            terms.sum()
        });
        Tensor::from(y)
    }

    #[test]
    #[should_panic(expected = "resize: no pixels to read")]
    fn a_picture_without_pixels_is_refused() {
        let _ = Interpolation::Bilinear { align_corners: true }.taps::<f32>(0, 4);
    }

    fn interpolations() -> impl Strategy<Value = Interpolation> {
        prop_oneof![
            Just(Interpolation::Nearest),
            any::<bool>().prop_map(|align_corners| Interpolation::Bilinear { align_corners }),
            any::<bool>().prop_map(|align_corners| Interpolation::Bicubic { align_corners })
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_size(
            n in 1_usize..3, h in 1_usize..6, w in 1_usize..6, c in 1_usize..3,
            size in [1_usize..9, 1_usize..9], interpolation in interpolations(),
        ) {
            let x = random([n, h, w, c], 1);
            let y = resize(&Tape::new().leaf(x.clone()), size, interpolation);
            approx::assert_abs_diff_eq!(y.value(), &literal(&x, size, interpolation), epsilon = 1e-13);
            let checked = gradcheck(&[x], |v| resize(&v[0], size, interpolation));
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
