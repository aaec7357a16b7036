//! Layers that are computed together.

use super::*;
use crate::layers::{MatMul, Rearrange, Select, Shift, Softmax};

/// Chains of every kind, in every algorithm of a forward pass.
fn chained() -> ModelBuilder {
    Model::builder([8, 6, 2])
        .layer("stem", Conv2d::new(36, 3).stride(1))
        .layer("stem_bn", BatchNorm::new())
        .layer("stem_silu", Silu)
        .layer("conv1", Conv2d::new(36, 3).without_bias())
        .layer("bn1", BatchNorm::new())
        .layer_from("sum", Add, &["stem_silu", "bn1"])
        .layer("relu1", Relu)
        .layer("depthwise", Conv2d::new(36, 3).groups(36))
        .layer("gate", HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 })
        .layer_from("swish", Mul, &["depthwise", "gate"])
        .layer("strided", Conv2d::new(36, 3).stride(2).groups(36))
        .layer("clip", Clip::RELU6)
        .layer_from("narrow", Conv2d::new(20, 1).stride(2), &["relu1"])
        .layer("scale", Scale { shape: vec![20] })
        .layer("gelu", Gelu { tanh: false })
        .layer_from("joined", Concat::default(), &["clip", "gelu"])
        .layer("norm", BatchNorm::new())
        .layer("relu2", Relu)
        .layer("norm2", BatchNorm::new())
        .layer("sigmoid", Sigmoid)
        .layer("grouped", Conv2d::new(28, 3).groups(4))
        .layer("tanh", Tanh)
        .layer("wide", Conv2d::new(8, 3))
        .layer("wide_silu", Silu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
        .layer("softplus", Softplus)
}

/// With statistics and scales that are not those that training starts from.
pub(in crate::model) fn trained(mut model: Model) -> Model {
    for (seed, parameter) in model.parameters.iter_mut().enumerate() {
        let noise = random(*parameter.value.shape(), seed as u64).cast::<f32>();
        let is_variance = parameter.name.ends_with("running_var");
        let moved = |value, noise: f32| if is_variance { 0.5 + noise.abs() } else { value + 0.3 * noise };
        parameter.value = parameter.value.clone().zip(&noise, moved);
    }
    model
}

#[test]
fn layers_that_are_computed_together_have_the_bits_of_the_layers_apart() {
    let model = trained(chained().build(3).unwrap());
    let chained = |plan: &super::plan::Plan| {
        (0..model.layers().len())
            .filter(|&layer| plan.group(layer, 0, model.layers().len(), Keep::Nothing).is_some())
            .count()
    };
    assert_eq!(chained(model.plans.of(Mode::Evaluation)), 26, "all but the pooling");
    let forward = model.record(images(3)).unwrap();
    // What takes long to compute and the chain rule needs is written on the way.
    let written = |name| forward.activation(model.layer_index(name).unwrap()).to_value().is_ready();
    assert_eq!(["wide_silu", "wide", "stem_bn", "conv1"].map(written), [true, true, false, false]);
    assert_eq!(&model.predict(images(3)).unwrap(), forward.logits().value());
    let logits = forward.logits().value().as_slice()[3..6].to_vec();
    for layer in 0..model.layers().len() {
        let outputs = forward.activation(layer).value();
        let each = outputs.len() / 3;
        let one = Tensor::new(outputs.shape().with(0, 1), outputs.as_slice()[each..2 * each].to_vec());
        assert_eq!(
            model.resume(layer, model.layers().len() - 1, &one, &forward, 1).as_slice(),
            logits,
            "layer {layer}"
        );
    }
}

#[test]
fn gradients_through_what_is_computed_together_are_those_of_the_layers_apart() {
    let model = trained(chained().build(3).unwrap()).cast::<f64>();
    let x = images(2).cast::<f64>();
    let forward = model.record(x.clone()).unwrap();
    let found = forward.tape().backward(forward.logits(), &Exact, [forward.input()]).unwrap();
    let sum = |x: Tensor<f64>| model.predict(x).unwrap().as_slice().iter().sum::<f64>();
    for index in (0..x.len()).step_by(7) {
        let moved = |by: f64| {
            let mut x = x.clone();
            x.make_mut()[index] += by;
            sum(x)
        };
        let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        approx::assert_abs_diff_eq!(found[forward.input()].as_slice()[index], difference, epsilon = 1e-6);
    }
    let run = |keep| {
        let tape = Tape::keeping(keep);
        let forward = model.forward(&tape, x.clone(), Mode::Training { seed: 5 }).unwrap();
        let wanted: Vec<_> = forward.trained(&model).map(|(_, var)| var.clone()).collect();
        let mut found = tape.backward(&forward.logits, &Exact, &wanted).unwrap();
        wanted.iter().map(|var| found.take(var).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(Keep::All), run(Keep::Needed));
}

/// Two heads over 20×15 positions, with everything that can stand between the two products.
fn attending() -> ModelBuilder {
    let heads = Rearrange { extents: vec![300, 3, 2, 3], axes: vec![1, 2, 0, 3], shape: vec![3, 2, 300, 3] };
    let windows = Rearrange { extents: vec![180_000], axes: vec![0], shape: vec![1, 2, 300, 300] };
    Model::builder([20, 15, 2])
        .layer("wide", Conv2d::new(18, 1))
        .layer("heads", heads)
        .layer_from("query", Select { axis: 0, indices: vec![0] }, &["heads"])
        .layer_from("key", Select { axis: 0, indices: vec![1] }, &["heads"])
        .layer_from("value", Select { axis: 0, indices: vec![2] }, &["heads"])
        .layer_from("scores", MatMul { transposed: true }, &["query", "key"])
        .layer("scale", Scale { shape: vec![1] })
        .layer("windows", windows)
        .layer("bias", Shift { shape: vec![2, 300, 300] })
        .layer("mask", Shift { shape: vec![2, 1, 300] })
        .layer("weights", Softmax)
        .layer_from("attended", MatMul { transposed: false }, &["weights", "value"])
        .layer("joined", Rearrange { extents: vec![2, 300, 3], axes: vec![1, 0, 2], shape: vec![20, 15, 6] })
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
}

#[test]
fn an_attention_in_one_pass_has_the_bits_of_its_layers_apart() {
    let model = trained(attending().build(3).unwrap());
    let attends = |keep| {
        let plan = model.plans.of(Mode::Evaluation);
        (0..model.layers().len()).filter(|&layer| plan.group(layer, 0, model.layers().len(), keep).is_some()).count()
    };
    assert_eq!([Keep::Nothing, Keep::All].map(attends), [7, 0]);
    let x = Tensor::from_fn([3, 20, 15, 2], |i| (i as f32 * 0.37).sin());
    let apart = model.record(x.clone()).unwrap();
    assert_eq!(&model.predict(x.clone()).unwrap(), apart.logits().value());
    let weights = model.layer_index("weights").unwrap();
    assert_eq!(&model.predict_at(weights, x.clone()).unwrap(), apart.activation(weights).value());
    let model = model.cast::<f64>();
    let x = x.cast::<f64>();
    assert_eq!(&model.predict(x.clone()).unwrap(), model.record(x).unwrap().logits().value());
}
