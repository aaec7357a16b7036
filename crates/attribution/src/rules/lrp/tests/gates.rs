//! Networks with gates, and small ones of the shapes of MobileNet-v3, EfficientNet and ConvNeXt.

use nn::layers::{
    Add, Apply, BatchNorm, Conv2d, Gelu, GlobalAvgPool, GroupNorm, HardSigmoid, HardSwish, LayerNorm, Linear, Mul,
    Relu, Scale, Sigmoid, Silu,
};
use nn::{Layer, Model, ModelBuilder, Real};
use tensor::{Tape, Tensor};

use super::near;
use crate::Pass;
use crate::certificates::Finding;
use crate::methods::{Lrp, Preset};
use crate::rules::{Composite, Epsilon};
use crate::testing::wave;

const INPUT: [usize; 3] = [8, 10, 3];
const CHANNELS: usize = 4;
const HARD_SIGMOID: HardSigmoid = HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 };

fn depthwise() -> Conv2d {
    Conv2d::new(CHANNELS, 3).groups(CHANNELS)
}

fn pointwise(out_channels: usize) -> Conv2d {
    Conv2d::new(out_channels, 1)
}

/// What multiplies the channels of a squeeze-and-excitation block.
#[allow(clippy::large_enum_variant, reason = "there are a few in all")]
enum Gate {
    Computed {
        inner: Layer,
        gate: Layer,
    },
    /// The layer `gated` has weights instead.
    Constant,
}

/// An inverted residual block with squeeze and excitation: MobileNet-v3's and EfficientNet's.
fn mobile(activation: &Layer, gate: Gate) -> ModelBuilder {
    let mut builder = Model::builder(INPUT)
        .layer("stem", Conv2d::new(CHANNELS, 3).stride(2))
        .layer("stem bn", BatchNorm::new())
        .layer("stem act", activation.clone())
        .layer("depthwise", depthwise())
        .layer("depthwise bn", BatchNorm::new())
        .layer("act", activation.clone());
    builder = match gate {
        Gate::Computed { inner, gate } => builder
            .layer("squeeze", GlobalAvgPool)
            .layer("reduce", Linear::new(2))
            .layer("inner", inner)
            .layer("expand", Linear::new(CHANNELS))
            .layer("gate", gate)
            .layer_from("gated", Mul, &["act", "gate"]),
        Gate::Constant => builder.layer("gated", Scale { shape: vec![CHANNELS] }),
    };
    builder
        .layer("project", pointwise(CHANNELS))
        .layer("project bn", BatchNorm::new())
        .layer_from("sum", Add, &["project bn", "stem act"])
        .layer("gap", GlobalAvgPool)
        .layer("fc1", Linear::new(5))
        .layer("head act", activation.clone())
        .layer("fc2", Linear::new(3))
}

fn mobilenet_v3() -> ModelBuilder {
    mobile(&HardSwish.into(), Gate::Computed { inner: Relu.into(), gate: HARD_SIGMOID.into() })
}

fn efficientnet() -> ModelBuilder {
    mobile(&Silu.into(), Gate::Computed { inner: Silu.into(), gate: Sigmoid.into() })
}

/// A ConvNeXt block: a depthwise convolution, a layer norm, two pointwise layers with a GELU, a scale, a skip connection.
fn convnext() -> ModelBuilder {
    let norm = LayerNorm { epsilon: 1e-6 };
    Model::builder(INPUT)
        .layer("stem", Conv2d { kernel: [2, 2], ..Conv2d::new(CHANNELS, 1).stride(2) })
        .layer("stem norm", norm)
        .layer("depthwise", depthwise())
        .layer("norm", norm)
        .layer("wide", pointwise(3 * CHANNELS))
        .layer("gelu", Gelu { tanh: false })
        .layer("narrow", pointwise(CHANNELS))
        .layer("scale", Scale { shape: vec![CHANNELS] })
        .layer_from("sum", Add, &["stem norm", "scale"])
        .layer("gap", GlobalAvgPool)
        .layer("head norm", norm)
        .layer("fc", Linear::new(3))
}

/// Numbers without an obvious pattern for all parameters.
fn filled<T: Real>(builder: ModelBuilder) -> Model<T> {
    let mut model = builder.build(1).unwrap().cast::<T>();
    let names: Vec<String> = model.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    for name in names {
        // The phase depends on the name alone, so that networks share what they have in common.
        let phase = name.bytes().map(f64::from).sum();
        let noise = wave::<T>(model.parameter(&name).unwrap().shape(), phase);
        let is_norm = (name.contains("bn.") || name.contains("norm.")) && !name.ends_with("bias");
        let positive = is_norm && !name.ends_with("mean");
        let value = noise.map(|v| if positive { T::one() + v * T::from_f64(0.3) } else { v * T::from_f64(0.7) });
        model.set_parameter(&name, value).unwrap();
    }
    model
}

fn image<T: Real>() -> Tensor<T> {
    wave([1, INPUT[0], INPUT[1], INPUT[2]], 3.0)
}

/// Both certificates of relevance were checked and hold.
fn conserves<T: Real>(builder: ModelBuilder) {
    let model = filled::<T>(builder);
    let pass = Pass::new(&model, image()).unwrap();
    for class in 0..3 {
        let all = pass.certify(class).unwrap();
        let relevance: Vec<_> = all.iter().filter(|certificate| certificate.identity.contains("LRP")).collect();
        assert_eq!(relevance.len(), 2);
        for certificate in relevance {
            assert!(matches!(certificate.finding, Finding::Checked(residual) if residual.holds()), "{certificate:?}");
        }
        for preset in
            [Preset::Epsilon, Preset::EpsilonPlusFlat, Preset::EpsilonGammaBox, Preset::EpsilonAlpha2Beta1Flat]
        {
            assert!(pass.why(class).explain(&Lrp { preset }).unwrap().verdict().is_evidence(), "{preset:?}");
        }
    }
}

#[test]
fn relevance_is_conserved_in_mobilenet_v3_efficientnet_and_convnext() {
    for builder in [mobilenet_v3, efficientnet, convnext] {
        conserves::<f64>(builder());
        conserves::<f32>(builder());
    }
}

/// A gate gets nothing, so relevance passes as if its values were weights.
#[test]
fn a_gate_counts_as_a_constant() {
    for (activation, builder) in [(Layer::from(HardSwish), mobilenet_v3()), (Silu.into(), efficientnet())] {
        let gated = filled::<f64>(builder);
        let pass = Pass::new(&gated, image()).unwrap();
        let values = pass.forward().activation(gated.layer_index("gate").unwrap()).value();
        let mut constant = filled::<f64>(mobile(&activation, Gate::Constant));
        constant.set_parameter("gated.weight", values.reshape([CHANNELS])).unwrap();
        let other = Pass::new(&constant, image()).unwrap();
        for lrp in [Preset::Epsilon, Preset::EpsilonPlus, Preset::EpsilonGammaBox].map(|preset| Lrp { preset }) {
            let [found, expected] = [&pass, &other].map(|pass| pass.why(1).explain(&lrp).unwrap());
            near(found.raw().as_slice().unwrap(), expected.raw().as_slice().unwrap(), "a gate");
        }
    }
}

/// One product, by hand: R = x·g of the value is that of the product, and nothing passes through the sigmoid.
#[test]
fn the_value_gets_all_of_the_relevance() {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(wave([1, 6], 1.0));
    let gate = x.mul_scalar(3.0).apply(Sigmoid).reshape([6]).reshape([1, 6]);
    let y = gate.mul(&x);
    let rule = Composite::everywhere(Epsilon::default()).on(&tape, &x).unwrap();
    let g = wave::<f64>([1, 6], 2.0);
    let arrived = tape.backward_from(&y, g.clone(), &rule, [&x]).unwrap().take(&x).unwrap();
    let [found, expected] = [(arrived, x.value()), (g, y.value())].map(|(g, value)| g.zip(value, |g, v| g * v));
    near(found.as_slice(), expected.as_slice(), "one gate");
}

#[test]
fn a_sigmoid_that_is_also_read_as_a_value_is_refused() {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(wave([1, 6], 1.0));
    let gate = x.apply(Sigmoid);
    let refused = |y: tensor::Var<f64>| {
        let y = y.sum();
        let rule = Composite::everywhere(Epsilon::default()).on(&tape, &x).unwrap();
        tape.backward(&y, &rule, [&x]).unwrap_err().to_string()
    };
    assert!(refused(gate.mul(&x).add(&gate)).contains("no rule for the sigmoid"));
    // A product of two gates has no value.
    assert!(refused(x.apply(Sigmoid).mul(&x.apply(Sigmoid))).contains("both of whose inputs depend on the image"));
}

/// y = γ(x − μ)·r + β with a constant r, in loops.
#[test]
fn the_deviation_of_a_group_norm_counts_as_constant() {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(wave([2, 3, 2, 6], 1.0));
    let (gamma, beta) = (tape.leaf(wave([6], 2.0)), tape.leaf(wave([6], 3.0)));
    let y = x.apply_with(GroupNorm { groups: 2, epsilon: 1e-3 }, &[&gamma, &beta]);
    let rule = Composite::everywhere(Epsilon::default()).on(&tape, &x).unwrap();
    let g = wave::<f64>([2, 3, 2, 6], 5.0);
    let arrived = tape.backward_from(&y, g.clone(), &rule, [&x]).unwrap().take(&x).unwrap();
    let (x, gamma) = (x.value().as_slice(), gamma.value().as_slice());
    for (image, group) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let own: Vec<usize> = (0..36).filter(|i| i % 6 / 3 == group).map(|i| image * 36 + i).collect();
        let mean = |f: &dyn Fn(usize) -> f64| own.iter().map(|&i| f(i)).sum::<f64>() / own.len() as f64;
        let centre = mean(&|i| x[i]);
        let deviation = (mean(&|i| (x[i] - centre).powi(2)) + 1e-3).sqrt();
        // x̂ᵢ = (xᵢ − 1/m Σⱼ xⱼ)/σ, and the gradient of Σᵢ gᵢ γᵢ x̂ᵢ at xⱼ.
        let weighted = |i: usize| g.as_slice()[i] * gamma[i % 6];
        let expected: Vec<f64> = own.iter().map(|&j| (weighted(j) - mean(&weighted)) / deviation).collect();
        let found: Vec<f64> = own.iter().map(|&j| arrived.as_slice()[j]).collect();
        near(&found, &expected, "a group norm");
    }
}
