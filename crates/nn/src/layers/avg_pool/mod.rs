//! Average pooling.

#[cfg(feature = "onnx")]
mod onnx;

use rayon::prelude::*;
use tensor::blocks::grain;
use tensor::simd::vectorized;

use super::display::pair;
use super::inputs::image;
use crate::geometry::{Pool2d, PoolGeometry};
use crate::layers::prelude::*;

/// The mean of each window, `[N, H, W, C]` → `[N, Ho, Wo, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("average pool {}", pair(self.pool.kernel))]
pub struct AvgPool {
    /// The windows.
    pub pool: Pool2d,
    /// Whether padding counts as pixels of value 0.
    pub count_padding: bool,
}

impl AvgPool {
    /// `size`×`size` windows side by side.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { pool: Pool2d::square(size), count_padding: false }
    }

    /// With the same stride down and right.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { pool: self.pool.stride(stride), ..self }
    }

    /// With the same padding on all four sides, which the means leave out unless [`count_padding`](Self::count_padding) is set.
    #[must_use]
    pub fn padding(self, pixels: usize) -> Self {
        Self { pool: self.pool.padding(pixels), ..self }
    }
}

impl Kind for AvgPool {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        self.pool.output_shape(image(inputs)?)
    }

    fn work(&self, input: &[usize], output: &[usize]) -> Work {
        self.pool.work(input, output)
    }

    fn reach(&self) -> Reach<'_> {
        self.pool.reach()
    }
}

impl AvgPool {
    /// m(i, j).
    fn count<T: Real>(&self, g: &PoolGeometry, output: [usize; 2]) -> T {
        let [rows, columns] = if self.count_padding { self.pool.kernel } else { g.window(output).map(|w| w.len()) };
        T::from_f64(rows as f64 * columns as f64)
    }
}

/// With input x `[N, H, W, C]`, window W(i, j) of output pixel (i, j):
///
/// ```text
/// y[n,i,j,c] = 1/m(i,j) · Σ x[n,a,b,c] over (a, b) ∈ W(i, j)       `[N, Ho, Wo, C]`
/// ```
///
/// Padding adds nothing to the sum. m is Kh·Kw everywhere if padding counts, else the number of pixels of the picture in
/// the window. Every x of a window has weight 1/m in its mean, so
///
/// ```text
/// ∂x[n,a,b,c] = Σ ∂y[n,i,j,c] / m(i,j) over (i, j) with (a, b) ∈ W(i, j)
/// ```
impl<T: Real> Op<T> for AvgPool {
    fn name(&self) -> &'static str {
        "avg pool"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let g = self.pool.geometry(node.input_shape(0)).expect("the windows fit");
        let mut dx = Tensor::zeros(g.input_shape());
        let from = (g.output[0] * g.output[1] * g.channels).max(1);
        let images = dx.make_mut().par_chunks_mut(g.image_len().max(1)).zip(upstream.as_slice().par_chunks(from));
        images.with_min_len(grain(g.image_len())).for_each(|(dx, dy)| {
            vectorized(
                #[inline(always)]
                || {
                    for (i, dy) in dy.chunks_exact(g.channels).enumerate() {
                        let output = [i / g.output[1], i % g.output[1]];
                        let share = T::one() / self.count(&g, output);
                        for pixel in g.pixels(output) {
                            let dx = &mut dx[pixel..][..g.channels];
                            dx.iter_mut().zip(dy).for_each(|(dx, &g)| *dx += share * g);
                        }
                    }
                },
            );
        });
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Linear
    }
}

impl Record for AvgPool {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let g = self.pool.geometry(x.shape()).expect("the windows fit");
        let mut y = Tensor::scratch(g.output_shape());
        let row = (g.output[1] * g.channels).max(1);
        let rows = y.make_mut().par_chunks_mut(row).enumerate().with_min_len(grain(row * self.pool.kernel[0]));
        rows.for_each(|(i, y)| {
            let image = &x.value().as_slice()[i / g.output[0] * g.image_len()..][..g.image_len()];
            vectorized(
                #[inline(always)]
                || {
                    for (ox, y) in y.chunks_exact_mut(g.channels).enumerate() {
                        let output = [i % g.output[0], ox];
                        y.fill(T::zero());
                        for pixel in g.pixels(output) {
                            y.iter_mut().zip(&image[pixel..]).for_each(|(y, &x)| *y += x);
                        }
                        let count = self.count(&g, output);
                        y.iter_mut().for_each(|y| *y /= count);
                    }
                },
            );
        });
        x.tape().record(*self, &[&x], y)
    }
}

#[cfg(test)]
mod tests {
    use super::AvgPool;
    use crate::layers::testing::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, pool) in pooling(), count_padding: bool) {
            prop_assume!(pool.geometry(&input).is_ok());
            let x = random(&*input, 1);
            let layer = AvgPool { pool, count_padding };
            let y = Tape::new().leaf(x.clone()).apply(layer);
            let literal = literal_pool(&x, pool, |window| {
                let counted = window.iter().filter(|x| count_padding || x.is_some()).count();
                window.iter().flatten().sum::<f64>() / counted as f64
            });
            approx::assert_abs_diff_eq!(y.value(), &literal, epsilon = 1e-15);
            let checked = gradcheck(&[x], |v| v[0].apply(layer));
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
