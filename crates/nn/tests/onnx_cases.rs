//! ONNX files as exporters write them, each with what ONNX Runtime gives for it (`tests/cases`).

#![cfg(feature = "onnx")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nn::onnx::{LoadErrorKind, OnnxError, OnnxOptions};
use nn::{Layer, Model};
use serde::Deserialize;
use tensor::Tensor;

/// Files that aren't read with default options.
const APART: [&str; 2] = ["dynamic-size.onnx", "qdq.onnx"];

#[derive(Deserialize)]
struct Case {
    /// The input's file, `[H, W, C]`.
    input: String,
    outputs: BTreeMap<String, Output>,
}

#[derive(Deserialize)]
struct Output {
    /// The first of its values.
    values: Vec<f32>,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_slice(&fs::read(path("expected.json")).unwrap()).unwrap()
}

/// A NumPy array of single precision `[H, W, C]`, as a batch of one.
fn input(name: &str) -> Tensor<f32> {
    let bytes = fs::read(path(name)).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..header]).unwrap();
    assert!(text.contains("'<f4'") && text.contains("'fortran_order': False"), "{text}");
    let shape = text.split(['(', ')']).nth(1).unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|extent| extent.trim().parse().ok()).collect();
    let values = bytes[header..].as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Tensor::new(&[&[1], &shape[..]].concat()[..], values)
}

/// The scores as the file has them: with the softmax or sigmoid at the end that the model leaves out.
fn output(model: &Model, images: Tensor<f32>) -> Tensor<f32> {
    let scores = model.predict(images).unwrap();
    model.info().task.map_or(scores.clone(), |task| task.outputs(&scores))
}

/// The largest difference, over the largest of the values.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

fn check(name: &str, case: &Case, model: &Model) {
    let found = output(model, input(&case.input));
    let expected = match model.info().outputs.first() {
        Some(read) => &case.outputs[read].values,
        None => &case.outputs.values().next().unwrap().values,
    };
    assert!(found.len() >= expected.len() && difference(found.as_slice(), expected) < 1e-5, "{name}: {found:?}");
}

#[test]
fn files_give_the_scores_of_onnx_runtime() {
    let mut failures = Vec::new();
    for (name, case) in cases().iter().filter(|(name, _)| !APART.contains(&&name[..])) {
        match Model::load_onnx(path(name)) {
            Ok(model) => check(name, case, &model),
            Err(error) => failures.push(error.to_string()),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[derive(Deserialize)]
struct Made {
    /// The shape `[H, W, C]` of the input.
    image: [usize; 3],
    /// Height and width to ask for.
    size: Option<[usize; 2]>,
    /// The first of the output's values.
    values: Vec<f32>,
}

/// Networks that `make.py` writes, several for each kind.
#[test]
fn networks_of_other_shapes_give_the_scores_of_onnx_runtime() {
    let made: BTreeMap<String, Made> = serde_json::from_slice(&fs::read(path("made.json")).unwrap()).unwrap();
    let mut failures = Vec::new();
    for (name, Made { image, size, values }) in made {
        let model = match Model::load_onnx_with(
            path(&format!("made/{name}.onnx")),
            &OnnxOptions { size, ..OnnxOptions::default() },
        ) {
            Ok(model) => model,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        assert_eq!(model.input_shape(), image, "{name}");
        let x = Tensor::from_fn(&[&[1], &image[..]].concat()[..], |i| (0.37 * i as f64).sin() as f32);
        let found = output(&model, x);
        let difference = difference(found.as_slice(), &values);
        if found.len() < values.len() || difference.is_nan() || difference > 1e-5 {
            failures.push(format!("{name}: {difference}, {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What is read comes back from a file that is written of it.
#[test]
fn networks_that_were_read_come_back() {
    for entry in fs::read_dir(path("made")).unwrap() {
        let file = entry.unwrap().path();
        let options = OnnxOptions { size: Some([24, 24]), ..OnnxOptions::default() };
        let model = Model::load_onnx_with(&file, &options).unwrap();
        let back = Model::from_onnx(&model.to_onnx()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let [h, w, c] = model.input_shape();
        let x = Tensor::from_fn([2, h, w, c], |i| (0.37 * i as f64).sin() as f32);
        let [once, again] = [&model, &back].map(|model| model.predict(x.clone()).unwrap());
        assert_eq!(once.shape(), again.shape(), "{}", file.display());
        let difference = difference(again.as_slice(), once.as_slice());
        assert!(difference < 1e-6, "{}: {difference}", file.display());
        assert_eq!(model.last_spatial_layer().is_some(), back.last_spatial_layer().is_some(), "{}", file.display());
    }
}

/// The names of the layers' kinds.
fn kinds(name: &str) -> Vec<String> {
    let model = Model::load_onnx(path(name)).unwrap();
    model.layers().iter().map(|node| format!("{:?}", node.layer).split('(').next().unwrap().to_string()).collect()
}

/// What exporters write as several nodes is one layer, which rules about layers know by its name.
#[test]
fn functions_that_are_written_out_become_one_layer() {
    for name in ["operator", "sigmoid-times", "clip-last", "clip-gate", "clip-first"] {
        let kinds = kinds(&format!("made/hard-{name}.onnx"));
        let scale = if matches!(name, "operator") { &[][..] } else { &["Scale"] };
        let expected = [&["Conv2d"], scale, &["HardSwish", "Conv2d", "Relu", "GlobalAvgPool", "Linear"]].concat();
        assert_eq!(kinds, expected, "{name}");
    }
    let excitation = kinds("made/hard-excitation.onnx");
    assert!(excitation.contains(&"HardSigmoid".into()) && !excitation.contains(&"Clip".into()), "{excitation:?}");
    assert_eq!(kinds("hardswish.onnx").iter().filter(|kind| *kind == "Relu" || *kind == "Clip").count(), 1);
    for name in ["embedding", "pixels", "cosine-head", "new-exporter", "square-root", "tensorflow", "operator"] {
        let kinds = kinds(&format!("made/unit-{name}.onnx"));
        assert!(kinds.contains(&"L2Norm".into()) && !kinds.contains(&"Power".into()), "{name}: {kinds:?}");
    }
    for name in ["softplus-new.onnx", "made/choice-softplus.onnx", "made/choice-softplus-beta.onnx"] {
        let kinds = kinds(name);
        assert!(kinds.contains(&"Softplus".into()) && !kinds.contains(&"Step".into()), "{name}: {kinds:?}");
    }
    assert!(kinds("made/choice-leaky.onnx").contains(&"LeakyRelu".into()));
}

#[test]
fn a_size_that_the_file_leaves_open_is_asked_for_and_taken() {
    let file = path("dynamic-size.onnx");
    let error = Model::load_onnx(&file).unwrap_err();
    let LoadErrorKind::Onnx(kind) = &error.kind else { panic!("{error}") };
    assert!(matches!(**kind, OnnxError::OpenSize { .. }), "{error}");
    assert!(error.to_string().contains("[batch_size, num_channels, height, width]"), "{error}");
    let with = |size| Model::load_onnx_with(&file, &OnnxOptions { size: Some(size), ..OnnxOptions::default() });
    check("dynamic-size.onnx", &cases()["dynamic-size.onnx"], &with([32, 32]).unwrap());
    assert_eq!(with([20, 31]).unwrap().input_shape(), [20, 31, 3]);
    assert!(with([2, 31]).is_err());
}

#[test]
fn a_quantised_network_is_named_as_such() {
    let error = Model::load_onnx(path("qdq.onnx")).unwrap_err().to_string();
    assert!(error.contains("(DequantizeLinear): this network is quantised: export the float model"), "{error}");
    assert!(!error.contains("Conv"), "{error}");
}

/// What an output means follows from the last operations, and which output is read from the graph.
#[test]
fn outputs_are_chosen_and_understood() {
    use nn::Task::{Classes, Embedding, Labels, Values};
    let read = |name: &str, output: Option<&str>| {
        let options = OnnxOptions { output: output.map(String::from), ..OnnxOptions::default() };
        Model::load_onnx_with(path(name), &options)
    };
    for (name, task, scores) in [
        ("one-sigmoid.onnx", Labels, 1),
        ("one-logit.onnx", Values, 1),
        ("multilabel-sigmoid.onnx", Labels, 6),
        ("tf2onnx-cats-dogs.onnx", Labels, 1),
        ("keras3-plain.onnx", Classes, 5),
        ("normalize.onnx", Embedding, 8),
        ("features-logits.onnx", Classes, 5),
        ("map-logits.onnx", Classes, 5),
    ] {
        let model = read(name, None).unwrap();
        assert_eq!((model.task(), model.scores(), model.is_map()), (task, scores, false), "{name}");
    }
    let features = read("features-logits.onnx", Some("features")).unwrap();
    assert_eq!((features.scores(), &features.info().outputs[..]), (16, &["features".to_string(), "logits".into()][..]));
    let map = read("map-logits.onnx", Some("map")).unwrap();
    assert_eq!(map.output_shape(), [32, 32, 16]);
    let expected = &cases()["map-logits.onnx"].outputs["map"].values;
    let scores = map.predict(input("x32.npy")).unwrap();
    // ONNX has channels first: the first row of the first channel.
    let row: Vec<f32> = scores.as_slice().iter().step_by(16).take(expected.len()).copied().collect();
    assert!(difference(&row, expected) < 1e-5);
    let unknown = read("map-logits.onnx", Some("maps")).unwrap_err().to_string();
    assert!(
        unknown.ends_with("there is no output `maps`; the network's outputs are map [N, 16, 32, 32], logits [N, 5]")
    );
}

/// The meaning of the scores stays with the model in both kinds of file, for rows and for maps.
#[test]
fn tasks_are_kept_in_files() {
    use nn::layers::{Conv2d, GlobalAvgPool, Linear};
    use nn::{ModelInfo, Task};
    let features = Model::builder([6, 5, 2]).layer("conv", Conv2d::new(3, 3));
    let info = |task, classes: &[&str], units: &[&str]| {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        ModelInfo { task, classes: own(classes), units: own(units), ..ModelInfo::default() }
    };
    let row = features.clone().layer("gap", GlobalAvgPool).layer("fc", Linear::new(1));
    let map = features.layer("map", Conv2d::new(2, 1));
    for (builder, info) in [
        (row.clone(), info(Some(Task::Labels), &["sound", "defect"], &[])),
        (row.clone(), info(Some(Task::Values), &["age"], &["years"])),
        (row, info(None, &[], &[])),
        (map.clone(), info(None, &["road", "sky"], &[])),
        (map, info(Some(Task::Values), &["depth", "height"], &["m", ""])),
    ] {
        let model = builder.info(info).build(1).unwrap();
        let again = Model::from_onnx(&model.to_onnx()).unwrap();
        assert_eq!((again.info(), again.output_shape()), (model.info(), model.output_shape()));
        let images = Tensor::from_fn([2, 6, 5, 2], |i| (i as f32).sin());
        assert_eq!(again.predict(images.clone()).unwrap(), model.predict(images).unwrap());
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    }
}

/// Where a gradient of one position's values isn't zero in the image: first and last row and column.
fn reads(model: &Model, layer: usize, position: usize) -> Option<[[usize; 2]; 2]> {
    let [h, w, c] = model.input_shape();
    let forward = model.record(Tensor::from_fn([1, h, w, c], |i| (0.37 * i as f64).sin() as f32)).unwrap();
    let output = forward.activation(layer);
    let channels = *output.shape().last().unwrap();
    let mut seed = Tensor::zeros(output.shape());
    seed.make_mut()[position * channels..][..channels].iter_mut().zip(1..).for_each(|(g, i)| *g = i as f32);
    let mut gradients = forward.tape().backward_from(output, seed, &tensor::Exact, [forward.input()]).unwrap();
    let gradient = gradients.take(forward.input()).unwrap();
    let touched = gradient.as_slice().iter().enumerate().filter(|(_, g)| **g != 0.0);
    let pixels: Vec<[usize; 2]> = touched.map(|(value, _)| [value / c / w, value / c % w]).collect();
    let ends = |axis: usize| {
        let along = pixels.iter().map(|pixel| pixel[axis]);
        Some([along.clone().min()?, along.max()?])
    };
    Some([ends(0)?, ends(1)?])
}

/// Before the first attention each token reads the pixels of its own patch, which tells where it stands.
#[test]
fn tokens_stand_where_their_patches_are() {
    let (with_class_token, without) = (["vit-class-token", "vit-encoder", "vit-new-exporter"], ["vit-einsum"]);
    for (name, patch) in with_class_token.into_iter().chain(without).map(|name| (name, 4)).chain([("swin-windows", 2)])
    {
        let model = Model::load_onnx(path(&format!("made/{name}.onnx"))).unwrap();
        let end = model.layers().iter().position(|node| matches!(node.layer, Layer::MatMul(_))).unwrap();
        let mut are_all_in_order = true;
        for (layer, grid) in model.grids()[..end].iter().enumerate() {
            let Some(grid) = grid else { continue };
            assert_eq!(grid.step, [1.0; 2], "{name}");
            let positions = grid.positions.clone().unwrap_or_else(|| (0..grid.size[0] * grid.size[1]).collect());
            for (cell, position) in positions.into_iter().enumerate() {
                let at = [cell / grid.size[1], cell % grid.size[1]];
                let expected = [0, 1].map(|axis| {
                    let first = (grid.origin[axis] as usize + at[axis]) * patch;
                    [first, first + patch - 1]
                });
                assert_eq!(reads(&model, layer, position), Some(expected), "{name}, {}", model.layers()[layer].name);
            }
            are_all_in_order &= grid.positions.is_none();
        }
        // A class token stands before the others, and windows divide the picture.
        assert_eq!(are_all_in_order, without.contains(&name), "{name}");
    }
}

/// Tokens before the last attention, which alone the class token reads; pictures before their pooling.
#[test]
fn the_default_layer_is_the_last_whose_positions_are_mixed() {
    let default = |name: &str| {
        let model = Model::load_onnx(path(&format!("made/{name}.onnx"))).unwrap();
        let layer = model.last_spatial_layer().unwrap();
        (model.layers()[layer].name.clone(), model.grids()[layer].as_ref().unwrap().size)
    };
    assert_eq!(default("vit-class-token"), ("/blocks/blocks.1/norm1/LayerNormalization".into(), [3, 4]));
    assert_eq!(default("vit-einsum"), ("/norm/LayerNormalization".into(), [3, 4]));
    assert_eq!(default("swin-windows"), ("/norm/LayerNormalization".into(), [6, 8]));
    assert_eq!(default("norm-behind-pool"), ("/Relu".into(), [4, 3]));
    assert_eq!(default("pooled-twice").1, [6, 7]);
}
