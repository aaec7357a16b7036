//! Every tier and both sizes against the convolution in f64.

use proptest::prelude::*;

use super::{Outputs, Winograd, best, weight_gradient};
use crate::kernels::bounds::Bounds;
use crate::kernels::conv::{Algorithm, Prepared};
use crate::kernels::pass::{Call, Convolve, Pass};
use crate::kernels::testing::{Operands, bits, channels, fitted, operands, padding, pools, trials, values};
use crate::{ConvGeometry, Convolution, im2col};
use tensor::simd::Tier;

fn cases() -> impl Iterator<Item = (Tier, Outputs)> {
    Tier::available().flat_map(|tier| [Outputs::Two, Outputs::Four].map(|outputs| (tier, outputs)))
}

/// The three passes of one tier and size; `∂S/∂x` twice, its weights transformed over others.
fn compute((tier, outputs): (Tier, Outputs), g: &ConvGeometry, o: &Operands, bounds: Bounds) -> [Vec<f32>; 3] {
    let [mut y, mut dx, mut dw] = [o.dy.len(), o.x.len(), o.w.len()].map(|len| vec![f32::NAN; len]);
    let mut forward = Winograd::new(g, Pass::Forward, tier, outputs);
    forward.update(&o.w);
    forward.run(Call::forward(g, &o.x, Some(&o.bias), &mut y).clipped(bounds));
    let mut backward = Winograd::new(g, Pass::InputGradient, tier, outputs);
    backward.update(&vec![f32::NAN; o.w.len()]);
    backward.update(&o.w);
    backward.run(Call::input_gradient(g, &o.dy, &mut dx));
    weight_gradient(g, tier, outputs, &o.x, &o.dy, &mut dw);
    [y, dx, dw]
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| v.into()).collect()
}

/// The same passes in f64, by im2col.
fn reference(g: &ConvGeometry, o: &Operands, bounds: Bounds) -> [Vec<f64>; 3] {
    let [x, w, dy, bias] = [&o.x, &o.w, &o.dy, &o.bias].map(|v| wide(v));
    let [mut y, mut dx, mut dw] = [dy.len(), x.len(), w.len()].map(|len| vec![0.0; len]);
    im2col::forward(g, &x, &w, Some(&bias), &mut y);
    let [low, high] = match bounds {
        Bounds::None => [f32::NEG_INFINITY, f32::INFINITY],
        Bounds::From(low) => [low, f32::INFINITY],
        Bounds::Between(low, high) => [low, high],
    };
    y.iter_mut().for_each(|y| *y = y.clamp(low.into(), high.into()));
    im2col::input_gradient(g, &dy, &w, &mut dx);
    im2col::weight_gradient(g, &x, &dy, &mut dw);
    [y, dx, dw]
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |largest, v| if v.abs() > largest || v.is_nan() { v.abs() } else { largest })
}

fn difference(got: &[f32], want: &[f64]) -> f64 {
    largest(got.iter().zip(want).map(|(&got, &want)| f64::from(got) - want))
}

prop_compose! {
    /// Sizes near multiples of a tile's, outputs down to 1×1, paddings up to more than the kernel.
    fn geometry()(
        batch in 1..3_usize,
        extra in [0..14_usize, 0..14_usize],
        padding in padding(4),
        channels in channels(),
    ) -> ConvGeometry {
        fitted(batch, extra, [3, 3], Convolution { padding, ..Convolution::default() }, channels)
    }
}

fn bounds() -> impl Strategy<Value = Bounds> {
    prop_oneof![Just(Bounds::None), Just(Bounds::RELU), Just(Bounds::Between(-0.25, 0.5))]
}

proptest! {
    #![proptest_config(trials(150, 2))]
    #[test]
    fn agrees_with_the_convolution(g in geometry(), bounds in bounds()) {
        let operands = operands(&g);
        let want = reference(&g, &operands, bounds);
        let pixels = g.batch * g.output[0] * g.output[1];
        for case in cases() {
            let got = compute(case, &g, &operands, bounds);
            for (pass, terms) in [9 * g.in_channels, 9 * g.out_channels, pixels].into_iter().enumerate() {
                // A sum of n products of values up to 1 is off by n·ε at most; the transforms add a handful of sums to
                // it and, at the accurate points, amplify it by less than two. A wrong index costs 10⁻¹.
                let bound = 2.0 * (terms + 16) as f64 * f64::from(f32::EPSILON);
                let off = difference(&got[pass], &want[pass]);
                prop_assert!(off <= bound, "{case:?} {:?}: {off:e} > {bound:e}", ["y", "dx", "dw"][pass]);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn neither_company_nor_threads_change_a_bit() {
    // Blocks end within images, with fewer and with more tiles than a block for every thread.
    for (input, cout) in [([5, 13, 13, 40], 70), ([5, 7, 7, 160], 144), ([9, 28, 28, 17], 33)] {
        let g = Convolution::same().geometry(&input, &[3, 3, input[3], cout]).unwrap();
        let together = operands(&g);
        for case in cases() {
            let [y, dx, dw] = compute(case, &g, &together, Bounds::RELU).map(|v| bits(&v));
            for i in 0..g.batch {
                let part = |v: &[f32]| v[v.len() / g.batch * i..v.len() / g.batch * (i + 1)].to_vec();
                let alone = Operands {
                    x: part(&together.x),
                    dy: part(&together.dy),
                    w: together.w.clone(),
                    bias: together.bias.clone(),
                };
                let got = compute(case, &g.with_batch(1), &alone, Bounds::RELU).map(|v| bits(&v));
                for (got, all) in [(&got[0], &y), (&got[1], &dx)] {
                    assert!(*got == all[got.len() * i..got.len() * (i + 1)], "{case:?}: image {i} of {g:?}");
                }
            }
            for pool in pools() {
                let got = pool.install(|| compute(case, &g, &together, Bounds::RELU)).map(|v| bits(&v));
                assert!(
                    got == [y.clone(), dx.clone(), dw.clone()],
                    "{case:?}, {} threads: {g:?}",
                    pool.current_num_threads()
                );
            }
        }
    }
}

/// Standard normal values, by the central limit.
fn normal(len: usize, seed: u64) -> Vec<f32> {
    values(12 * len, seed).chunks(12).map(|v| v.iter().sum::<f32>() / 2.0).collect()
}

/// The largest error of `y` over its largest value, for direct convolution and both sizes: the table of the documentation.
#[test]
#[cfg_attr(miri, ignore = "slow")]
fn errors_are_as_documented() {
    for (channels, two, four) in [(64, 1.0e-6, 2.0e-6), (256, 1.5e-6, 5.0e-6), (512, 1.0e-6, 3.5e-6)] {
        let g = Convolution::same().geometry(&[1, 16, 16, channels], &[3, 3, channels, channels]).unwrap();
        let x = normal(16 * 16 * channels, 1);
        let scale = (2.0 / (9 * channels) as f32).sqrt();
        let w: Vec<f32> = normal(9 * channels * channels, 2).iter().map(|w| w * scale).collect();
        let mut want = vec![0.0; x.len()];
        im2col::forward(&g, &wide(&x), &wide(&w), None, &mut want);
        let size = largest(want.iter().copied());
        let mut y = vec![0.0; x.len()];
        for tier in Tier::available() {
            let errors = [Algorithm::Direct, Algorithm::Winograd2, Algorithm::Winograd4].map(|algorithm| {
                Prepared::on(tier, &g, Pass::Forward, algorithm, &w).forward(&g, &x, None, false, &mut y);
                difference(&y, &want) / size
            });
            println!("{tier}, {channels} channels: direct, F2, F4: {errors:?}");
            let bounds = [5.0e-7, two, four];
            assert!(
                errors.iter().zip(bounds).all(|(&error, bound)| error <= bound),
                "{tier}, {channels} channels: {errors:?}"
            );
        }
    }
}

#[test]
fn the_choice_follows_the_products() {
    let choice = |side: usize, channels: usize, pass| {
        let g = Convolution::same().geometry(&[1, side, side, channels], &[3, 3, channels, 32]).unwrap();
        best(&g, pass)
    };
    for (side, want) in [
        (56, Some(Outputs::Four)),
        (7, Some(Outputs::Four)),
        (6, Some(Outputs::Two)),
        (4, Some(Outputs::Four)),
        (3, Some(Outputs::Four)),
        (2, Some(Outputs::Two)),
        (1, None),
    ] {
        assert_eq!(choice(side, 32, Pass::Forward), want, "{side}×{side}");
    }
    for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
        assert_eq!(choice(28, super::FEWEST_CHANNELS - 1, pass), None);
        assert_eq!(choice(28, super::FEWEST_CHANNELS, pass), Some(Outputs::Four));
    }
    for conv in [Convolution::same().stride(2), Convolution::same().dilation(2), Convolution::same().groups(2)] {
        let g = conv.geometry(&[1, 28, 28, 64], &[3, 3, 64 / conv.groups, 64]).unwrap();
        assert_eq!(best(&g, Pass::Forward), None, "{conv:?}");
    }
}
