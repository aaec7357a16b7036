//! Max pooling.

use rayon::prelude::*;
use tensor::blocks::grain;
use tensor::memory::Pooled;
use tensor::simd::vectorized;
use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::pool2d::{Pool2d, PoolGeometry};
use crate::real::Real;

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
pub struct MaxPool {
    /// The windows.
    pub pool: Pool2d,
    winners: Pooled<u32>,
}

impl MaxPool {
    /// For each output element, where the winner's pixel starts within its image `[H, W, C]`.
    #[must_use]
    pub fn winners(&self) -> &[u32] {
        &self.winners
    }
}

impl<T: Real> Op<T> for MaxPool {
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

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// # Panics
/// Where the windows don't fit the input.
fn geometry(pool: Pool2d, input: &[usize]) -> PoolGeometry {
    pool.geometry(input).unwrap_or_else(|error| panic!("max pool: {error}"))
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

/// The largest value in each window: `[N, H, W, C]` → `[N, Ho, Wo, C]`.
///
/// # Panics
/// Where the windows don't fit the input, or an image has more than 2³² elements.
#[must_use]
pub fn max_pool<T: Real>(x: &Var<T>, pool: Pool2d) -> Var<T> {
    let (y, winners) = maxima(&geometry(pool, x.shape()), x.value().as_slice());
    x.tape().record(MaxPool { pool, winners }, &[x], y)
}

#[cfg(test)]
mod tests {
    use super::max_pool;
    use crate::Pool2d;
    use crate::ops::testing::{literal_pool, pooling, random};
    use proptest::prelude::*;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, pool) in pooling()) {
            prop_assume!(pool.geometry(&input).is_ok());
            let x = random(&*input, 1);
            let y = max_pool(&Tape::new().leaf(x.clone()), pool);
            let literal = literal_pool(&x, pool, |window| {
                window.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max)
            });
            prop_assert_eq!(y.value(), &literal);
            let checked = gradcheck(&[x], |v| max_pool(&v[0], pool));
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }

    #[test]
    fn the_first_of_equals_wins() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 2, 4, 1], vec![1.0, 2.0, 3.0, 3.0, 2.0, 2.0, 3.0, 3.0]));
        let y = max_pool(&x, Pool2d::square(2));
        let gradient = &tape.backward(&y, &Exact, [&x]).unwrap()[&x];
        assert_eq!(gradient.as_slice(), &[0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn padding_never_wins_and_nan_always_does() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([1, 1, 3, 1], vec![-5.0, -7.0, f32::NEG_INFINITY]));
        let pool = Pool2d::square(2).padding(1);
        assert_eq!(max_pool(&x, pool).value().as_slice(), &[-5.0, -7.0]);
        for at in 0..4 {
            let mut values = vec![f32::INFINITY; 4];
            values[at] = f32::NAN;
            let x = tape.leaf(Tensor::new([1, 2, 2, 1], values));
            let y = max_pool(&x, Pool2d::square(2));
            assert!(y.value().item().is_nan());
            assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice()[at], 1.0);
        }
    }
}
