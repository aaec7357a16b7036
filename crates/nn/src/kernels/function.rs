//! Functions of each element, applied to arrays in vectors.

use std::fmt::Debug;
use std::ops::Range;

use tensor::blocks::{BLOCK, for_each_part, update};
use tensor::simd::{Kernel, Simd, Tier, Twice, Vector, dispatch, dispatch_on, tier};

use crate::function::{Differentiable, Function};

/// A [`Function`] of any type, applied to arrays. Generic code applies functions through this, so that their vectors are compiled
/// once, in this crate.
pub trait Curve: Debug + Send + Sync {
    /// `y[i] ← f(y[i])`.
    fn map(&self, y: &mut [f32]);

    /// y ← f(y), or y·f(y) if `gated`, for the values of `columns`, counted from each pointer.
    ///
    /// # Safety
    /// They are readable and writable, and no other thread accesses them.
    unsafe fn map_rows(&self, tier: Tier, gated: bool, rows: &[*mut f32], columns: Range<usize>);

    /// As [`map`](Self::map), in double precision.
    fn map_f64(&self, y: &mut [f64]);
}

/// The derivative of a function of any type, as [`Curve`] is the function.
pub trait Slope: Debug + Send + Sync {
    /// `g[i] ← g[i]·f′`, by the values that the derivative is computed from.
    fn vjp(&self, g: &mut [f32], values: &[f32]);

    /// As [`vjp`](Self::vjp), in double precision.
    fn vjp_f64(&self, g: &mut [f64], values: &[f64]);
}

impl<F: Function> Curve for F {
    fn map(&self, y: &mut [f32]) {
        for_each_part(y, BLOCK, |_, y| {
            // SAFETY: the values are this task's own slice.
            unsafe { self.map_rows(tier(), false, &[y.as_mut_ptr()], 0..y.len()) };
        });
    }

    unsafe fn map_rows(&self, tier: Tier, gated: bool, rows: &[*mut f32], columns: Range<usize>) {
        dispatch_on(tier, Rows { f: *self, gated, rows, columns });
    }

    fn map_f64(&self, y: &mut [f64]) {
        update(y, [], |y, []| self.f(y));
    }
}

impl<F: Differentiable> Slope for F {
    fn vjp(&self, g: &mut [f32], values: &[f32]) {
        for_each_part(g, BLOCK, |block, g| {
            let values = &values[block * BLOCK..][..g.len()];
            dispatch(Vjp { f: *self, g, values });
        });
    }

    fn vjp_f64(&self, g: &mut [f64], values: &[f64]) {
        update(g, [values], |g, [value]| Differentiable::vjp(*self, g, value));
    }
}

struct Vjp<'a, F> {
    f: F,
    g: &'a mut [f32],
    /// As many.
    values: &'a [f32],
}

impl<F: Differentiable> Kernel for Vjp<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        assert_eq!(self.values.len(), self.g.len(), "a value for each gradient");
        let [pairs, rest] = in_pairs::<S>(0..self.g.len());
        // SAFETY: the ranges are parts of both arrays.
        unsafe {
            self.some(Twice(s), pairs);
            self.some(s, rest);
        }
    }
}

impl<F: Differentiable> Vjp<'_, F> {
    /// The products for the indices of a range.
    ///
    /// # Safety
    /// Both arrays have them.
    #[inline(always)]
    unsafe fn some<S: Simd>(&mut self, s: S, range: Range<usize>) {
        let (g, values) = (self.g.as_mut_ptr(), self.values.as_ptr());
        for at in range.clone().step_by(S::LANES) {
            let lanes = S::LANES.min(range.end - at);
            // SAFETY: the caller guarantees the values of the range.
            unsafe {
                let [gradient, value] = [load(s, g.add(at), lanes), load(s, values.add(at), lanes)];
                store(s, g.add(at), self.f.vjp(gradient, value), lanes);
            }
        }
    }
}

/// The `lanes` values at `p`.
///
/// # Safety
/// They are readable, and no more than a vector has.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, p: *const f32, lanes: usize) -> Vector<S> {
    // SAFETY: the caller guarantees it.
    Vector::new(s, unsafe { if lanes == S::LANES { s.load(p) } else { s.load_first(p, lanes) } })
}

/// Writes the first `lanes` values to `p`.
///
/// # Safety
/// They are writable, and no more than a vector has.
#[inline(always)]
unsafe fn store<S: Simd>(s: S, p: *mut f32, v: Vector<S>, lanes: usize) {
    // SAFETY: the caller guarantees it.
    unsafe { if lanes == S::LANES { s.store(p, v.lanes()) } else { s.store_first(p, v.lanes(), lanes) } }
}

/// The part of a range that consists of whole pairs of vectors, and the rest.
fn in_pairs<S: Simd>(range: Range<usize>) -> [Range<usize>; 2] {
    let cut = range.start + range.len() / (2 * S::LANES) * (2 * S::LANES);
    [range.start..cut, cut..range.end]
}

struct Rows<'a, F> {
    f: F,
    gated: bool,
    /// As the caller of [`Curve::map_rows`] guarantees them.
    rows: &'a [*mut f32],
    columns: Range<usize>,
}

impl<F: Function> Kernel for Rows<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [pairs, rest] = in_pairs::<S>(self.columns.clone());
        for &row in self.rows {
            // SAFETY: the caller of `Curve::map_rows` guarantees the row's values.
            unsafe {
                self.some(Twice(s), row, pairs.clone());
                self.some(s, row, rest.clone());
            }
        }
    }
}

impl<F: Function> Rows<'_, F> {
    /// The values of some columns of a row.
    ///
    /// # Safety
    /// They are readable and writable, and no other thread accesses them.
    #[inline(always)]
    unsafe fn some<S: Simd>(&self, s: S, row: *mut f32, columns: Range<usize>) {
        for at in columns.clone().step_by(S::LANES) {
            let lanes = S::LANES.min(columns.end - at);
            // SAFETY: the caller guarantees the row's values.
            unsafe {
                let x = load(s, row.add(at), lanes);
                let y = self.f.f(x);
                store(s, row.add(at), if self.gated { x * y } else { y }, lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Square, bits, values};

    #[test]
    fn arrays_of_any_length_are_mapped_element_by_element() {
        for len in [0, 1, 7, 16, 33, BLOCK + 5] {
            let (x, g) = (values(len, 1), values(len, 2));
            let expected: Vec<f32> = x.iter().map(|x| x * x + 1.0).collect();
            let mut y = x.clone();
            Curve::map(&Square, &mut y);
            assert_eq!(bits(&y), bits(&expected));
            let mut product = g.clone();
            Slope::vjp(&Square, &mut product, &x);
            assert!(product.iter().zip(g.iter().zip(&x)).all(|(&p, (&g, &x))| p == g * 2.0 * x));
        }
    }

    #[test]
    fn rows_are_mapped_and_nothing_beside_them() {
        let x = values(5 * 40, 3);
        for tier in Tier::available() {
            for (columns, gated) in [(1..2, false), (0..16, true), (3..26, false), (2..39, true)] {
                let mut y = x.clone();
                let start = y.as_mut_ptr();
                let rows: Vec<*mut f32> = [0, 2, 3].map(|row| start.wrapping_add(row * 40)).to_vec();
                // SAFETY: three rows of 40 values of the array, the test's own.
                unsafe { Square.map_rows(tier, gated, &rows, columns.clone()) };
                for (i, (&y, &x)) in y.iter().zip(&x).enumerate() {
                    let inside = [0, 2, 3].contains(&(i / 40)) && columns.contains(&(i % 40));
                    let expected = x * x + 1.0;
                    assert_eq!(
                        y,
                        if !inside {
                            x
                        } else if gated {
                            x * expected
                        } else {
                            expected
                        },
                        "{tier} {i}"
                    );
                }
            }
        }
    }
}
