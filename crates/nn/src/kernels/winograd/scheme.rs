//! A Winograd algorithm is five small linear maps, each applied to the columns and then to the rows of a window.

use tensor::simd::Simd;

/// A linear map of I values to O, lane by lane.
pub(super) trait Linear<const I: usize, const O: usize>: Send + Sync {
    /// The map's value.
    fn apply<S: Simd>(s: S, x: [S::V; I]) -> [S::V; O];
}

/// A minimal algorithm F(M, 3) on windows of A = M + 2 values: `y = Aᵀ[(G g) ⊙ (Bᵀ d)]`.
///
/// The weight gradient needs the transposed maps: `∂g = Gᵀ[(Bᵀ d) ⊙ (A ∂y)]`.
pub(super) trait Scheme<const A: usize, const M: usize>: Send + Sync {
    /// `Bᵀ`.
    type Input: Linear<A, A>;
    /// `G`.
    type Weights: Linear<3, A>;
    /// `Aᵀ`.
    type Output: Linear<A, M>;
    /// `A`.
    type OutputTransposed: Linear<M, A>;
    /// `Gᵀ`.
    type WeightsTransposed: Linear<A, 3>;
}

/// `L X Lᵀ` of a square X: the one-dimensional map down the columns, then along the rows.
#[inline(always)]
pub(super) fn both_ways<S: Simd, L: Linear<I, O>, const I: usize, const O: usize>(
    s: S,
    load: impl Fn(usize, usize) -> S::V,
    mut store: impl FnMut(usize, usize, S::V),
) {
    let mut half = [[s.zero(); I]; O];
    for c in 0..I {
        let mut column = [s.zero(); I];
        for r in 0..I {
            column[r] = load(r, c);
        }
        let column = L::apply(s, column);
        for r in 0..O {
            half[r][c] = column[r];
        }
    }
    for r in 0..O {
        let row = L::apply(s, half[r]);
        for c in 0..O {
            store(r, c, row[c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{F2, F4};
    use super::*;
    use tensor::simd::{Kernel, Tier, dispatch_on};

    /// The matrix of a map, `[O][I]`, column by column from the unit vectors.
    fn matrix<L: Linear<I, O>, const I: usize, const O: usize>() -> [[f32; I]; O] {
        struct Apply<L, const I: usize, const O: usize>(std::marker::PhantomData<L>, [f32; I]);
        impl<L: Linear<I, O>, const I: usize, const O: usize> Kernel for Apply<L, I, O> {
            type Output = [f32; O];
            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> [f32; O] {
                L::apply(s, self.1.map(|x| s.splat(x))).map(|v| {
                    let mut first = 0.0;
                    // SAFETY: one value is written to one.
                    unsafe { s.store_first(&raw mut first, v, 1) };
                    first
                })
            }
        }
        let mut matrix = [[0.0; I]; O];
        for i in 0..I {
            let mut unit = [0.0; I];
            unit[i] = 1.0;
            let column = dispatch_on(Tier::Portable, Apply::<L, I, O>(std::marker::PhantomData, unit));
            for o in 0..O {
                matrix[o][i] = column[o];
            }
        }
        matrix
    }

    /// The coefficients of Π (t − p), lowest first.
    fn polynomial(roots: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut product = vec![1.0];
        for root in roots {
            let mut next = vec![0.0; product.len() + 1];
            for (i, c) in product.iter().enumerate() {
                next[i + 1] += c;
                next[i] -= root * c;
            }
            product = next;
        }
        product
    }

    /// The maps are those that interpolation gives at these points and at infinity.
    ///
    /// A product of polynomials is the interpolant of the products of their values (Toom and Cook), and a correlation
    /// is that product's transpose (Winograd): `Aᵀ` has the powers of a point in its column, `G` the powers over
    /// Π (pᵢ − pⱼ) in its row, `Bᵀ` the coefficients of Π (t − pⱼ), j ≠ i. A factor may move between the rows of `G`
    /// and `Bᵀ`, so their products are compared.
    fn check<C: Scheme<A, M>, const A: usize, const M: usize>(points: &[f64]) {
        let others = |i: usize| points.iter().enumerate().filter(move |&(j, _)| j != i).map(|(_, &p)| p);
        let (input, weights, output) =
            (matrix::<C::Input, A, A>(), matrix::<C::Weights, 3, A>(), matrix::<C::Output, A, M>());
        for i in 0..A {
            let last = i == points.len();
            let power = |k: usize, top: usize| if last { f64::from(k == top) } else { points[i].powi(k as i32) };
            let scale = if last { 1.0 } else { others(i).map(|p| points[i] - p).product() };
            let row = polynomial(others(i));
            for d in 0..A {
                for g in 0..3 {
                    let want = row.get(d).unwrap_or(&0.0) * power(g, 2) / scale;
                    let got = f64::from(input[i][d] * weights[i][g]);
                    assert!((got - want).abs() < 1e-6, "point {i}: Bᵀ[{d}]·G[{g}] is {got}, not {want}");
                }
            }
            for k in 0..M {
                assert!((f64::from(output[k][i]) - power(k, M - 1)).abs() < 1e-6, "Aᵀ[{k}][{i}]");
            }
        }
        let (raise, lower) = (matrix::<C::OutputTransposed, M, A>(), matrix::<C::WeightsTransposed, A, 3>());
        for i in 0..A {
            for k in 0..M {
                assert!((raise[i][k] - output[k][i]).abs() < 1e-6, "A[{i}][{k}]");
            }
            for g in 0..3 {
                assert!((lower[g][i] - weights[i][g]).abs() < 1e-6, "Gᵀ[{g}][{i}]");
            }
        }
    }

    #[test]
    fn the_maps_are_those_of_interpolation() {
        let (p, q) = (0.5_f64.sqrt(), 2.0_f64.sqrt());
        check::<F2, 4, 2>(&[0.0, 1.0, -1.0]);
        check::<F4, 6, 4>(&[0.0, p, -p, q, -q]);
    }
}
