//! Local response normalization on the tape.

use tensor::blocks::{for_each_part, grain};
use tensor::simd::vectorized;

use super::LocalResponseNorm;
use crate::layers::prelude::*;

/// `sums[c] += Σ terms[d]` over d = c − before … c + after within the channels.
#[inline(always)]
fn add_windows<T: Real>(sums: &mut [T], terms: &[T], [before, after]: [usize; 2]) {
    let channels = sums.len();
    let add = |sums: &mut [T], terms: &[T]| sums.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
    (1..=before).rev().for_each(|reach| add(&mut sums[reach..], &terms[..channels - reach]));
    (0..=after).for_each(|reach| add(&mut sums[..channels - reach], &terms[reach..]));
}

impl LocalResponseNorm {
    /// s for the channels of one pixel; `terms` is overwritten.
    #[inline(always)]
    fn scales<T: Real>(&self, x: &[T], scales: &mut [T], terms: &mut [T]) {
        terms.iter_mut().zip(x).for_each(|(term, &x)| *term = x * x);
        scales.fill(T::zero());
        add_windows(scales, terms, self.reaches(x.len()));
        let (k, weight) = (T::from_f64(self.k), T::from_f64(self.alpha / self.size as f64));
        scales.iter_mut().for_each(|scale| *scale = k + weight * *scale);
    }

    /// Calls `f(x, y, buffers)` for the channels of each pixel of x and of y.
    fn by_pixel<T: Real>(
        x: &Tensor<T>,
        mut y: Tensor<T>,
        f: impl Fn(&[T], &mut [T], [&mut [T]; 2]) + Sync,
    ) -> Tensor<T> {
        let channels = x.shape().last().map_or(1, |&c| c.max(1));
        let part = channels * grain(channels);
        for_each_part(y.make_mut(), part, |i, y| {
            let mut buffers = [vec![T::zero(); channels], vec![T::zero(); channels]];
            vectorized(
                #[inline(always)]
                || {
                    for (x, y) in x.as_slice()[i * part..].chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
                        f(x, y, buffers.each_mut().map(|buffer| &mut buffer[..]));
                    }
                },
            );
        });
        y
    }
}

impl<T: Real> Op<T> for LocalResponseNorm {
    fn name(&self) -> &'static str {
        "local response norm"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let [before, after] = self.reaches(node.input_shape(0)[3]);
        let (exponent, one) = (T::from_f64(-self.beta), T::one());
        let weight = T::from_f64(2.0 * self.alpha * self.beta / self.size as f64);
        Grads::one(Self::by_pixel(node.input(0), upstream, |x, g, [scales, terms]| {
            self.scales(x, scales, terms);
            for ((term, g), (&x, &scale)) in terms.iter_mut().zip(&mut *g).zip(x.iter().zip(&*scales)) {
                *term = *g * x * scale.powf(exponent - one);
                *g *= scale.powf(exponent);
            }
            scales.fill(T::zero());
            add_windows(scales, terms, [after, before]);
            g.iter_mut().zip(x).zip(&*scales).for_each(|((g, &x), &sum)| *g -= weight * x * sum);
        }))
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

impl Record for LocalResponseNorm {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let exponent = T::from_f64(-self.beta);
        let y = Self::by_pixel(x.value(), Tensor::scratch(*x.shape()), |x, y, [scales, terms]| {
            self.scales(x, scales, terms);
            y.iter_mut().zip(x).zip(&*scales).for_each(|((y, &x), scale)| *y = x * scale.powf(exponent));
        });
        x.tape().record(*self, &[&x], y)
    }
}

#[cfg(test)]
mod tests {
    use super::LocalResponseNorm;
    use crate::layers::testing::*;

    fn settings() -> impl Iterator<Item = LocalResponseNorm> {
        [1, 2, 4, 5, 20].into_iter().map(|size| LocalResponseNorm {
            alpha: 0.7,
            k: 1.5,
            ..LocalResponseNorm::new(size)
        })
    }

    #[test]
    fn gradients_agree_with_differences() {
        for norm in settings() {
            gradcheck(&[random([2, 2, 3, 7], 1)], |v| v[0].apply(norm)).within(1e-8).unwrap();
        }
    }

    #[test]
    fn it_is_the_formula_read_literally() {
        let x = random([2, 2, 3, 7], 2);
        for norm in settings() {
            let y = Tape::new().leaf(x.clone()).apply(norm).value().clone();
            for (x, y) in x.as_slice().chunks_exact(7).zip(y.as_slice().chunks_exact(7)) {
                for c in 0..7_usize {
                    let (before, after) = ((norm.size - 1) / 2, norm.size / 2);
                    let squares: f64 = (c.saturating_sub(before)..=(c + after).min(6)).map(|d| x[d] * x[d]).sum();
                    let expected = x[c] / (norm.k + norm.alpha / norm.size as f64 * squares).powf(norm.beta);
                    approx::assert_relative_eq!(y[c], expected, max_relative = 1e-14);
                }
            }
        }
    }
}
