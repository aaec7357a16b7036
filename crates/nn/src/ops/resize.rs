//! Resizing pictures.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use super::blocks::grain;
use crate::real::Real;

/// How a resized picture reads the original: the position that output pixel i reads along an axis of n pixels resized to
/// m.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// ⌊i·n/m⌋, the pixel there.
    Nearest,
    /// Between two pixels; their mean, weighted by how near they are.
    Bilinear {
        /// If set, the position is i·(n − 1)/(m − 1), or 0 where m = 1: the centres of the corner pixels coincide.
        /// Otherwise it is (i + ½)·n/m − ½, held within the picture: pixels are areas, and the pictures' edges coincide.
        align_corners: bool,
    },
}

/// With input x `[N, H, W, C]`, for output pixel (i, j) the rows a₀, a₁ that it reads, the weight s of the second, and
/// likewise the columns b₀, b₁ and the weight t:
///
/// ```text
/// y[n,i,j,c] = (1 − s)·((1 − t)·x[n,a₀,b₀,c] + t·x[n,a₀,b₁,c]) + s·((1 − t)·x[n,a₁,b₀,c] + t·x[n,a₁,b₁,c])
/// ```
///
/// The weights don't depend on x: each of the four pixels receives ∂y[n,i,j,c] times its weight.
#[derive(Clone, Copy, Debug)]
pub struct Resize {
    /// Output `[Ho, Wo]`.
    pub size: [usize; 2],
    /// How the input is read.
    pub interpolation: Interpolation,
}

/// The two pixels read along one axis, and the weight of the second.
#[derive(Clone, Copy)]
struct Tap<T> {
    first: usize,
    second: usize,
    weight: T,
}

impl Interpolation {
    fn taps<T: Real>(self, from: usize, to: usize) -> Vec<Tap<T>> {
        let tap = |i: usize| {
            let position = match self {
                Self::Nearest => {
                    let pixel = i * from / to;
                    return Tap { first: pixel, second: pixel, weight: T::zero() };
                }
                Self::Bilinear { align_corners: true } if to == 1 => 0.0,
                Self::Bilinear { align_corners: true } => (i * (from - 1)) as f64 / (to - 1) as f64,
                Self::Bilinear { align_corners: false } => (i as f64 + 0.5) * from as f64 / to as f64 - 0.5,
            };
            let position = position.clamp(0.0, (from - 1) as f64);
            let first = position as usize;
            Tap { first, second: (first + 1).min(from - 1), weight: T::from_f64(position - first as f64) }
        };
        (0..to).map(tap).collect()
    }
}

impl<T: Real> Op<T> for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let &[_, h, w, c] = &**node.input_shape(0) else { unreachable!("a recorded resize has pictures") };
        let [rows, columns] = [self.interpolation.taps(h, self.size[0]), self.interpolation.taps(w, self.size[1])];
        let mut dx = Tensor::zeros(*node.input_shape(0));
        let (to, from) = ((h * w * c).max(1), (self.size[0] * self.size[1] * c).max(1));
        let images = dx.make_mut().par_chunks_mut(to).zip(upstream.as_slice().par_chunks(from));
        images.with_min_len(grain(from)).for_each(|(dx, dy)| {
            let mut pixels = dy.chunks_exact(c);
            for row in &rows {
                for column in &columns {
                    let dy = pixels.next().expect("a gradient for each output pixel");
                    for (a, s) in [(row.first, T::one() - row.weight), (row.second, row.weight)] {
                        for (b, t) in [(column.first, T::one() - column.weight), (column.second, column.weight)] {
                            let share = s * t;
                            dx[(a * w + b) * c..].iter_mut().zip(dy).for_each(|(dx, &g)| *dx += share * g);
                        }
                    }
                }
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
/// Where the input isn't of that form or has no pixel.
#[must_use]
pub fn resize<T: Real>(x: &Var<T>, size: [usize; 2], interpolation: Interpolation) -> Var<T> {
    let &[n, h, w, c] = &**x.shape() else { panic!("resize: expected [N, H, W, C], found {}", x.shape()) };
    assert!(h * w > 0, "resize: no pixel in {}", x.shape());
    let [rows, columns] = [interpolation.taps::<T>(h, size[0]), interpolation.taps::<T>(w, size[1])];
    let mut y = Tensor::scratch([n, size[0], size[1], c]);
    let line = (size[1] * c).max(1);
    y.make_mut().par_chunks_mut(line).enumerate().with_min_len(grain(line)).for_each(|(i, y)| {
        let image = &x.value().as_slice()[i / size[0] * h * w * c..][..h * w * c];
        let row = rows[i % size[0]];
        // a + t(b − a) rather than (1 − t)a + tb: equal neighbours then give exactly their value.
        let blend = |a: T, b: T, t: T| if t == T::zero() { a } else { a + t * (b - a) };
        for (y, column) in y.chunks_exact_mut(c).zip(&columns) {
            let [above, below] =
                [row.first, row.second].map(|a| [column.first, column.second].map(|b| &image[(a * w + b) * c..][..c]));
            for k in 0..c {
                let above = blend(above[0][k], above[1][k], column.weight);
                let below = blend(below[0][k], below[1][k], column.weight);
                y[k] = blend(above, below, row.weight);
            }
        }
    });
    x.tape().record(Resize { size, interpolation }, &[x], y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::random;
    use proptest::prelude::*;
    use tensor::{Tape, gradcheck};

    /// Every output pixel as a mean of all input pixels, each weighted by its hat function.
    fn literal(x: &Tensor<f64>, size: [usize; 2], interpolation: Interpolation) -> Tensor<f64> {
        let &[n, h, w, c] = &**x.shape() else { unreachable!() };
        let weight = |i: usize, pixel: usize, from: usize, to: usize| {
            let (scaled, last) = (i as f64 * from as f64 / to as f64, from as f64 - 1.0);
            let position = match interpolation {
                // i·n/m is a whole number or misses one by at least 1/m.
                Interpolation::Nearest => (scaled + 1e-9).floor(),
                Interpolation::Bilinear { align_corners: true } => i as f64 * last / (to as f64 - 1.0).max(1.0),
                Interpolation::Bilinear { align_corners: false } => scaled + 0.5 * from as f64 / to as f64 - 0.5,
            };
            (1.0 - (position.max(0.0).min(last) - pixel as f64).abs()).max(0.0)
        };
        let x = x.view();
        let y = ndarray::Array4::from_shape_fn([n, size[0], size[1], c], |(n, i, j, c)| {
            let pixels = (0..h).flat_map(|a| (0..w).map(move |b| (a, b)));
            pixels.map(|(a, b)| weight(i, a, h, size[0]) * weight(j, b, w, size[1]) * x[[n, a, b, c]]).sum()
        });
        Tensor::from(y)
    }

    fn interpolations() -> impl Strategy<Value = Interpolation> {
        prop_oneof![
            Just(Interpolation::Nearest),
            any::<bool>().prop_map(|align_corners| Interpolation::Bilinear { align_corners })
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
