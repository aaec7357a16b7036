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
        let shape = *node.input_shape(0);
        let g = geometry(self.pool, &shape);
        let tiles = g.tiles();
        let mut dx = if tiles { Tensor::scratch(shape) } else { Tensor::zeros(shape) };
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
                                let others = if tiles { T::zero() } else { *dx };
                                *dx = others + if winner == pixel as u32 { dy } else { T::zero() };
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

/// In each of `L` channels from `channel` on, the largest value of a window, given the offsets of its pixels, and the winner's
/// offset.
#[inline(always)]
fn largest<T: Real, const L: usize>(image: &[T], window: &[usize], channel: usize) -> ([T; L], [u32; L]) {
    let (&first, rest) = window.split_first().expect("no window lies in the padding alone");
    let values = |pixel: usize| image[pixel + channel..].first_chunk::<L>().expect("all channels of a pixel");
    let (mut best, mut winners) = (*values(first), [first as u32; L]);
    for &pixel in rest {
        let candidates = values(pixel);
        for k in 0..L {
            // Selects rather than branches: this vectorizes over channels. No comparison with a NaN holds, so the first NaN wins.
            let wins = !((best[k] >= candidates[k]) | best[k].is_nan());
            best[k] = if wins { candidates[k] } else { best[k] };
            winners[k] = if wins { pixel as u32 } else { winners[k] };
        }
    }
    (best, winners)
}

/// Writes the largest values of a window, and the winners' offsets, to the last of a pixel's `channels`, in blocks of `L`, each
/// of which stays in registers while the window is searched. Gives the channels after the last whole block.
#[inline(always)]
fn search<'y, T: Real, const L: usize>(
    image: &[T],
    window: &[usize],
    channels: usize,
    (best, winners): (&'y mut [T], &'y mut [u32]),
) -> (&'y mut [T], &'y mut [u32]) {
    let first = channels - best.len();
    let ((best, best_rest), (winners, winners_rest)) = (best.as_chunks_mut::<L>(), winners.as_chunks_mut::<L>());
    for (block, (best, winners)) in best.iter_mut().zip(winners).enumerate() {
        (*best, *winners) = largest(image, window, first + block * L);
    }
    (best_rest, winners_rest)
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
                let mut window = Vec::new();
                let pixels = y.chunks_exact_mut(g.channels).zip(winners.chunks_exact_mut(g.channels));
                for (ox, (best, winners)) in pixels.enumerate() {
                    window.clear();
                    window.extend(g.pixels([i % g.output[0], ox]));
                    let rest = search::<T, 16>(image, &window, g.channels, (best, winners));
                    let rest = search::<T, 8>(image, &window, g.channels, rest);
                    search::<T, 1>(image, &window, g.channels, rest);
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
    use ndarray::Axis;
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn many_channels_are_each_as_if_alone((input, pool) in pooling(), channels in 8_usize..30) {
            prop_assume!(pool.geometry(&input).is_ok());
            let x = random([input[0], input[1], input[2], channels], 1);
            let tape = Tape::new();
            let leaf = tape.leaf(x.clone());
            let y = leaf.apply(MaxPool(pool));
            let upstream = random(*y.shape(), 2);
            let dx = tape.backward_from(&y, upstream.clone(), &Exact, [&leaf]).unwrap().take(&leaf).unwrap();
            let of = |t: &Tensor<f64>, c: usize| Tensor::from(t.view().slice_axis(Axis(3), (c..c + 1).into()).to_owned());
            for c in 0..channels {
                let tape = Tape::new();
                let leaf = tape.leaf(of(&x, c));
                let one = leaf.apply(MaxPool(pool));
                prop_assert_eq!(&of(y.value(), c), one.value());
                let gradients = tape.backward_from(&one, of(&upstream, c), &Exact, [&leaf]).unwrap();
                prop_assert_eq!(&of(&dx, c), &gradients[&leaf]);
            }
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
