//! Helpers for the methods' tests, and tests that cover all methods.

mod attention;
mod backward;
mod full_gradient;

use std::cell::Cell;
use std::ops::ControlFlow;

use ndarray::{Array2, Array3, ArrayView3};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tensor::Tensor;

pub(super) use attention::{attention_of, heads_of, on_patches, with_transformers};
pub(super) use backward::{BOUND, arriving, convolution, taps, transposed, with_network};

use super::{GradCam, Gradient, LITERAL, all};
use crate::progress::Progress;
use crate::testing::{INPUT, images, model, wave};
use crate::{Map, Method, Pass, Target};

#[test]
fn every_method_agrees_with_its_paper_read_literally() {
    assert_eq!(LITERAL.len(), all::<f64>().len());
    for (name, check) in LITERAL {
        println!("{name}");
        check();
    }
}

/// Workers share the runs for scores, each variant once, and the maps are the same to the last bit.
#[test]
fn every_method_gives_the_same_maps_from_workers_shares() {
    let runs = Cell::new(0);
    let watch = |progress: Progress| {
        runs.set(runs.get().max(progress.done));
        ControlFlow::Continue(())
    };
    with_pass(|pass| {
        let question = pass.why(1).watched(&watch);
        let mut shared = Vec::new();
        for method in all::<f64>() {
            let whole = question.explain_each(&*method);
            let Ok(whole) = whole else { continue };
            for count in [1, 3] {
                let mut all = 0;
                let share = |worker| {
                    runs.set(0);
                    let share = question.share(&*method, worker, count).unwrap();
                    all += runs.get();
                    share
                };
                let shares: Vec<Vec<f64>> = (0..count).map(share).collect();
                if shares.iter().all(Vec::is_empty) {
                    continue;
                }
                let scores: usize = shares.iter().map(Vec::len).sum();
                runs.set(0);
                assert_eq!(question.explain_from(&*method, &shares).unwrap(), whole, "{}", method.about().id);
                assert!(question.explain_from(&*method, &shares[1..]).is_err(), "{}", method.about().id);
                if runs.get() == 0 && count == 3 {
                    assert_eq!(all, scores, "{}", method.about().id);
                    shared.push(method.about().id);
                }
                assert_eq!(runs.get() == 0, method.about().cost.is_many_scores(), "{}", method.about().id);
            }
        }
        assert_eq!(shared, ["score-cam", "ablation-cam", "occlusion", "shapley", "rise"]);
    });
}

/// Asserts that two maps `[h, w]` agree to ten digits of the largest value.
pub(super) fn near(found: &Array2<f64>, expected: &Array2<f64>, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    let scale = expected.iter().fold(1e-300_f64, |most, v| most.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-10 * scale, "{what}: {f} and {e}");
    }
}

/// The same as [`near`], channel by channel.
pub(super) fn near_each(found: ArrayView3<f64>, expected: &Array3<f64>, what: &str) {
    for c in 0..expected.dim().2 {
        let channel = |values: ArrayView3<f64>| values.index_axis(ndarray::Axis(2), c).to_owned();
        near(&channel(found), &channel(expected.view()), what);
    }
}

pub(super) fn with_pass(check: impl Fn(&Pass<'_, f64>)) {
    let model = model();
    check(&Pass::new(&model, images(2)).unwrap());
}

/// The maps of class 1 at a layer.
pub(super) fn maps(pass: &Pass<'_, f64>, layer: &str, method: &dyn Method<f64>) -> Vec<Map<f64>> {
    pass.why(1).at(layer).explain_each(method).unwrap()
}

/// The score of class 1 for one image `[H, W, C]`.
pub(super) fn score(pass: &Pass<'_, f64>, image: &Array3<f64>) -> f64 {
    let image = Tensor::from(image.clone()).reshape([1, INPUT[0], INPUT[1], INPUT[2]]);
    pass.model().predict(image).unwrap().as_slice()[1]
}

/// The gradient of that score.
pub(super) fn gradient(pass: &Pass<'_, f64>, image: &Array3<f64>) -> Array3<f64> {
    let pass = Pass::new(pass.model(), Tensor::from(image.clone())).unwrap();
    pass.why(1).explain(&Gradient).unwrap().raw().to_owned()
}

pub(super) fn image(pass: &Pass<'_, f64>, index: usize) -> Array3<f64> {
    Array3::from_shape_vec(INPUT, pass.values_of(index).to_vec()).unwrap()
}

/// The features of a layer for one image.
pub(super) fn features(pass: &Pass<'_, f64>, layer: &str, index: usize) -> Array3<f64> {
    let layer = pass.model().layer_index(layer).unwrap();
    crate::pass::of_image(pass.forward().activation(layer).value(), index).to_owned()
}

pub(super) fn array(shape: [usize; 3], phase: f64) -> Array3<f64> {
    Array3::from_shape_vec(shape, wave::<f64>(shape, phase).into_vec()).unwrap()
}

/// Checks a formula of features f and gradients g: M_ij = Σ_c weight(f, g, [i, j, c]) f_ijc, for random f and g, and for
/// those of a network.
pub(super) fn family(
    method: &dyn Method<f64>,
    formula: fn(ArrayView3<f64>, ArrayView3<f64>) -> Array2<f64>,
    weight: impl Fn(&Array3<f64>, &Array3<f64>, [usize; 3]) -> f64,
) {
    let title = method.about().title;
    let literal = |f: &Array3<f64>, g: &Array3<f64>| {
        let (h, w, channels) = f.dim();
        Array2::from_shape_fn((h, w), |(i, j)| (0..channels).map(|c| weight(f, g, [i, j, c]) * f[[i, j, c]]).sum())
    };
    let cases = (1_usize..6, 1_usize..6, 1_usize..9, 0.0_f64..100.0);
    let check = |(h, w, c, phase): (usize, usize, usize, f64)| {
        let (mut f, mut g) = (array([h, w, c], phase).mapv(|f| f.abs() + 0.1), array([h, w, c], phase + 1.0));
        // Some units are off.
        f.iter_mut().step_by(3).for_each(|f| *f = 0.0);
        g.iter_mut().step_by(5).for_each(|g| *g = 0.0);
        let totals = f.sum_axis(ndarray::Axis(0)).sum_axis(ndarray::Axis(0));
        prop_assume!(totals.iter().all(|&total| total > 0.0));
        near(&formula(f.view(), g.view()), &literal(&f, &g), title);
        Ok(())
    };
    TestRunner::default().run(&cases, check).unwrap();
    with_pass(|pass| {
        let gradients = pass.gradient_at("sum", 1).unwrap();
        for (index, map) in maps(pass, "sum", method).iter().enumerate() {
            let gradient = crate::pass::of_image(&gradients, index).to_owned();
            near(&map.per_cell(), &literal(&features(pass, "sum", index), &gradient), title);
        }
    });
}

/// All pairs of indices.
pub(super) fn cells(h: usize, w: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
    (0..h).flat_map(move |i| (0..w).map(move |j| (i, j)))
}

#[test]
fn the_mean_over_layers_is_of_scaled_maps() {
    with_pass(|pass| {
        let layers = ["relu1", "sum", "pool"];
        let mean = pass.why(1).at_each(layers).explain_each(&GradCam).unwrap();
        for (n, mean) in mean.iter().enumerate() {
            assert_eq!(mean.layers(), layers);
            let mut expected = Array2::zeros((9, 8));
            for layer in layers {
                let positive = maps(pass, layer, &GradCam)[n].per_cell().mapv(|m| m.max(0.0));
                let large = crate::map::upsample(positive.view(), 9, 8, crate::map::Alignment::HalfPixel);
                let max = large.iter().copied().fold(0.0, f64::max);
                if max > 0.0 {
                    expected += &(large / max / 3.0);
                }
            }
            near(&mean.per_cell(), &expected, "mean over layers");
        }
    });
}

#[test]
fn the_map_of_a_function_is_the_map_times_its_slope() {
    with_pass(|pass| {
        let squared = Target::function(|y| y.pick(1).mul(&y.pick(1)));
        let square = pass.why(squared).at("sum").explain_each(&GradCam).unwrap();
        let y = pass.logits().as_slice()[1];
        near(&square[0].per_cell(), &(maps(pass, "sum", &GradCam)[0].per_cell() * (2.0 * y)), "d(y²) = 2y dy");
    });
}
