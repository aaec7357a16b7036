//! Max pooling.

#[cfg(feature = "onnx")]
mod onnx;

use rayon::prelude::*;
use tensor::blocks::grain;
use tensor::memory::Pooled;
use tensor::simd::vectorized;

use super::display::pair;
use super::inputs::image;
use crate::geometry::{Pool2d, PoolGeometry};
use crate::layers::prelude::*;

/// The largest value of each window, `[N, H, W, C]` → `[N, Ho, Wo, C]`. On the tape it is a [`MaxPooling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("max pool {}", pair(self.0.kernel))]
pub struct MaxPool(
    /// The windows.
    pub Pool2d,
);

impl MaxPool {
    /// `size`×`size` windows side by side.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self(Pool2d::square(size))
    }

    /// With the same stride down and right.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self(self.0.stride(stride))
    }

    /// With the same padding on all four sides.
    #[must_use]
    pub fn padding(self, pixels: usize) -> Self {
        Self(self.0.padding(pixels))
    }
}

impl Kind for MaxPool {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        self.0.output_shape(image(inputs)?)
    }

    fn work(&self, input: &[usize], output: &[usize]) -> Work {
        self.0.work(input, output)
    }

    fn reach(&self) -> Reach<'_> {
        self.0.reach()
    }
}

/// With input x `[N, H, W, C]`, window W(i, j) of output pixel (i, j):
///
/// ```text
/// y[n,i,j,c] = max x[n,a,b,c] over (a, b) ∈ W(i, j)       `[N, Ho, Wo, C]`
/// ```
///
/// The first maximum in row-major order of the window wins a tie; padding never wins; a NaN wins over every number.
///
/// Near x, `y[n,i,j,c]` is the winner itself, so its derivative is 1 for the winner and 0 for the rest of the window. With
/// w(i, j, c) the place of the winner, kept from the forward pass,
///
/// ```text
/// ∂x[n,a,b,c] = Σ ∂y[n,i,j,c] over (i, j) with w(i, j, c) = (a, b)
/// ```
#[derive(Debug)]
pub struct MaxPooling {
    /// The windows.
    pub pool: Pool2d,
    winners: Pooled<u32>,
}

impl MaxPooling {
    /// For each output element, where the winner's pixel starts within its image `[H, W, C]`.
    #[must_use]
    pub fn winners(&self) -> &[u32] {
        &self.winners
    }
}

impl<T: Real> Op<T> for MaxPooling {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let g = geometry(self.pool, node.input_shape(0));
        let mut dx = Tensor::zeros(*node.input_shape(0));
        let from = (g.output[0] * g.output[1] * g.channels).max(1);
        let upstream = upstream.as_slice().par_chunks(from).zip(self.winners().par_chunks(from));
        let images = dx.make_mut().par_chunks_mut(g.image_len().max(1)).zip(upstream);
        images.with_min_len(grain(g.image_len())).for_each(|(dx, (dy, winners))| {
            vectorized(
                #[inline(always)]
                || {
                    let pixels = dy.chunks_exact(g.channels).zip(winners.chunks_exact(g.channels));
                    for (i, (dy, winners)) in pixels.enumerate() {
                        // The window's pixels, each with what it won: whole vectors, where places alone would scatter.
                        for pixel in g.pixels([i / g.output[1], i % g.output[1]]) {
                            let dx = &mut dx[pixel..][..g.channels];
                            for ((dx, &dy), &winner) in dx.iter_mut().zip(dy).zip(winners) {
                                *dx += if winner == pixel as u32 { dy } else { T::zero() };
                            }
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
        Nature::Chooses
    }
}

fn geometry(pool: Pool2d, input: &[usize]) -> PoolGeometry {
    pool.geometry(input).expect("the windows fit")
}

/// The maxima of x `[N, H, W, C]`, and for each where the winner's pixel starts within its image.
fn maxima<T: Real>(g: &PoolGeometry, x: &[T]) -> (Tensor<T>, Pooled<u32>) {
    assert!(u32::try_from(g.image_len()).is_ok(), "max pool: an image {:?} is too large", g.input_shape());
    let mut y = Tensor::scratch(g.output_shape());
    let mut winners = Pooled::scratch(y.len());
    let row = (g.output[1] * g.channels).max(1);
    let rows = y.make_mut().par_chunks_mut(row).zip(winners.par_chunks_mut(row)).enumerate();
    rows.with_min_len(grain(row * g.pool.kernel[0])).for_each(|(i, (y, winners))| {
        let image = &x[i / g.output[0] * g.image_len()..][..g.image_len()];
        vectorized(
            #[inline(always)]
            || {
                let pixels = y.chunks_exact_mut(g.channels).zip(winners.chunks_exact_mut(g.channels));
                for (ox, (best, winners)) in pixels.enumerate() {
                    let mut window = g.pixels([i % g.output[0], ox]);
                    let first = window.next().expect("no window lies in the padding alone");
                    best.copy_from_slice(&image[first..][..g.channels]);
                    winners.fill(first as u32);
                    for pixel in window {
                        let candidates = &image[pixel..][..g.channels];
                        for ((best, winner), &x) in best.iter_mut().zip(&mut *winners).zip(candidates) {
                            // Selects rather than branches: this vectorises over channels.
                            let wins = (x > *best) | (x.is_nan() & !best.is_nan());
                            *best = if wins { x } else { *best };
                            *winner = if wins { pixel as u32 } else { *winner };
                        }
                    }
                }
            },
        );
    });
    (y, winners)
}

impl Record for MaxPool {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let (y, winners) = maxima(&geometry(self.0, x.shape()), x.value().as_slice());
        x.tape().record(MaxPooling { pool: self.0, winners }, &[&x], y)
    }
}

#[cfg(test)]
mod tests {
    use super::MaxPool;
    use crate::layers::testing::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, pool) in pooling()) {
            prop_assume!(pool.geometry(&input).is_ok());
            let x = random(&*input, 1);
            let y = Tape::new().leaf(x.clone()).apply(MaxPool(pool));
            let literal = literal_pool(&x, pool, |window| {
                window.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max)
            });
            prop_assert_eq!(y.value(), &literal);
            let checked = gradcheck(&[x], |v| v[0].apply(MaxPool(pool)));
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }

    #[test]
    fn the_first_of_equals_wins() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2, 4, 1], vec![1.0, 2.0, 3.0, 3.0, 2.0, 2.0, 3.0, 3.0]));
        let y = x.apply(MaxPool::new(2));
        let gradient = &tape.backward(&y, &Exact, [&x]).unwrap()[&x];
        assert_eq!(gradient.as_slice(), &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn padding_never_wins_and_nan_always_does() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 1, 3, 1], vec![-5.0, -7.0, f32::NEG_INFINITY]));
        assert_eq!(x.apply(MaxPool::new(2).padding(1)).value().as_slice(), &[-5.0, -7.0]);
        for at in 0..4 {
            let mut values = vec![f32::INFINITY; 4];
            values[at] = f32::NAN;
            let x = tape.leaf(Tensor::new([1, 2, 2, 1], values));
            let y = x.apply(MaxPool::new(2));
            assert!(y.value().item().is_nan());
            assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice()[at], 1.0);
        }
    }
}
