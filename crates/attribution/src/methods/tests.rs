//! Each method again, slowly and literally from its paper.

use ndarray::{Array2, Array3, Axis};
use nn::ops::Interpolation;
use nn::{Conv2d, ConvTranspose2d, Layer, Model};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tensor::{Tape, Tensor};

use super::{Family, IntegratedGradients, Noise, Occlusion, Rise, eigen_cam};
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
fn occlusion_is_a_mean_over_patches() {
    with_pass(|pass| {
        let settings = Occlusion { window: [3, 2], stride: [2, 3], baseline: Baseline::Value(0.5) };
        let found = pass.occlusion(1, &settings, silent).unwrap();
        for n in 0..2 {
            let x = image(pass, n);
            let (mut sum, mut count) = (Array2::<f64>::zeros((9, 8)), Array2::<f64>::zeros((9, 8)));
            for top in [0_usize, 2, 4, 6] {
                for left in [0_usize, 3, 6] {
                    let inside = |i: usize, j: usize| i >= top && i < top + 3 && j >= left && j < left + 2;
                    let covered =
                        Array3::from_shape_fn(INPUT, |(i, j, c)| if inside(i, j) { 0.5 } else { x[[i, j, c]] });
                    let fall = score(pass, &x) - score(pass, &covered);
                    for ((i, j), s) in sum.indexed_iter_mut() {
                        if inside(i, j) {
                            *s += fall;
                            count[[i, j]] += 1.0;
                        }
                    }
                }
            }
            near(&found[n].raw().to_owned(), &(sum / count.mapv(|n| n.max(1.0))), "occlusion");
        }
        let wrong = Occlusion { window: [10, 1], ..settings };
        assert!(pass.occlusion(1, &wrong, silent).is_err());
        let foreign = Occlusion { baseline: Baseline::Image(Tensor::zeros([2, 2, 2])), ..Occlusion::square(2) };
        assert!(pass.occlusion(1, &foreign, silent).unwrap_err().to_string().contains("expected a baseline [9, 8, 2]"));
    });
}

#[test]
fn rise_is_a_mean_of_masks() {
    with_pass(|pass| {
        let settings = Rise { masks: 33, cells: 3, probability: 0.4, seed: 9 };
        let found = pass.rise(1, settings, silent).unwrap();
        let x = image(pass, 1);
        let mut expected = Array2::<f64>::zeros((9, 8));
        for k in 0..33 {
            let mut rng = ChaCha8Rng::seed_from_u64(9);
            rng.set_stream(k);
            let grid = Array2::from_shape_simple_fn((3, 3), || f64::from(u8::from(rng.random_bool(0.4))));
            let large = crate::upsample::upsample(grid.view(), 12, 12, crate::upsample::Alignment::HalfPixel);
            let (top, left) = (rng.random_range(0..3), rng.random_range(0..3));
            let mask = |i: usize, j: usize| large[[top + i, left + j]];
            let seen = Array3::from_shape_fn(INPUT, |(i, j, c)| x[[i, j, c]] * mask(i, j));
            let weight = score(pass, &seen);
            expected.indexed_iter_mut().for_each(|((i, j), m)| *m += weight * mask(i, j) / (0.4 * 33.0));
        }
        near(&found[1].raw().to_owned(), &expected, "RISE");
        assert!(pass.rise(1, Rise { cells: 0, ..settings }, silent).is_err());
        assert_ne!(pass.rise(1, Rise { seed: 10, ..settings }, silent).unwrap()[1], found[1]);
    });
}

#[test]
fn score_cam_weights_by_the_softmax_of_masked_scores() {
    with_pass(|pass| {
        let found = pass.score_cam("pool", 1, silent).unwrap();
        let x = image(pass, 0);
        let features = pass.forward().activation(pass.model().layer_index("pool").unwrap()).value();
        let f = super::super::pass::of_image(features, 0);
        let scores: Vec<f64> = (0..4)
            .map(|c| {
                let large =
                    crate::upsample::upsample(f.index_axis(Axis(2), c), 9, 8, crate::upsample::Alignment::HalfPixel);
                let (min, max) = large.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
                let mask = |v: f64| if max > min { (v - min) / (max - min) } else { 0.0 };
                score(pass, &Array3::from_shape_fn(INPUT, |(i, j, k)| x[[i, j, k]] * mask(large[[i, j]])))
            })
            .collect();
        let total: f64 = scores.iter().map(|s| s.exp()).sum();
        let expected =
            Array2::from_shape_fn((4, 4), |(i, j)| (0..4).map(|c| scores[c].exp() / total * f[[i, j, c]]).sum());
        near(&found[0].raw().to_owned(), &expected, "Score-CAM");
    });
}

#[test]
fn ablation_cam_weights_by_the_fall_without_a_channel() {
    with_pass(|pass| {
        let found = pass.ablation_cam("pool", 1, silent).unwrap();
        let features = pass.forward().activation(pass.model().layer_index("pool").unwrap()).value();
        let (w, b) = (pass.model().parameter("fc.weight").unwrap(), pass.model().parameter("fc.bias").unwrap());
        for n in 0..2 {
            let f = super::super::pass::of_image(features, n);
            // After this layer come a mean and one linear layer.
            let score = |without: Option<usize>| {
                let kept = (0..4).filter(|&c| Some(c) != without);
                let terms = kept.map(|c| w.view()[[c, 1]] * f.index_axis(Axis(2), c).mean().unwrap());
                b.as_slice()[1] + terms.sum::<f64>()
            };
            let whole = score(None);
            let weight = |c: usize| (whole - score(Some(c))) / whole.abs();
            let expected = Array2::from_shape_fn((4, 4), |(i, j)| (0..4).map(|c| weight(c) * f[[i, j, c]]).sum());
            near(&found[n].raw().to_owned(), &expected, "Ablation-CAM");
        }
    });
}

#[test]
fn every_target_of_a_function_is_its_slope() {
    with_pass(|pass| {
        let squared = crate::Target::function(|y| y.pick(1).mul(&y.pick(1)));
        let (square, plain) = (pass.grad_cam("sum", squared).unwrap(), pass.grad_cam("sum", 1).unwrap());
        let y = pass.logits().as_slice()[1];
        near(&square[0].raw().to_owned(), &(&plain[0].raw() * (2.0 * y)), "d(y²) = 2y dy");
        assert_eq!(Tape::<f64>::new().nodes().len(), 0);
    });
}

/// Every bias moved by a little, in one place at a time: the score's derivative there, times the bias, is the bias gradient.
#[test]
fn full_gradients_are_derivatives_by_each_bias_in_each_place() {
    let model = Model::builder([5, 4, 2])
        .layer("conv", Layer::conv(2, 3))
        .layer("bn", Layer::batch_norm())
        .layer("relu", Layer::Clip { min: 0.0, max: 0.5 })
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(2));
    let mut model = model.build(2).unwrap().cast::<f64>();
    let values = [("conv.bias", [0.3, -0.2]), ("bn.weight", [1.3, -0.7]), ("bn.bias", [0.1, 0.4])];
    for (name, value) in values.into_iter().chain([("bn.running_mean", [0.2, -0.1]), ("fc.bias", [0.5, -0.6])]) {
        model.set_parameter(name, Tensor::new([2], value.to_vec())).unwrap();
    }
    let x = wave::<f64>([1, 5, 4, 2], 4.0);
    let value = |name: &str| model.parameter(name).unwrap().as_slice().to_vec();
    let factor: Vec<f64> = value("bn.weight").iter().map(|gamma| gamma / (1.0 + 1e-5_f64).sqrt()).collect();
    // Everything behind the first convolution by hand, with something added in one place of its output or of batch norm's.
    let convolved = Explainer::new(&model).observe(&x).unwrap().forward().activation(0).value().clone();
    let score = |moved: [Option<usize>; 2], h: f64| {
        let at = |place: Option<usize>, i: usize| if place == Some(i) { h } else { 0.0 };
        let (mean, beta) = (value("bn.running_mean"), value("bn.bias"));
        let pooled = (0..2).map(|c| {
            let y = (c..40).step_by(2).map(|i| {
                let y = convolved.as_slice()[i] + at(moved[0], i);
                ((y - mean[c]) * factor[c] + beta[c] + at(moved[1], i)).clamp(0.0, 0.5)
            });
            y.sum::<f64>() / 20.0
        });
        pooled.zip(value("fc.weight").chunks(2)).map(|(f, w)| f * w[1]).sum::<f64>() + value("fc.bias")[1]
    };
    let slope = |moved: [Option<usize>; 2]| (score(moved, 1e-6) - score(moved, -1e-6)) / 2e-6;
    let pass = Explainer::new(&model).observe(&x).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let layers: Vec<&str> = full.biases.iter().map(|bias| bias.layer.as_str()).collect();
    assert_eq!(layers, ["conv", "bn", "relu", "fc"]);
    let [conv, bn, relu, fc] = &full.biases[..] else { panic!() };
    let normalised = pass.forward().activation(1).value();
    for i in 0..40 {
        let c = i % 2;
        let near = |found: &Tensor<f64>, expected: f64| assert!((found.as_slice()[i] - expected).abs() < 1e-8, "{i}");
        near(&conv.values, value("conv.bias")[c] * slope([Some(i), None]));
        near(&bn.values, (value("bn.bias")[c] - factor[c] * value("bn.running_mean")[c]) * slope([None, Some(i)]));
        let saturated = normalised.as_slice()[i] > 0.5;
        near(&relu.values, if saturated { 0.5 * value("fc.weight")[c * 2 + 1] / 20.0 } else { 0.0 });
    }
    assert_eq!(fc.values.as_slice(), [0.0, -0.6]);
    assert!((full.totals()[0] - pass.scores(1).unwrap()[0]).abs() < 1e-14);

    // The map: absolute values, from 0 to 1, channel by channel; all of these layers are as large as the image.
    let map = pass.full_grad(1).unwrap().single();
    let mut expected = Array2::<f64>::zeros((5, 4));
    for values in [&full.input, &conv.values, &bn.values, &relu.values] {
        for c in 0..2 {
            let channel: Vec<f64> = values.as_slice().iter().skip(c).step_by(2).map(|v| v.abs()).collect();
            let (least, most) = channel.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
            if most > least {
                expected.iter_mut().zip(channel).for_each(|(m, v)| *m += (v - least) / (most - least));
            }
        }
    }
    near(&map.raw().to_owned(), &expected, "FullGrad");
}

#[test]
fn full_gradients_add_up_through_activations_and_enlargements() {
    let transposed = ConvTranspose2d::from(Conv2d::default().stride(2));
    let size = [7, 9];
    let model = Model::builder([4, 5, 2])
        .layer("conv", Layer::conv(4, 3))
        .layer("elu", Layer::Elu { alpha: 0.7 })
        .layer("up", Layer::ConvTranspose2d { out_channels: 3, kernel: [3, 2], transposed, bias: true })
        .layer("gelu", Layer::Gelu { tanh: false })
        .layer("resize", Layer::Resize { size, interpolation: Interpolation::Bicubic { align_corners: false } })
        .layer("softplus", Layer::Softplus)
        .layer("scale", Layer::Scale { shape: vec![3] })
        .layer("shift", Layer::Shift { shape: vec![7, 1, 1] })
        .layer("hard", Layer::HardSigmoid { slope: 0.2, offset: 0.5 })
        .layer("gap", Layer::GlobalAvgPool)
        .layer("fc", Layer::linear(2));
    let mut model = model.build(3).unwrap().cast::<f64>();
    model.set_parameter("up.bias", wave([3], 0.4)).unwrap();
    model.set_parameter("scale.weight", wave([3], 0.6)).unwrap();
    model.set_parameter("shift.bias", wave([7, 1, 1], 0.5)).unwrap();
    let pass = Explainer::new(&model).observe(wave([1, 4, 5, 2], 0.9)).unwrap();
    let full = pass.full_gradient(1).unwrap();
    let layers: Vec<&str> = full.biases.iter().map(|bias| bias.layer.as_str()).collect();
    assert_eq!(layers, ["conv", "elu", "up", "gelu", "softplus", "shift", "add scalar", "hard", "fc"]);
    approx::assert_abs_diff_eq!(full.totals()[0], pass.scores(1).unwrap()[0], epsilon = 1e-13);
    // Where the picture was enlarged, a layer's cells aren't the picture's.
    assert!(pass.cells("elu").unwrap().is_some() && pass.cells("up").unwrap().is_none());
}
