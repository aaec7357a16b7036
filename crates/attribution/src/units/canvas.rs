//! Pictures as sums of waves.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};
use nn::Real;
use nn::layers::Tap;

/// Pictures `[H, W, C]` with values in (0, 1), as sums of the cosines of the discrete cosine transform. A picture x and its
/// coefficients θ, `[C, H, W]`, are related by
///
/// ```text
/// x_c = σ(R_y (s ⊙ θ_c) R_xᵀ),    s_uv ∝ 1 / max(f_uv, 1/max(H, W))^a
/// ```
///
/// where the columns of R are the orthonormal cosines along an axis, f is the frequency in cycles per pixel and σ the logistic
/// function. With a > 0, a step of the same size in every θ changes coarse shapes more than fine ones.
pub(super) struct Canvas<T> {
    /// `[position, frequency]` along each axis.
    waves: [Array2<T>; 2],
    /// s, `[H, W]`. Coefficients θ of variance 1 give a picture of variance 1, before σ.
    scale: Array2<T>,
}

impl<T: Real> Canvas<T> {
    pub(super) fn new(size: [usize; 2], falloff: f64) -> Self {
        let least = 1.0 / size[0].max(size[1]) as f64;
        let frequency = |axis: usize, k: usize| k as f64 / (2 * size[axis]) as f64;
        let scale =
            Array2::from_shape_fn(size, |(u, v)| frequency(0, u).hypot(frequency(1, v)).max(least).powf(-falloff));
        let norm = (scale.iter().map(|s| s * s).sum::<f64>() / scale.len() as f64).sqrt();
        Self { waves: size.map(waves), scale: scale.mapv(|s| T::from_f64(s / norm)) }
    }

    /// The whole picture, as it is.
    pub(super) fn whole(&self) -> &[Array2<T>; 2] {
        &self.waves
    }

    /// The picture shifted by `shift` pixels, down and right, and enlarged about its middle by a factor; beyond an edge, the edge is repeated.
    pub(super) fn view(&self, shift: [f64; 2], factor: f64) -> [Array2<T>; 2] {
        [0, 1].map(|axis| {
            let waves = &self.waves[axis];
            let (extent, middle) = (waves.nrows(), (waves.nrows() as f64 - 1.0) / 2.0);
            let position = |pixel: usize| (pixel as f64 - middle) / factor + middle - shift[axis];
            let taps: Vec<Tap<T>> = (0..extent).map(|pixel| Tap::linear(position(pixel), extent)).collect();
            Array2::from_shape_fn(waves.dim(), |(pixel, k)| taps[pixel].read(|at| waves[[at, k]]))
        })
    }

    /// The picture `[H, W, C]` of these coefficients in a view.
    pub(super) fn picture(&self, coefficients: &[T], [rows, columns]: &[Array2<T>; 2]) -> Vec<T> {
        let channels = coefficients.len() / self.scale.len();
        let mut picture = vec![T::zero(); coefficients.len()];
        for (c, theta) in coefficients.chunks_exact(self.scale.len()).enumerate() {
            let theta = ArrayView2::from_shape(self.scale.dim(), theta).expect("a coefficient for each wave");
            let values = rows.dot(&(&theta * &self.scale)).dot(&columns.t());
            for (pixel, &value) in picture.chunks_exact_mut(channels).zip(&values) {
                pixel[c] = T::one() / (T::one() + (-value).exp());
            }
        }
        picture
    }

    /// The gradient by the coefficients, from that by the picture that they gave in this view.
    pub(super) fn pull_back(&self, gradient: &[T], picture: &[T], [rows, columns]: &[Array2<T>; 2]) -> Vec<T> {
        let channels = gradient.len() / self.scale.len();
        let mut pulled = vec![T::zero(); gradient.len()];
        for (c, into) in pulled.chunks_exact_mut(self.scale.len()).enumerate() {
            let slope = |(g, x): (&[T], &[T])| g[c] * x[c] * (T::one() - x[c]);
            let slopes = gradient.chunks_exact(channels).zip(picture.chunks_exact(channels)).map(slope).collect();
            let slopes = Array2::from_shape_vec(self.scale.dim(), slopes).expect("a value for each pixel");
            let waves = rows.t().dot(&slopes).dot(columns) * &self.scale;
            ArrayViewMut2::from_shape(self.scale.dim(), into).expect("the same size").assign(&waves);
        }
        pulled
    }
}

/// The orthonormal cosines over `extent` positions, `[position, frequency]`: column k has k/2 periods.
fn waves<T: Real>(extent: usize) -> Array2<T> {
    let n = extent as f64;
    Array2::from_shape_fn((extent, extent), |(position, k)| {
        let norm = if k == 0 { 1.0 / n } else { 2.0 / n };
        T::from_f64(norm.sqrt() * (std::f64::consts::PI * (position as f64 + 0.5) * k as f64 / n).cos())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;

    #[test]
    fn the_waves_are_orthonormal() {
        let waves = waves::<f64>(7);
        let product = waves.t().dot(&waves);
        assert!((product - Array2::<f64>::eye(7)).iter().all(|d| d.abs() < 1e-14));
    }

    /// The picture's value at a pixel, as the sum over all waves that the type's documentation has.
    #[test]
    fn a_picture_is_its_sum_of_waves() {
        let (size, falloff) = ([5, 4], 1.5);
        let canvas = Canvas::<f64>::new(size, falloff);
        let theta = wave::<f64>([2, 5, 4], 0.3);
        let found = canvas.picture(theta.as_slice(), canvas.whole());
        let raw = |u: usize, v: usize| {
            let f = ((u as f64 / 10.0).powi(2) + (v as f64 / 8.0).powi(2)).sqrt();
            f.max(0.2).powf(-falloff)
        };
        let squares: f64 = (0..20).map(|i| raw(i / 4, i % 4).powi(2)).sum();
        let cosine = |n: usize, at: usize, k: usize| {
            let norm = if k == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
            norm * (std::f64::consts::PI * (2 * at + 1) as f64 * k as f64 / (2 * n) as f64).cos()
        };
        for (i, &x) in found.iter().enumerate() {
            let (y, column, c) = (i / 8, i / 2 % 4, i % 2);
            let sum: f64 = (0..20)
                .map(|j| {
                    let (u, v) = (j / 4, j % 4);
                    let scale = raw(u, v) / (squares / 20.0).sqrt();
                    scale * theta.as_slice()[c * 20 + j] * cosine(5, y, u) * cosine(4, column, v)
                })
                .sum();
            assert!((x - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-14);
        }
    }

    #[test]
    fn a_view_shifts_and_enlarges() {
        let canvas = Canvas::<f64>::new([6, 5], 1.0);
        let theta = wave::<f64>([1, 6, 5], 0.7);
        let seen = |view: &[Array2<f64>; 2]| canvas.picture(theta.as_slice(), view);
        let whole = seen(canvas.whole());
        let same = seen(&canvas.view([0.0; 2], 1.0));
        assert!(whole.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-14));
        let shifted = seen(&canvas.view([2.0, -1.0], 1.0));
        let at = |picture: &[f64], y: usize, x: usize| picture[y * 5 + x];
        assert!((2..6).all(|y| (0..4).all(|x| (at(&shifted, y, x) - at(&whole, y - 2, x + 1)).abs() < 1e-14)));
        assert!((at(&shifted, 0, 4) - at(&whole, 0, 4)).abs() < 1e-14, "the edge is repeated");
        // Twice as large about the middle, between rows 2 and 3 and at column 2.
        let large = seen(&canvas.view([0.0; 2], 2.0));
        assert!(
            (at(&large, 4, 2) - logistic((3.0 * logit(at(&whole, 3, 2)) + logit(at(&whole, 4, 2))) / 4.0)).abs()
                < 1e-12
        );
        assert!(
            (at(&large, 4, 4) - logistic((3.0 * logit(at(&whole, 3, 3)) + logit(at(&whole, 4, 3))) / 4.0)).abs()
                < 1e-12
        );
    }

    fn logit(p: f64) -> f64 {
        (p / (1.0 - p)).ln()
    }

    fn logistic(v: f64) -> f64 {
        1.0 / (1.0 + (-v).exp())
    }

    #[test]
    fn the_gradient_is_that_of_central_differences() {
        let canvas = Canvas::<f64>::new([6, 5], 1.0);
        let (theta, weights) = (wave::<f64>([2, 6, 5], 0.1), wave::<f64>([6, 5, 2], 0.9));
        let view = canvas.view([0.6, -1.3], 1.2);
        let score = |theta: &[f64]| -> f64 {
            canvas.picture(theta, &view).iter().zip(weights.as_slice()).map(|(x, w)| x * w).sum()
        };
        let picture = canvas.picture(theta.as_slice(), &view);
        let gradient = canvas.pull_back(weights.as_slice(), &picture, &view);
        for (index, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut theta = theta.as_slice().to_vec();
                theta[index] += by;
                score(&theta)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found - expected).abs() < 1e-8, "{index}: {found} {expected}");
        }
    }
}
