//! Each method again, slowly and literally from its paper.

mod covering;
mod full_grad;

use ndarray::{Array2, Array3, Axis};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tensor::Tensor;

use super::{Family, IntegratedGradients, Noise, eigen_cam};
use crate::testing::{INPUT, images, model, wave};
use crate::{Baseline, Explainer, Pass, silent};

fn near(found: &Array2<f64>, expected: &Array2<f64>, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    let scale = expected.iter().fold(1e-300_f64, |most, v| most.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-10 * scale, "{what}: {f} and {e}");
    }
}

/// A formula of features and gradients, cell by cell.
fn literal(method: Family, f: &Array3<f64>, g: &Array3<f64>) -> Array2<f64> {
    let (h, w, channels) = f.dim();
    let cells: Vec<(usize, usize)> = (0..h).flat_map(|i| (0..w).map(move |j| (i, j))).collect();
    let relu = |x: f64| x.max(0.0);
    let weight = |i: usize, j: usize, c: usize| match method {
        Family::GradCam => cells.iter().map(|&(a, b)| g[[a, b, c]]).sum::<f64>() / (h * w) as f64,
        Family::GradCamPlusPlus => {
            let total: f64 = cells.iter().map(|&(a, b)| f[[a, b, c]]).sum();
            let alpha = |g: f64| if g == 0.0 { 0.0 } else { g.powi(2) / (2.0 * g.powi(2) + total * g.powi(3) + 1e-6) };
            cells.iter().map(|&(a, b)| alpha(g[[a, b, c]]) * relu(g[[a, b, c]])).sum()
        }
        Family::HiResCam => g[[i, j, c]],
        Family::LayerCam => relu(g[[i, j, c]]),
        Family::XGradCam => {
            let total: f64 = cells.iter().map(|&(a, b)| f[[a, b, c]]).sum();
            cells.iter().map(|&(a, b)| f[[a, b, c]] / (total + 1e-7) * g[[a, b, c]]).sum()
        }
    };
    Array2::from_shape_fn((h, w), |(i, j)| (0..channels).map(|c| weight(i, j, c) * f[[i, j, c]]).sum())
}

fn array(shape: [usize; 3], phase: f64) -> Array3<f64> {
    Array3::from_shape_vec(shape, wave::<f64>(shape, phase).into_vec()).unwrap()
}

proptest! {
    #[test]
    fn the_family(h in 1_usize..6, w in 1_usize..6, c in 1_usize..9, phase in 0.0_f64..100.0) {
        let (mut f, mut g) = (array([h, w, c], phase).mapv(|f| f.abs() + 0.1), array([h, w, c], phase + 1.0));
        // Some units are silent.
        f.iter_mut().step_by(3).for_each(|f| *f = 0.0);
        g.iter_mut().step_by(5).for_each(|g| *g = 0.0);
        prop_assume!(f.sum_axis(Axis(0)).sum_axis(Axis(0)).iter().all(|&total| total > 0.0));
        for method in Family::ALL {
            near(&method.map(f.view(), g.view()), &literal(method, &f, &g), method.name());
        }
    }

    /// v₁ is the direction along which the features are longest.
    #[test]
    fn eigen_cam_is_the_longest_projection(h in 1_usize..6, w in 1_usize..6, c in 1_usize..9, phase in 0.0_f64..100.0) {
        let f = array([h, w, c], phase).mapv(f64::abs);
        let matrix = f.clone().into_shape_with_order((h * w, c)).unwrap();
        let map = eigen_cam(f.view());
        let map = map.into_shape_with_order(h * w).unwrap();
        let length = map.dot(&map).sqrt();
        prop_assert!(map.sum() >= 0.0);
        // F Fᵀ M = σ² M, and no direction is longer.
        let image = matrix.dot(&matrix.t().dot(&map));
        prop_assert!((image - &map * length.powi(2)).iter().all(|d| d.abs() < 1e-6 * length.powi(3)));
        for trial in 0..20 {
            let v = ndarray::Array1::from(wave::<f64>([c], phase + f64::from(trial)).into_vec());
            prop_assert!(matrix.dot(&v).dot(&matrix.dot(&v)).sqrt() <= length * v.dot(&v).sqrt() * (1.0 + 1e-9));
        }
    }
}

/// Before a ReLU one channel may be another's negative: no direction that weighs them alike sees anything.
#[test]
fn eigen_cam_sees_channels_that_cancel() {
    let one = array([3, 4, 1], 1.0).index_axis_move(Axis(2), 0);
    let f = Array3::from_shape_fn((3, 4, 2), |(i, j, c)| if c == 0 { one[[i, j]] } else { -one[[i, j]] });
    near(&eigen_cam(f.view()), &(&one * (2.0_f64.sqrt() * one.sum().signum())), "Eigen-CAM");
    let mut broken = f;
    broken[[1, 2, 0]] = f64::NAN;
    assert!(eigen_cam(broken.view()).iter().all(|m| m.is_nan()));
}

fn with_pass(check: impl Fn(&Pass<'_, f64>)) {
    let model = model();
    check(&Explainer::new(&model).observe(images(2)).unwrap());
}

/// The score of class 1 and its gradient for one image `[H, W, C]`.
fn score(pass: &Pass<'_, f64>, image: &Array3<f64>) -> f64 {
    let image = Tensor::from(image.clone()).reshape([1, INPUT[0], INPUT[1], INPUT[2]]);
    pass.model().predict(image).unwrap().as_slice()[1]
}

fn gradient(pass: &Pass<'_, f64>, image: &Array3<f64>) -> Array3<f64> {
    let pass = Explainer::new(pass.model()).observe(Tensor::from(image.clone())).unwrap();
    pass.gradient(1).unwrap().single().raw().to_owned()
}

fn image(pass: &Pass<'_, f64>, index: usize) -> Array3<f64> {
    Array3::from_shape_vec(INPUT, pass.values_of(index).to_vec()).unwrap()
}

#[test]
fn cam_is_a_sum_of_weighted_maps() {
    with_pass(|pass| {
        let weight = pass.model().parameter("fc.weight").unwrap();
        let features = pass.forward().activation(pass.model().layer_index("pool").unwrap()).value().view();
        let cam = pass.cam(1).unwrap();
        for n in 0..2 {
            let expected = Array2::from_shape_fn((4, 4), |(i, j)| {
                (0..4).map(|c| weight.view()[[c, 1]] * features[[n, i, j, c]]).sum()
            });
            near(&cam[n].raw().to_owned(), &expected, "CAM");
        }
    });
}

#[test]
fn guided_grad_cam_is_the_product() {
    with_pass(|pass| {
        let both = pass.guided_grad_cam("pool", 1).unwrap();
        let (guided, grad) = (pass.guided_backprop(1).unwrap(), pass.grad_cam("pool", 1).unwrap());
        for n in 0..2 {
            let positive = grad[n].raw().mapv(|m| m.max(0.0));
            let large = crate::upsample::upsample(positive.view(), 9, 8, crate::upsample::Alignment::HalfPixel);
            for ((i, j, c), &m) in both[n].raw().indexed_iter() {
                assert_eq!(m, guided[n].raw()[[i, j, c]] * large[[i, j]]);
            }
        }
    });
}

#[test]
fn the_mean_over_layers_is_of_scaled_maps() {
    with_pass(|pass| {
        let layers = ["relu1", "sum", "pool"];
        let mean = pass.mean_over_layers(Family::GradCam, layers, 1).unwrap();
        assert_eq!(mean.layers, layers);
        for n in 0..2 {
            let mut expected = Array2::zeros((9, 8));
            for layer in layers {
                let positive = pass.grad_cam(layer, 1).unwrap()[n].raw().mapv(|m| m.max(0.0));
                let large = crate::upsample::upsample(positive.view(), 9, 8, crate::upsample::Alignment::HalfPixel);
                let max = large.iter().copied().fold(0.0, f64::max);
                if max > 0.0 {
                    expected += &(large / max / 3.0);
                }
            }
            near(&mean[n].raw().to_owned(), &expected, "mean over layers");
        }
    });
}

#[test]
fn smooth_grad_and_var_grad_are_moments_of_noisy_gradients() {
    let noise = Noise { samples: 19, share: 0.2, seed: 4 };
    with_pass(|pass| {
        let (smooth, var) = (pass.smooth_grad(1, noise, silent).unwrap(), pass.var_grad(1, noise, silent).unwrap());
        for n in 0..2 {
            let x = image(pass, n);
            let range = x.iter().copied().fold(f64::MIN, f64::max) - x.iter().copied().fold(f64::MAX, f64::min);
            let gradients: Vec<Array3<f64>> = (0..19)
                .map(|k| {
                    let mut rng = ChaCha8Rng::seed_from_u64(4);
                    rng.set_stream(k);
                    let noisy = x.mapv(|x| x + 0.2 * range * Distribution::<f64>::sample(&StandardNormal, &mut rng));
                    gradient(pass, &noisy)
                })
                .collect();
            let mean = gradients.iter().fold(Array3::zeros(x.raw_dim()), |sum, g| sum + g) / 19.0;
            let variance =
                gradients.iter().fold(Array3::zeros(x.raw_dim()), |sum, g| sum + (g - &mean).mapv(|d| d * d)) / 19.0;
            for (c, what) in [(0, "SmoothGrad"), (1, "SmoothGrad")] {
                near(&smooth[n].raw().index_axis(Axis(2), c).to_owned(), &mean.index_axis(Axis(2), c).to_owned(), what);
                near(
                    &var[n].raw().index_axis(Axis(2), c).to_owned(),
                    &variance.index_axis(Axis(2), c).to_owned(),
                    "VarGrad",
                );
            }
        }
        let still = pass.smooth_grad(1, Noise { share: 0.0, ..noise }, silent).unwrap();
        let exact = pass.gradient(1).unwrap();
        let difference = &still[0].raw() - &exact[0].raw();
        assert!(difference.iter().all(|d| d.abs() < 1e-14));
    });
}

#[test]
fn integrated_gradients_are_a_riemann_sum_in_the_limit() {
    with_pass(|pass| {
        let path = IntegratedGradients { steps: 300, baseline: Baseline::Value(0.1) };
        let (maps, completeness) = pass.integrated_gradients(1, &path, silent).unwrap();
        let x = image(pass, 0);
        const STEPS: usize = 2000;
        let mut sum = Array3::<f64>::zeros(x.raw_dim());
        for k in 0..STEPS {
            let t = (k as f64 + 0.5) / STEPS as f64;
            sum = sum + gradient(pass, &x.mapv(|x| 0.1 + t * (x - 0.1)));
        }
        let expected = x.mapv(|x| x - 0.1) * sum / STEPS as f64;
        let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        // The gradient jumps at each ReLU that opens on the way: both sums err by about a step there.
        assert!((&maps[0].raw() - &expected).iter().all(|d| d.abs() < 0.02 * scale));
        let difference = score(pass, &x) - score(pass, &x.mapv(|_| 0.1));
        assert!((completeness[0].difference - difference).abs() < 1e-12);
        assert!(completeness[0].error().abs() < 0.01 * difference.abs().max(scale));
    });
}

#[test]
fn every_target_of_a_function_is_its_slope() {
    with_pass(|pass| {
        let squared = crate::Target::function(|y| y.pick(1).mul(&y.pick(1)));
        let (square, plain) = (pass.grad_cam("sum", squared).unwrap(), pass.grad_cam("sum", 1).unwrap());
        let y = pass.logits().as_slice()[1];
        near(&square[0].raw().to_owned(), &(&plain[0].raw() * (2.0 * y)), "d(y²) = 2y dy");
    });
}
