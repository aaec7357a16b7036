use proptest::prelude::*;

use super::run::{Run, Share};
use super::testing::random;
use super::*;
use crate::losses::log_softmax;
use tensor::{Exact, Tape, Tensor, gradcheck};

/// Every operation that works in blocks, one after the other: the output, and the gradients for x, w, γ, β.
fn chain(x: &Tensor<f32>, training: bool) -> Vec<Tensor<f32>> {
    let tape = Tape::new();
    let leaf = |value: Tensor<f64>| tape.leaf(value.cast());
    let vars = [tape.leaf(x.clone()), leaf(random([3, 3, 4, 6], 2)), leaf(random([6], 3)), leaf(random([6], 4))];
    let [x, w, gamma, beta] = &vars;
    let y = x.apply_with(Conv2d::new(6, 3).without_bias(), &[w]);
    let y = if training {
        dropout(batch_norm_training(&y, gamma, beta, 1e-5).0, 0.3, 9)
    } else {
        let [mean, variance] = [0.0, 1.0].map(|value| tape.leaf(Tensor::full([6], value)));
        y.apply_with(BatchNorm::new(), &[gamma, beta, &mean, &variance])
    };
    let interpolation = Interpolation::Bilinear { align_corners: false };
    let y = y.apply(Silu).apply(MaxPool::new(3).stride(1).padding(1)).apply(Sigmoid);
    let y = y.apply(AvgPool::new(2)).apply(Resize { size: [37, 41], interpolation });
    let y = log_softmax(&y.apply(LeakyRelu { slope: 0.1 }).apply(GlobalAvgPool));
    let gradients = tape.backward(&y.mul(&y), &Exact, &vars).unwrap();
    std::iter::once(y.value().clone()).chain(vars.iter().map(|var| gradients[var].clone())).collect()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = random([3, 48, 44, 4], 1).cast();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| chain(&x, true))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    let x = random([3, 48, 44, 4], 1).cast();
    let image = 48 * 44 * 4;
    let last = Tensor::new([1, 48, 44, 4], x.as_slice()[2 * image..].to_vec());
    let (batch, alone) = (chain(&x, false), chain(&last, false));
    assert_eq!(batch[0].as_slice()[12..], *alone[0].as_slice());
    assert_eq!(batch[1].as_slice()[2 * image..], *alone[1].as_slice());
}

/// At least one example of each kind, with settings that aren't the defaults.
fn examples() -> Vec<Layer> {
    let lines = include_str!("../../tests/golden/layers.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_kind_has_an_example() {
    let debug: Vec<String> = examples().iter().map(|layer| format!("{layer:?}")).collect();
    for kind in Layer::KINDS {
        assert!(
            debug.iter().any(|layer| layer.starts_with(&format!("{kind}("))),
            "tests/golden/layers.jsonl: no {kind}"
        );
    }
}

#[test]
fn settings_that_a_kind_does_not_have_are_refused() {
    for layer in examples() {
        let mut json = serde_json::to_value(&layer).unwrap();
        json["unknown"] = 1.into();
        assert!(serde_json::from_value::<Layer>(json).is_err(), "{layer}");
    }
}

/// Shapes of one image that this layer takes, two if it can.
fn fitting(layer: &Layer) -> Vec<&'static [usize]> {
    let images: [&[usize]; 4] = [&[3, 4, 6], &[4, 2, 3], &[24], &[8, 18, 2]];
    let inputs =
        images.iter().flat_map(|&image| [vec![image, &image[image.len() - 1..]], vec![image, image], vec![image]]);
    inputs.into_iter().find(|inputs| layer.output_shape(inputs).is_ok()).expect("a shape that fits")
}

#[test]
fn gradients_of_each_kind_agree_with_differences() {
    for (layer, mode) in examples()
        .into_iter()
        .flat_map(|layer| [Mode::Evaluation, Mode::Training { seed: 7 }].map(|mode| (layer.clone(), mode)))
    {
        let images = fitting(&layer);
        // Divisors, bases of powers and arguments of logarithms are positive; so are variances.
        let is_positive = matches!(layer, Layer::Div(_) | Layer::Power(_) | Layer::Log(_));
        let input = |x: f64| if is_positive { 0.3 + x.abs() } else { 3.0 * x };
        let inputs =
            images.iter().zip(1..).map(|(image, seed)| random(&[&[2][..], *image].concat()[..], seed).map(input));
        let (trained, statistics): (Vec<_>, Vec<_>) =
            layer.parameters(images[0]).into_iter().partition(|spec| spec.trainable);
        let parameters = trained.iter().zip(11..).map(|(spec, seed)| random(&spec.shape[..], seed));
        let stored: Vec<_> = (trained.iter().chain(&statistics))
            .map(|spec| Parameter {
                name: spec.name.into(),
                trainable: spec.trainable,
                value: random(&spec.shape[..], 21).map(|value| 0.3 + value.abs()),
            })
            .collect();
        let leaves: Vec<Tensor<f64>> = inputs.chain(parameters).collect();
        let checked = gradcheck(&leaves, |vars| {
            let (inputs, parameters) = vars.split_at(images.len());
            layer.record_as(Run {
                inputs: inputs.to_vec(),
                parameters: &parameters.iter().cloned().map(Some).collect::<Vec<_>>(),
                stored: &stored,
                mode,
                share: Share::Apart,
                layer: 0,
                statistics: &mut Vec::new(),
            })
        });
        if let Err(error) = checked.within(1e-6) {
            panic!("{layer}, {mode:?}: {error}");
        }
    }
}

/// The same JSON with numbers of single precision, which are what ONNX holds.
#[cfg(feature = "onnx")]
fn in_single_precision(mut json: serde_json::Value) -> serde_json::Value {
    match &mut json {
        serde_json::Value::Number(number) if number.is_f64() => {
            json = crate::onnx::node::decimal(number.as_f64().unwrap() as f32).into();
        }
        serde_json::Value::Array(values) => {
            values.iter_mut().for_each(|value| *value = in_single_precision(value.take()))
        }
        serde_json::Value::Object(map) => map.values_mut().for_each(|value| *value = in_single_precision(value.take())),
        _ => (),
    }
    json
}

/// A setting that isn't written, or not read, would be missed.
#[cfg(feature = "onnx")]
#[test]
fn each_kind_comes_back_from_an_onnx_file() {
    for layer in examples() {
        let json = in_single_precision(serde_json::to_value(layer).unwrap());
        let layer: Layer = serde_json::from_value(json).unwrap();
        // What doesn't depend on the image is a constant for a reader, until it meets something that does.
        if matches!(layer, Layer::Learned(_)) {
            continue;
        }
        let inputs = fitting(&layer);
        let image = inputs[0].try_into().unwrap_or([2, 4, 3]);
        let is_row = inputs[0].len() == 1;
        let (mut builder, first) = (crate::Model::builder(image), if is_row { "flat" } else { "input" });
        if is_row {
            builder = builder.layer(first, Flatten);
        }
        let mut names = vec![first; inputs.len()];
        if inputs.last() != inputs.first() {
            names[1] = "pooled";
            builder = builder.layer("pooled", GlobalAvgPool);
        }
        let builder = builder.layer_from("layer", layer.clone(), &names);
        let output = layer.output_shape(&inputs).unwrap();
        let builder = if output.len() == 1 { builder } else { builder.layer("row", Flatten) };
        let model = builder.layer("fc", Linear::new(2)).build(1).unwrap();
        let back = crate::Model::from_onnx(&model.to_onnx()).unwrap();
        assert_eq!(back.layers(), model.layers());
        assert!(back == model, "{layer}");
    }
}

/// Small extents, and ones whose products overflow.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    let extent = prop_oneof![8 => 0_usize..8, 1 => Just(1 << 20), 1 => Just(usize::MAX)];
    prop::collection::vec(extent, 0..5)
}

proptest! {
    #[test]
    fn shapes_that_do_not_fit_are_errors(inputs in prop::collection::vec(shape(), 0..4)) {
        let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        for layer in examples() {
            let Ok(output) = layer.output_shape(&inputs) else { continue };
            let _ = (layer.parameters(inputs[0]), layer.kind().work(inputs[0], &output), layer.kind().effect(inputs[0]), layer.kind().reach());
        }
    }

    /// What a layer computes has the shape that it says.
    #[test]
    fn outputs_have_the_shape_that_was_promised(h in 1_usize..7, w in 1_usize..7, c in prop::sample::select(vec![1_usize, 2, 3, 4, 6])) {
        for (layer, input) in examples().into_iter().flat_map(|layer| [(layer.clone(), vec![h, w, c]), (layer, vec![h * w * c])]) {
            let Ok(output) = layer.output_shape(&[&input]) else { continue };
            let tape = Tape::new();
            let parameters: Vec<_> = (layer.parameters(&input).iter().zip(2..))
                .map(|(spec, seed)| tape.leaf(random(&spec.shape[..], seed).map(f64::abs)))
                .collect();
            let x = tape.leaf(random(&[&[2][..], &input].concat()[..], 1));
            let y = x.apply_with(layer.clone(), &parameters.iter().collect::<Vec<_>>());
            prop_assert_eq!(&y.shape()[1..], &output[..], "{}", layer);
        }
    }
}
