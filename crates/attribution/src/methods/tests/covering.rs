//! The methods that run the network on images and features with parts covered.

use ndarray::{Array2, Array3, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor::Tensor;

use super::{image, near, score, with_pass};
use crate::methods::{Occlusion, Rise};
use crate::testing::INPUT;
use crate::{Baseline, silent};

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
        // Steps beyond the image leave the first patch.
        let far = Occlusion { stride: [20, usize::MAX], ..settings.clone() };
        let corner = pass.occlusion(1, &far, silent).unwrap()[0].raw().to_owned();
        assert!(corner.indexed_iter().all(|((i, j), &fall)| (fall != 0.0) == (i < 3 && j < 2)), "{corner}");
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
        let f = crate::pass::of_image(features, 0);
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
            let f = crate::pass::of_image(features, n);
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
