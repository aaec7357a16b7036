//! Every tier and algorithm against the definition, in f64.

use proptest::prelude::*;

use super::{Algorithm, Pass, Prepared, weight_gradient_on};
use crate::kernels::finish::{Activation, Affine, Finish, Kept};
use crate::kernels::testing::{Operands, Square, bits, channels, fitted, operands, padding, pools, trials, values};
use crate::{ConvGeometry, Convolution, Padding};
use tensor::Tensor;
use tensor::simd::Tier;

/// All but Winograd's, whose errors have other bounds.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Direct, Algorithm::Padded, Algorithm::Columns, Algorithm::Depthwise];

/// Calls `f(x, w, y)` with the three indices of every product of the convolution, each by its definition.
fn for_each_product(g: &ConvGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let [kh, kw] = g.kernel;
    let [ho, wo] = g.output;
    let [h, w] = g.input;
    for n in 0..g.batch {
        for (oh, ow) in (0..ho).flat_map(|oh| (0..wo).map(move |ow| (oh, ow))) {
            for (th, tw) in (0..kh).flat_map(|th| (0..kw).map(move |tw| (th, tw))) {
                let ih = oh * g.conv.stride[0] + th * g.conv.dilation[0];
                let iw = ow * g.conv.stride[1] + tw * g.conv.dilation[1];
                let (Some(ih), Some(iw)) = (ih.checked_sub(g.conv.padding.top), iw.checked_sub(g.conv.padding.left))
                else {
                    continue;
                };
                if ih >= h || iw >= w {
                    continue;
                }
                for o in 0..g.out_channels {
                    let group = o / g.group_out();
                    for c in 0..g.group_in() {
                        f(
                            ((n * h + ih) * w + iw) * g.in_channels + group * g.group_in() + c,
                            ((th * kw + tw) * g.group_in() + c) * g.out_channels + o,
                            ((n * ho + oh) * wo + ow) * g.out_channels + o,
                        );
                    }
                }
            }
        }
    }
}

/// The convolution and its two gradients in f64, each value with the sum of its products' magnitudes, which bounds rounding.
struct Reference {
    y: Vec<(f64, f64)>,
    dx: Vec<(f64, f64)>,
    dw: Vec<(f64, f64)>,
}

fn reference(g: &ConvGeometry, x: &[f32], w: &[f32], dy: &[f32], bias: &[f32]) -> Reference {
    let add = |sum: &mut (f64, f64), a: f32, b: f32| {
        let product = f64::from(a) * f64::from(b);
        *sum = (sum.0 + product, sum.1 + product.abs());
    };
    let mut r = Reference {
        y: (0..dy.len()).map(|i| f64::from(bias[i % bias.len()])).map(|b| (b, b.abs())).collect(),
        dx: vec![(0.0, 0.0); x.len()],
        dw: vec![(0.0, 0.0); w.len()],
    };
    for_each_product(g, |i, j, k| {
        add(&mut r.y[k], x[i], w[j]);
        add(&mut r.dx[i], dy[k], w[j]);
        add(&mut r.dw[j], x[i], dy[k]);
    });
    r
}

/// A sum of `n` products in any order is off by at most `n·ε·Σ|aᵢbᵢ|` (Higham, *Accuracy and Stability*, §3.1).
fn assert_close(what: &str, got: &[f32], want: &[(f64, f64)], terms: usize) {
    for (i, (&got, &(want, magnitude))) in got.iter().zip(want).enumerate() {
        let bound = (terms + 1) as f64 * f64::from(f32::EPSILON) * magnitude;
        assert!((f64::from(got) - want).abs() <= bound, "{what}[{i}]: {got}, not {want} ± {bound:e}");
    }
}

fn check(g: &ConvGeometry) {
    let Operands { x, w, dy, bias } = operands(g);
    let want = reference(g, &x, &w, &dy, &bias);
    // Weights that were prepared for pictures of another size; for a depthwise forward pass, with another padding.
    let other = g.conv.geometry(&[1, g.input[0] + 3, g.input[1] + 5, g.in_channels], &g.kernel_shape()).unwrap();
    for tier in Tier::available() {
        for algorithm in ALGORITHMS {
            let name = |pass| format!("{tier} {algorithm} {pass:?} of {g:?}");
            if algorithm.supports(g, Pass::Forward) {
                let padding = if algorithm == Algorithm::Depthwise { Padding::default() } else { g.conv.padding };
                let other = ConvGeometry { conv: Convolution { padding, ..other.conv }, ..other };
                let prepared = Prepared::on(tier, &other, Pass::Forward, algorithm, &w);
                let terms = g.group_in() * g.kernel[0] * g.kernel[1];
                let mut y = vec![f32::NAN; dy.len()];
                prepared.forward(g, &x, Some(&bias), false, &mut y);
                assert_close(&name(Pass::Forward), &y, &want.y, terms);
                let mut rectified = vec![f32::NAN; dy.len()];
                prepared.forward(g, &x, Some(&bias), true, &mut rectified);
                assert!(y.iter().zip(&rectified).all(|(&y, &r)| r == y.max(0.0)), "{}: ReLU", name(Pass::Forward));
                let clip = Finish { activation: Some(Activation::Clip { low: -0.25, high: 0.5 }), ..Finish::NONE };
                let mut clipped = vec![f32::NAN; dy.len()];
                prepared.forward_finished(g, &x, Some(&bias), &clip, &mut clipped);
                assert!(
                    y.iter().zip(&clipped).all(|(&y, &c)| c == y.clamp(-0.25, 0.5)),
                    "{}: clip",
                    name(Pass::Forward)
                );
                let tensor = |len, seed| Tensor::new([len], values(len, seed));
                let channels = g.out_channels;
                let affine =
                    Affine { mean: tensor(channels, 5), scale: tensor(channels, 6), shift: tensor(channels, 7) };
                let residual = values(y.len(), 8);
                let (affine, residual) = (Some(affine), Some(&residual[..]));
                for activation in [Activation::Clip { low: -0.25, high: 0.5 }, Activation::Gated(&Square)] {
                    let mut before = vec![f32::NAN; dy.len()];
                    let keeps = !matches!(activation, Activation::Clip { .. });
                    let finish = Finish {
                        affine: affine.clone(),
                        residual,
                        activation: Some(activation),
                        before: keeps.then(|| Kept::new(&mut before)),
                    };
                    let mut finished = vec![f32::NAN; dy.len()];
                    prepared.forward_finished(g, &x, Some(&bias), &finish, &mut finished);
                    let mut apart = y.clone();
                    Finish { before: None, ..finish }.apply_on(tier, &mut apart);
                    assert_eq!(bits(&finished), bits(&apart), "{}: {activation:?}", name(Pass::Forward));
                    if keeps {
                        let mut plain = y.clone();
                        Finish { affine: affine.clone(), residual, ..Finish::NONE }.apply_on(tier, &mut plain);
                        assert_eq!(bits(&before), bits(&plain), "{}: before {activation:?}", name(Pass::Forward));
                    }
                }
            }
            if algorithm.supports(g, Pass::InputGradient) {
                let terms = g.group_out() * g.kernel[0] * g.kernel[1];
                let mut dx = vec![f32::NAN; x.len()];
                Prepared::on(tier, &other, Pass::InputGradient, algorithm, &w).input_gradient(g, &dy, &mut dx);
                assert_close(&name(Pass::InputGradient), &dx, &want.dx, terms);
            }
            if algorithm.supports(g, Pass::WeightGradient) {
                let terms = g.batch * g.output[0] * g.output[1];
                let mut dw = vec![f32::NAN; w.len()];
                weight_gradient_on(tier, g, algorithm, &x, &dy, &mut dw);
                assert_close(&name(Pass::WeightGradient), &dw, &want.dw, terms);
            }
        }
    }
}

prop_compose! {
    /// Sizes near multiples of a tile's, and every kind of geometry.
    fn geometry()(
        batch in 1..3_usize,
        kernel in [1..5_usize, 1..5_usize],
        extra in [0..12_usize, 0..17_usize],
        stride in [1..4_usize, 1..4_usize],
        dilation in [1..3_usize, 1..3_usize],
        padding in padding(3),
        groups in prop_oneof![4 => Just(1_usize), 1 => 2..5_usize],
        [cin, cout] in channels(),
        depthwise in prop::bool::weighted(0.2),
    ) -> ConvGeometry {
        let (groups, channels) = if depthwise { (cin, [cin, cin]) } else {
            (groups, [cin, cout].map(|channels| channels.next_multiple_of(groups)))
        };
        fitted(batch, extra, kernel, Convolution { stride, dilation, groups, padding }, channels)
    }
}

proptest! {
    #![proptest_config(trials(200, 2))]
    #[test]
    fn agrees_with_the_definition(g in geometry()) {
        check(&g);
    }
}

proptest! {
    #![proptest_config(trials(100, 2))]
    #[test]
    fn depthwise_agrees_with_the_definition(
        batch in 1..3_usize,
        kernel in [1..8_usize, 1..8_usize],
        extra in [0..12_usize, 0..33_usize],
        stride in [1..4_usize, 1..4_usize],
        dilation in [1..3_usize, 1..3_usize],
        padding in padding(4),
        channels in 16..71_usize,
    ) {
        let conv = Convolution { stride, dilation, groups: channels, padding };
        check(&fitted(batch, extra, kernel, conv, [channels, channels]));
    }
}

proptest! {
    #![proptest_config(trials(100, 2))]
    #[test]
    fn pointwise_agrees_with_the_definition(
        batch in 1..4_usize,
        size in [1..12_usize, 1..12_usize],
        stride in 1..3_usize,
        cin in 1..150_usize,
        // Rarely more than a task of the weight gradient takes at a time.
        cout in prop_oneof![30 => 1..150_usize, 1 => 510..530_usize],
    ) {
        let conv = Convolution::default().stride(stride);
        check(&conv.geometry(&[batch, size[0], size[1], cin], &[1, 1, cin, cout]).unwrap());
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn neither_company_nor_threads_change_a_bit() {
    // Large enough to be divided into tasks.
    let shapes = [
        (Convolution::same(), [5, 14, 14, 64], [3, 3, 64, 40]),
        (Convolution::same().stride(2), [5, 29, 29, 3], [3, 3, 3, 64]),
        (Convolution::default(), [5, 14, 14, 100], [1, 1, 100, 70]),
        (Convolution::default(), [3, 9, 9, 1024], [1, 1, 1024, 150]),
        (Convolution::same().groups(4), [2, 14, 14, 64], [3, 3, 16, 64]),
        (Convolution::same().groups(64), [5, 56, 56, 64], [3, 3, 1, 64]),
        (Convolution::default().padding(3).groups(40), [3, 28, 30, 40], [7, 7, 1, 40]),
        (Convolution::default().padding(2).stride(2).groups(64), [3, 56, 55, 64], [5, 5, 1, 64]),
    ];
    for (conv, input, kernel) in shapes {
        let g = conv.geometry(&input, &kernel).unwrap();
        let Operands { x, w, dy, bias } = operands(&g);
        for (tier, algorithm) in Tier::available().flat_map(|t| ALGORITHMS.map(|a| (t, a))) {
            if algorithm.supports(&g, Pass::WeightGradient) {
                let run = || {
                    let mut dw = vec![f32::NAN; w.len()];
                    weight_gradient_on(tier, &g, algorithm, &x, &dy, &mut dw);
                    bits(&dw)
                };
                let here = run();
                assert!(pools().all(|pool| pool.install(run) == here), "{tier} {algorithm} weight gradient: {g:?}");
            }
            let run = |pass, source: &[f32], target_len| {
                let prepared = Prepared::on(tier, &g, pass, algorithm, &w);
                let mut target = vec![f32::NAN; target_len];
                let g = g.with_batch(g.batch * target_len / if pass == Pass::Forward { dy.len() } else { x.len() });
                match pass {
                    Pass::Forward => prepared.forward(&g, source, Some(&bias), true, &mut target),
                    _ => prepared.input_gradient(&g, source, &mut target),
                }
                bits(&target)
            };
            for (pass, source, len) in [(Pass::Forward, &x, dy.len()), (Pass::InputGradient, &dy, x.len())] {
                if !algorithm.supports(&g, pass) {
                    continue;
                }
                let together = run(pass, source, len);
                let n = g.batch;
                for i in 0..n {
                    let alone = run(pass, &source[source.len() / n * i..source.len() / n * (i + 1)], len / n);
                    assert!(alone == together[len / n * i..len / n * (i + 1)], "{tier} {algorithm} {pass:?}: {g:?}");
                }
                for pool in pools() {
                    assert!(pool.install(|| run(pass, source, len)) == together, "{tier} {algorithm} {pass:?}: {g:?}");
                }
            }
        }
    }
}
