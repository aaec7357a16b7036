//! Each rule against a dense loop over contributions, written from its paper.

mod attention;
mod gates;

use nn::layers::{
    Add, Apply, BatchNorm, Clip, Conv2d, ConvTranspose2d, Elu, Erf, Gelu, GlobalAvgPool, HardSwish, LeakyRelu, Linear,
    MaxPool, Power, Relu, Sigmoid, Silu, Softplus,
};
use nn::{Convolution, Layer, Model, Padding, TransposedConvolution};
use proptest::prelude::*;
use tensor::{Tape, Tensor};

use super::{AlphaBeta, Composite, Epsilon, Flat, Gamma, Layers, LrpRule, WSquare, ZBox};
use crate::Pass;
use crate::methods::{FullGrad, InputXGradient, Lrp, Preset};
use crate::testing::wave;

/// A layer as in the papers: inputs i, outputs j, weights w[j][i]; `None` where j doesn't read i.
struct Dense {
    weights: Vec<Vec<Option<f64>>>,
    biases: Vec<f64>,
}

impl Dense {
    /// One image's convolution, by its definition: `[H, W, Cin]` to `[Ho, Wo, Cout]`.
    fn convolution(shape: [usize; 3], w: &Tensor<f64>, bias: &[f64], conv: Convolution) -> Self {
        let [height, width, channels] = shape;
        let geometry = conv.geometry(&[1, height, width, channels], w.shape()).unwrap();
        let [kh, kw, group_in, outputs] = w.shape()[..] else { panic!() };
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (i, j) in (0..geometry.output[0]).flat_map(|i| (0..geometry.output[1]).map(move |j| (i, j))) {
            for o in 0..outputs {
                let mut row = vec![None; height * width * channels];
                let group = o / (outputs / conv.groups);
                for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                    let a = (i * conv.stride[0] + u * conv.dilation[0]).wrapping_sub(conv.padding.top);
                    let b = (j * conv.stride[1] + v * conv.dilation[1]).wrapping_sub(conv.padding.left);
                    if a < height && b < width {
                        for c in 0..group_in {
                            let input = (a * width + b) * channels + group * group_in + c;
                            row[input] = Some(w.view()[[u, v, c, o]]);
                        }
                    }
                }
                weights.push(row);
                biases.push(bias[o]);
            }
        }
        Self { weights, biases }
    }

    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let output = |(row, bias): (&Vec<Option<f64>>, &f64)| {
            row.iter().zip(x).map(|(w, x)| w.unwrap_or(0.0) * x).sum::<f64>() + bias
        };
        self.weights.iter().zip(&self.biases).map(output).collect()
    }

    /// Rᵢ = Σⱼ share(x, wⱼ, bⱼ, i) · Rⱼ.
    fn relevance(&self, x: &[f64], above: &[f64], share: &Share) -> Vec<f64> {
        let mut below = vec![0.0; x.len()];
        for ((row, &bias), &r) in self.weights.iter().zip(&self.biases).zip(above) {
            let terms: Vec<(usize, f64, f64)> =
                row.iter().enumerate().filter_map(|(i, w)| Some((i, x[i], (*w)?))).collect();
            let pairs: Vec<(f64, f64)> = terms.iter().map(|&(_, x, w)| (x, w)).collect();
            for ((i, ..), part) in terms.iter().zip(share(&pairs, bias)) {
                below[*i] += part * r;
            }
        }
        below
    }
}

/// The shares of a unit's inputs (x, w), given its bias.
type Share = dyn Fn(&[(f64, f64)], f64) -> Vec<f64>;

/// Bach et al. 2015, the ε-rule.
fn epsilon(epsilon: f64) -> Box<Share> {
    Box::new(move |inputs, bias| {
        let z = inputs.iter().map(|(x, w)| x * w).sum::<f64>() + bias;
        let stabilized = if z >= 0.0 { z + epsilon } else { z - epsilon };
        inputs.iter().map(|(x, w)| x * w / stabilized).collect()
    })
}

/// Bach et al. 2015, the αβ-rule, with the sign of β as in Montavon et al. 2019.
fn alpha_beta(alpha: f64) -> Box<Share> {
    Box::new(move |inputs, bias| {
        let (mut for_it, mut against) = (bias.max(0.0), bias.min(0.0));
        for (x, w) in inputs {
            if x * w > 0.0 { for_it += x * w } else { against += x * w }
        }
        let part = |z: f64, total: f64| if total == 0.0 { 0.0 } else { z / total };
        let share = |(x, w): &(f64, f64)| {
            alpha * part((x * w).max(0.0), for_it) - (alpha - 1.0) * part((x * w).min(0.0), against)
        };
        inputs.iter().map(share).collect()
    })
}

/// Montavon et al. 2019, the flat rule.
fn flat() -> Box<Share> {
    Box::new(|inputs, _| vec![1.0 / inputs.len() as f64; inputs.len()])
}

/// Montavon et al. 2019, §10.3.2, with the same bounds for all channels.
fn z_box(low: f64, high: f64) -> Box<Share> {
    Box::new(move |inputs, _| {
        let term = |(x, w): &(f64, f64)| x * w - low * w.max(0.0) - high * w.min(0.0);
        let z: f64 = inputs.iter().map(term).sum();
        inputs.iter().map(|pair| term(pair) / z).collect()
    })
}

/// Montavon et al. 2019, §10.2.1, where contributions of the sign of the sum are favoured.
fn gamma(gamma: f64) -> Box<Share> {
    Box::new(move |inputs, bias| {
        let y = inputs.iter().map(|(x, w)| x * w).sum::<f64>() + bias;
        let favoured = |z: f64| z + gamma * if y > 0.0 { z.max(0.0) } else { z.min(0.0) };
        let z = inputs.iter().map(|(x, w)| favoured(x * w)).sum::<f64>() + favoured(bias);
        inputs.iter().map(|(x, w)| favoured(x * w) / z).collect()
    })
}

/// Montavon et al. 2017, §4.1.
fn w_square() -> Box<Share> {
    Box::new(|inputs, _| {
        let z: f64 = inputs.iter().map(|(_, w)| w * w).sum();
        inputs.iter().map(|(_, w)| w * w / z).collect()
    })
}

type Pair = (Composite<f64>, Box<Share>);

fn pairs(channels: usize) -> Vec<Pair> {
    fn pair(rule: impl LrpRule<f64> + 'static, share: Box<Share>) -> Pair {
        (Composite::everywhere(rule), share)
    }
    vec![
        pair(Epsilon(0.0), epsilon(0.0)),
        pair(Epsilon(0.3), epsilon(0.3)),
        pair(AlphaBeta::Z_PLUS, alpha_beta(1.0)),
        pair(AlphaBeta { alpha: 2.5 }, alpha_beta(2.5)),
        pair(Gamma(0.0), gamma(0.0)),
        pair(Gamma(0.4), gamma(0.4)),
        pair(Flat, flat()),
        pair(WSquare, w_square()),
        pair(ZBox { low: vec![-1.5; channels], high: vec![1.25; channels] }, z_box(-1.5, 1.25)),
    ]
}

fn near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-300_f64, |most, v| most.max(v.abs()));
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= 1e-10 * scale, "{what}: {f} and {e}");
    }
}

prop_compose! {
    fn convolution()(
        groups in 1_usize..3, group_in in 1_usize..3, group_out in 1_usize..3, phase in 0.0_f64..100.0,
        size in [4_usize..7, 4_usize..7], kernel in [1_usize..4, 1_usize..4], stride in [1_usize..3, 1_usize..3],
        padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3],
    ) -> ([usize; 3], [usize; 4], Convolution, f64) {
        let [top, bottom, left, right] = padding;
        let conv = Convolution { stride, padding: Padding { top, bottom, left, right }, dilation: [1, 1], groups };
        let weights = [kernel[0], kernel[1], group_in, group_out * groups];
        ([size[0], size[1], group_in * groups], weights, conv, phase)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_rule_is_its_paper_s_on_any_convolution((input, weights, conv, phase) in convolution()) {
        // The flat, the w² and the zᴮ rule have no share for units that read only padding.
        prop_assume!(conv.padding.top.max(conv.padding.bottom) < weights[0]);
        prop_assume!(conv.padding.left.max(conv.padding.right) < weights[1]);
        let (x, w, b) = (wave(input, phase), wave(weights, phase + 1.0), wave([weights[3]], phase + 2.0));
        let dense = Dense::convolution(input, &w, b.as_slice(), conv);
        for (lrp, share) in pairs(input[2]) {
            let tape = Tape::new();
            let image = tape.leaf(x.reshape([1, input[0], input[1], input[2]]));
            let y = image.apply_with(Conv2d::of(w.shape(), conv).with_bias(), &[&tape.leaf(w.clone()), &tape.leaf(b.clone())]);
            let g = wave::<f64>(y.shape(), phase + 3.0);
            let rule = lrp.on(&tape, &image).unwrap();
            let arrived = tape.backward_from(&y, g.clone(), &rule, [&image]).unwrap().take(&image).unwrap();
            let above: Vec<f64> = dense.forward(x.as_slice()).iter().zip(g.as_slice()).map(|(y, g)| y * g).collect();
            let expected = dense.relevance(x.as_slice(), &above, &share);
            near(rule.relevance(image.value(), arrived).as_slice(), &expected, &rule.coverage().to_string());
        }
    }
}

const SIZE: [usize; 3] = [6, 5, 2];

/// Batch norm folded, ReLU6, max pooling, a skip connection, a plain convolution and two fully connected layers.
fn network() -> Model<f64> {
    let mut model = Model::builder(SIZE)
        .layer("conv1", Conv2d::new(3, 3))
        .layer("bn1", BatchNorm::new())
        .layer("relu1", Clip { min: 0.0, max: 0.8 })
        .layer("pool", MaxPool::new(2))
        .layer("conv2", Conv2d::new(3, 3))
        .layer_from("sum", Add, &["pool", "conv2"])
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc1", Linear::new(4))
        .layer("relu3", Relu)
        .layer("fc2", Linear::new(3))
        .build(8)
        .unwrap()
        .cast();
    let names: Vec<String> = model.parameters().iter().map(|p| p.name.clone()).collect();
    for (phase, name) in (0..).zip(names).filter(|(_, name)| name.contains("bias") || name.contains("bn1")) {
        let noise = wave::<f64>(model.parameter(&name).unwrap().shape(), f64::from(phase));
        // γ of either sign; a variance is positive.
        let value = if name.ends_with("var") { noise.map(|v| 1.0 + 0.5 * v) } else { noise };
        model.set_parameter(&name, value).unwrap();
    }
    model
}

/// Relevance propagated through that network, layer by layer, in loops.
fn by_hand(model: &Model<f64>, x: &[f64], class: usize, rules: [&Share; 3]) -> Vec<f64> {
    let [first, convolutions, fully_connected] = rules;
    let value = |name: &str| model.parameter(name).unwrap().clone();
    let same = Convolution::default().padding(1);
    let dense = |name: &str, shape: [usize; 3]| {
        Dense::convolution(shape, &value(&format!("{name}.weight")), value(&format!("{name}.bias")).as_slice(), same)
    };
    let connected = |name: &str| {
        let (w, b) = (value(&format!("{name}.weight")), value(&format!("{name}.bias")));
        let [inputs, outputs] = w.shape()[..] else { panic!() };
        Dense::convolution([1, 1, inputs], &w.reshape([1, 1, inputs, outputs]), b.as_slice(), Convolution::default())
    };
    let mut conv1 = dense("conv1", SIZE);
    let [gamma, beta, mean, var] =
        ["weight", "bias", "running_mean", "running_var"].map(|p| value(&format!("bn1.{p}")));
    for (j, (row, bias)) in conv1.weights.iter_mut().zip(&mut conv1.biases).enumerate() {
        let c = j % 3;
        let factor = gamma.as_slice()[c] / (var.as_slice()[c] + 1e-5).sqrt();
        row.iter_mut().flatten().for_each(|w| *w *= factor);
        *bias = (*bias - mean.as_slice()[c]) * factor + beta.as_slice()[c];
    }
    let (conv2, fc1, fc2) = (dense("conv2", [3, 2, 3]), connected("fc1"), connected("fc2"));

    let a1: Vec<f64> = conv1.forward(x).iter().map(|y| y.clamp(0.0, 0.8)).collect();
    let winner = |place: usize| {
        let (i, j, c) = (place / 6, place / 3 % 2, place % 3);
        let window = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(u, v)| ((2 * i + u) * 5 + 2 * j + v) * 3 + c);
        window.into_iter().fold(window[0], |best, at| if a1[at] > a1[best] { at } else { best })
    };
    let pooled: Vec<f64> = (0..18).map(|place| a1[winner(place)]).collect();
    let beside = conv2.forward(&pooled);
    let a2: Vec<f64> = pooled.iter().zip(&beside).map(|(a, b)| (a + b).max(0.0)).collect();
    let gap: Vec<f64> = (0..3).map(|c| a2.iter().skip(c).step_by(3).sum::<f64>() / 6.0).collect();
    let a3: Vec<f64> = fc1.forward(&gap).iter().map(|y| y.max(0.0)).collect();
    let scores = fc2.forward(&a3);

    let top: Vec<f64> = (0..3).map(|j| if j == class { scores[j] } else { 0.0 }).collect();
    let r3 = fc2.relevance(&a3, &top, fully_connected);
    let r_gap = fc1.relevance(&gap, &r3, fully_connected);
    // In a mean and in a sum, every term gets its part.
    let part = |a: f64, sum: f64, r: f64| if r == 0.0 { 0.0 } else { a / sum * r };
    let r2: Vec<f64> = (0..18).map(|i| part(a2[i] / 6.0, gap[i % 3], r_gap[i % 3])).collect();
    let sum = |i: usize| pooled[i] + beside[i];
    let r_beside: Vec<f64> = (0..18).map(|i| part(beside[i], sum(i), r2[i])).collect();
    let through = conv2.relevance(&pooled, &r_beside, convolutions);
    let mut r1 = vec![0.0; a1.len()];
    for i in 0..18 {
        r1[winner(i)] += part(pooled[i], sum(i), r2[i]) + through[i];
    }
    conv1.relevance(x, &r1, first)
}

#[test]
fn a_composition_agrees_with_loops() {
    let model = network();
    let pass = Pass::new(&model, wave([2, 6, 5, 2], 3.0)).unwrap();
    let plain = Composite::everywhere(Epsilon(0.01));
    let depth = Composite::everywhere(Epsilon(0.01)).with(Layers::Convolutions, AlphaBeta::Z_PLUS);
    let (low, high) = (vec![-1.0; 2], vec![1.5; 2]);
    let (favoured, squares) = (gamma(0.4), w_square());
    let (e, z_plus, z_box, flat, two) = (epsilon(0.01), alpha_beta(1.0), z_box(-1.0, 1.5), flat(), alpha_beta(2.0));
    let cases: [(Composite<f64>, [&Share; 3]); 7] = [
        (plain, [&e, &e, &e]),
        (depth.clone(), [&z_plus, &z_plus, &e]),
        (depth.clone().with(Layers::First, ZBox { low, high }), [&z_box, &z_plus, &e]),
        (depth.clone().with(Layers::First, Flat), [&flat, &z_plus, &e]),
        (depth.clone().with(Layers::First, WSquare), [&squares, &z_plus, &e]),
        (depth.clone().with(Layers::Convolutions, Gamma(0.4)), [&favoured, &favoured, &e]),
        (depth.with("conv2", AlphaBeta { alpha: 2.0 }), [&z_plus, &two, &e]),
    ];
    for (lrp, rules) in cases {
        for class in 0..3 {
            let found = pass.why(class).explain_each(&lrp).unwrap();
            for image in 0..2 {
                let expected = by_hand(&model, pass.values_of(image), class, rules);
                near(found[image].raw().as_slice().unwrap(), &expected, &found[image].coverage().unwrap().to_string());
            }
        }
    }
}

#[test]
fn without_biases_lrp_0_is_input_times_gradient_to_the_bit() {
    let model = Model::builder(SIZE)
        .layer("conv", Conv2d::new(3, 3).without_bias())
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3).without_bias())
        .build(1)
        .unwrap()
        .cast::<f64>();
    let pass = Pass::new(&model, wave([1, 6, 5, 2], 3.0)).unwrap();
    let lrp = pass.why(1).explain(&Composite::everywhere(Epsilon(0.0))).unwrap();
    assert_eq!(lrp.raw(), pass.why(1).explain(&InputXGradient).unwrap().raw());
}

#[test]
fn images_of_a_batch_get_the_maps_that_they_get_alone() {
    let model = network().cast::<f32>();
    let images = wave::<f32>([16, 6, 5, 2], 3.0);
    let batch = Pass::new(&model, &images).unwrap();
    let lrp = Preset::EpsilonPlusBox.composite(&model);
    let (together, full) = (batch.why(1).explain_each(&lrp).unwrap(), batch.why(1).explain_each(&FullGrad).unwrap());
    for image in 0..16 {
        let alone = Pass::new(&model, images.slice(0, image..image + 1)).unwrap();
        assert_eq!(together[image], alone.why(1).explain(&lrp).unwrap());
        assert_eq!(full[image], alone.why(1).explain(&FullGrad).unwrap());
    }
}

#[test]
fn coverage_is_described() {
    let model = network();
    let pass = Pass::new(&model, wave([1, 6, 5, 2], 3.0)).unwrap();
    let coverage = pass.why(0).explain(&Lrp::default()).unwrap().coverage().unwrap().to_string();
    assert_eq!(coverage, "flat in 1 layer, z⁺ in 1 layer, ε = 1e-6 in 2 layers; 1 batch norm folded");
}

#[test]
fn what_has_no_reading_is_refused_by_name() {
    let refused = |layer: Layer, lrp: Composite<f64>| {
        let model = Model::builder(SIZE)
            .layer("conv1", Conv2d::new(3, 3))
            .layer("act", layer)
            .layer("conv2", Conv2d::new(3, 3))
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(3));
        let model = model.build(1).unwrap().cast::<f64>();
        let pass = Pass::new(&model, wave([1, 6, 5, 2], 3.0)).unwrap();
        pass.why(0).explain_each(&lrp).unwrap_err().to_string()
    };
    let plain = || Composite::everywhere(Epsilon::default());
    let enlarged = TransposedConvolution::from(Convolution::default().stride(2));
    for layer in [
        Layer::from(Sigmoid),
        Elu { alpha: 1.0 }.into(),
        Softplus.into(),
        Erf.into(),
        Power { exponent: 2.0 }.into(),
        Clip { min: 0.5, max: 1.0 }.into(),
        ConvTranspose2d { out_channels: 2, kernel: [2, 2], transposed: enlarged, bias: true }.into(),
    ] {
        assert!(refused(layer, plain()).contains("of layer `act`; use gradient"));
    }
    let relu = || Relu.into();
    assert!(refused(relu(), plain().with("conv3", Flat)).ends_with("`conv3`; found conv1, conv2, fc"));
    assert!(refused(relu(), plain().with("conv2", Flat)).contains("flat is for layers that read the image"));
    assert!(refused(relu(), plain().with("fc", Epsilon(-1.0))).contains("ε must not be negative, found -1"));
    assert!(refused(relu(), plain().with("fc", AlphaBeta { alpha: 0.5 })).contains("α must be at least 1, found 0.5"));
    assert!(refused(relu(), plain().with("fc", Gamma(-0.5))).contains("γ must not be negative, found -0.5"));
    assert!(refused(relu(), plain().with("conv2", WSquare)).contains("w² is for layers that read the image"));
    let narrow = ZBox { low: vec![0.0], high: vec![1.0; 2] };
    assert!(refused(relu(), plain().with(Layers::First, narrow)).contains("2 channels, found 1 lower and 2 upper"));
    // A quotient of two values that both depend on the image.
    let tape = Tape::<f64>::new();
    let x = tape.leaf(wave([3], 0.0));
    let before = plain().on(&tape, &x).unwrap();
    let y = x.apply(Relu).div(&x);
    let message = tape.backward(&y, &plain().on(&tape, &x).unwrap(), [&x]).unwrap_err().to_string();
    assert!(message.contains("the div, both of whose inputs depend on the image"), "{message}");
    let message = tape.backward(&y, &before, [&x]).unwrap_err().to_string();
    assert!(message.contains("the div was recorded after the rule was made"), "{message}");
}

#[test]
fn activations_pass_on_all_of_their_relevance() {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([6], vec![-2.0, -0.3, 0.0, 0.4, 0.9, 3.0]));
    let rectified = [Clip { min: -0.5, max: 0.7 }, Clip::RELU6].map(|clip| x.apply(clip));
    let gated = [Gelu { tanh: false }, Gelu { tanh: true }].map(|gelu| x.apply(gelu));
    let others = [x.tanh(), x.apply(LeakyRelu { slope: 0.1 }), x.apply(Silu), x.apply(HardSwish)];
    for y in rectified.into_iter().chain(gated).chain(others) {
        let rule = Composite::everywhere(Epsilon::default()).on(&tape, &x).unwrap();
        let g = wave::<f64>([6], 1.0);
        let arrived = tape.backward_from(&y, g.clone(), &rule, [&x]).unwrap().take(&x).unwrap();
        let (below, above) = (arrived.zip(x.value(), |g, x| g * x), g.zip(y.value(), |g, y| g * y));
        approx::assert_abs_diff_eq!(below, above, epsilon = 1e-15);
    }
}
