//! Resizing pictures.

#[cfg(feature = "onnx")]
mod onnx;
mod taps;

use rayon::prelude::*;
use tensor::blocks::grain;

pub(crate) use taps::gather;
use taps::scatter;
pub use taps::{Interpolation, Tap};

use super::inputs::{bounded, image};
use crate::geometry::Padding;
use crate::layers::prelude::*;

/// The picture enlarged or reduced, `[N, H, W, C]` → `[N, Ho, Wo, C]`. A constant stays that constant to the last bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("resize to {}×{}", self.size[0], self.size[1])]
pub struct Resize {
    /// Output `[Ho, Wo]`.
    pub size: [usize; 2],
    /// How the input is read.
    pub interpolation: Interpolation,
}

impl Kind for Resize {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let [h, w, c] = image(inputs)?;
        if h == 0 || w == 0 {
            return Err(LayerError::shape("with pixels to resize", &[h, w, c]));
        }
        let [rows, columns] = self.size;
        LayerError::unless(rows > 0 && columns > 0, "the size", self.size, "pixels in both directions")?;
        let output = vec![rows, columns, c];
        // Between the two axes, a picture is as high as the input and as wide as the output.
        bounded(&[h, w, c], [h, columns, c], &Padding::default(), &output, 0)?;
        Ok(output)
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Scaled
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

/// One axis after the other, first along the rows of x `[N, H, W, C]`, then along the columns of what that gives: along
/// an axis, output element i is
///
/// ```text
/// yᵢ = Σₖ tₖ·x[aₖ],      Σₖ tₖ = 1
/// ```
///
/// for the neighbours aₖ = aₖ(i) that it reads (one, two or four), with weights tₖ = tₖ(i) that don't depend on x: ∂yᵢ·tₖ
/// is added to `∂x[aₖ]`, and the backward pass takes the axes in reverse order.
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

    fn nature(&self) -> Nature {
        if self.interpolation == Interpolation::Nearest { Nature::Moves } else { Nature::Linear }
    }
}

impl Record for Resize {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let &[n, h, w, c] = &**x.shape() else { unreachable!("the input is a picture") };
        let Self { size, interpolation } = *self;
        let [rows, columns] = [interpolation.taps::<T>(h, size[0]), interpolation.taps::<T>(w, size[1])];
        let mut y = Tensor::scratch([n, size[0], size[1], c]);
        let line = size[1] * c;
        for_each_image(x.value(), h * line, &mut y, |x, wide, y| {
            for (x, wide) in x.chunks_exact(w * c).zip(wide.chunks_exact_mut(line)) {
                gather(&columns, c, x, wide);
            }
            gather(&rows, line, wide, y);
        });
        x.tape().record(*self, &[&x], y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;
    use proptest::prelude::*;

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
            let layer = Resize { size, interpolation };
            let y = Tape::new().leaf(x.clone()).apply(layer);
            approx::assert_abs_diff_eq!(y.value(), &literal(&x, size, interpolation), epsilon = 1e-13);
            let checked = gradcheck(&[x], |v| v[0].apply(layer));
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
