//! Normalisations, whole and written out, and what is computed from weights alone.

use super::parts::{computed, ints, list, with};
use super::{node, tensor};
use crate::onnx::schema::{DataType, NodeProto, TensorProto};

fn channels_last(from: &str, to: &str) -> NodeProto {
    ints(node("Transpose", to, &[from], to), "perm", &[0, 2, 3, 1])
}

fn channels_first(from: &str, to: &str) -> NodeProto {
    ints(node("Transpose", to, &[from], to), "perm", &[0, 3, 1, 2])
}

const SHAPE: [usize; 4] = [2, 4, 2, 3];

/// Pixels `[N, C, H, W]` of an image that counts from 0, each normalised over the pixels that `set` gives for it.
fn normalized(set: impl Fn([usize; 4], [usize; 4]) -> bool) -> Vec<f64> {
    let [n, c, h, w] = SHAPE;
    let places: Vec<[usize; 4]> =
        (0..n * c * h * w).map(|i| [i / (c * h * w), i / (h * w) % c, i / w % h, i % w]).collect();
    let of = |&place: &[usize; 4]| {
        let members: Vec<f64> =
            places.iter().enumerate().filter(|(_, other)| set(place, **other)).map(|(i, _)| i as f64).collect();
        let mean = members.iter().sum::<f64>() / members.len() as f64;
        let variance = members.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / members.len() as f64;
        (mean, (variance + 1e-5).sqrt())
    };
    places.iter().enumerate().map(|(i, place)| (i as f64 - of(place).0) / of(place).1).collect()
}

fn scaled(values: &[f64]) -> Vec<f64> {
    let of_channel = |i: usize| i / 6 % 4;
    values
        .iter()
        .enumerate()
        .map(|(i, x)| x * f64::from(SCALE[of_channel(i)]) + f64::from(BIAS[of_channel(i)]))
        .collect()
}

const SCALE: [f32; 4] = [0.5, 1.0, 1.5, -2.0];
const BIAS: [f32; 4] = [0.1, 0.2, -0.3, 0.4];

fn check(nodes: Vec<NodeProto>, more: Vec<TensorProto>, expected: &[f64]) {
    let constants = [more, vec![tensor("scale", &[4], &SCALE), tensor("bias", &[4], &BIAS)]].concat();
    let (shape, values) = computed(SHAPE, nodes, constants).unwrap();
    assert_eq!(shape, SHAPE);
    for (&found, &expected) in values.iter().zip(expected) {
        approx::assert_relative_eq!(f64::from(found), expected, epsilon = 1e-4);
    }
}

#[test]
fn channels_of_a_pixel_are_normalized() {
    let expected = scaled(&normalized(|[n, _, h, w], [m, _, i, j]| [n, h, w] == [m, i, j]));
    let whole = || node("LayerNormalization", "norm", &["a", "scale", "bias"], "b");
    check(vec![channels_last("x", "a"), whole(), channels_first("b", "y")], Vec::new(), &expected);

    // Written out, as exporters do that have no operator for it.
    let mean = |from: &str, to: &str| ints(node("ReduceMean", to, &[from], to), "axes", &[-1]);
    let written_out = vec![
        channels_last("x", "a"),
        mean("a", "mean"),
        node("Sub", "centred", &["a", "mean"], "centred"),
        node("Pow", "squares", &["centred", "two"], "squares"),
        mean("squares", "variance"),
        node("Add", "positive", &["variance", "epsilon"], "positive"),
        node("Sqrt", "deviation", &["positive"], "deviation"),
        node("Div", "normalized", &["centred", "deviation"], "normalized"),
        node("Mul", "scaled", &["normalized", "scale"], "scaled"),
        node("Add", "b", &["scaled", "bias"], "b"),
        channels_first("b", "y"),
    ];
    check(written_out, vec![tensor("two", &[], &[2.0]), tensor("epsilon", &[], &[1e-5])], &expected);
}

#[test]
fn groups_of_channels_are_normalized() {
    let of_groups = normalized(|[n, c, ..], [m, d, ..]| (n, c / 2) == (m, d / 2));
    // As PyTorch's older exporter writes it.
    let nodes = vec![
        node("Reshape", "groups", &["x", "grouped"], "a"),
        node("InstanceNormalization", "norm", &["a", "ones", "zeros"], "b"),
        node("Reshape", "picture", &["b", "whole"], "c"),
        node("Mul", "scaled", &["c", "scales"], "d"),
        node("Add", "y", &["d", "biases"], "y"),
    ];
    let constants = vec![
        list("grouped", &[0, 2, -1]),
        list("whole", &[2, 4, 2, 3]),
        tensor("ones", &[2], &[1.0; 2]),
        tensor("zeros", &[2], &[0.0; 2]),
        tensor("scales", &[4, 1, 1], &SCALE),
        tensor("biases", &[4, 1, 1], &BIAS),
    ];
    check(nodes, constants, &scaled(&of_groups));

    // With a scale and a bias for each group, as before version 21.
    let group = with(node("GroupNormalization", "y", &["x", "of_group", "shift"], "y"), &[("num_groups", 2)]);
    let constants = vec![tensor("of_group", &[2], &[2.0, 3.0]), tensor("shift", &[2], &[0.0, 1.0])];
    let expected: Vec<f64> =
        of_groups.iter().enumerate().map(|(i, x)| if i / 12 % 2 == 0 { 2.0 * x } else { 3.0 * x + 1.0 }).collect();
    check(vec![group], constants, &expected);
}

#[test]
fn responses_of_channels_compete() {
    // Global response normalisation, of ConvNeXt V2 (Woo et al. 2023): g = ‖x_c‖, x·g/(mean g + ε) scaled, and x.
    let nodes = vec![
        channels_last("x", "a"),
        ints(node("ReduceL2", "length", &["a"], "g"), "axes", &[1, 2]),
        ints(node("ReduceMean", "mean", &["g"], "m"), "axes", &[-1]),
        node("Add", "safe", &["m", "epsilon"], "s"),
        node("Div", "relative", &["g", "s"], "r"),
        node("Mul", "weighed", &["a", "r"], "u"),
        node("Mul", "scaled", &["u", "scale"], "v"),
        node("Add", "shifted", &["v", "bias"], "b"),
        channels_first("b", "y"),
    ];
    let value = |n: usize, c: usize, p: usize| ((n * 4 + c) * 6 + p) as f64;
    let length = |n: usize, c: usize| (0..6).map(|p| value(n, c, p).powi(2)).sum::<f64>().sqrt();
    let relative = |n: usize, c: usize| length(n, c) / ((0..4).map(|c| length(n, c)).sum::<f64>() / 4.0 + 1e-6);
    let expected: Vec<f64> = (0..48).map(|i| value(0, 0, i) * relative(i / 24, i / 6 % 4)).collect();
    check(nodes, vec![tensor("epsilon", &[], &[1e-6])], &scaled(&expected));
}

#[test]
fn weights_are_standardized_before_they_are_used() {
    // Weight standardisation (Qiao et al. 2019), written out over the weights of a convolution.
    let mean = |from: &str, to: &str| ints(node("ReduceMean", to, &[from], to), "axes", &[1, 2, 3]);
    let nodes = vec![
        mean("weight", "mean"),
        node("Sub", "centred", &["weight", "mean"], "centred"),
        node("Mul", "squares", &["centred", "centred"], "squares"),
        mean("squares", "variance"),
        node("Max", "positive", &["variance", "least"], "positive"),
        node("Sqrt", "deviation", &["positive"], "deviation"),
        node("Reciprocal", "inverse", &["deviation"], "inverse"),
        node("Mul", "standard", &["centred", "inverse"], "standard"),
        node("Conv", "y", &["x", "standard"], "y"),
    ];
    // Of each output's four weights the mean is 2.5 and 0, the deviation √1.25 and 1.
    let weights = [1.0, 2.0, 3.0, 4.0, 1.0, -1.0, 1.0, -1.0].repeat(2);
    let constants = vec![tensor("weight", &[4, 4, 1, 1], &weights), tensor("least", &[], &[1e-4])];
    let standard = [[-1.5, -0.5, 0.5, 1.5].map(|w| w / 1.25_f64.sqrt()), [1.0, -1.0, 1.0, -1.0]];
    let pixel =
        |n: usize, o: usize, p: usize| (0..4).map(|c| standard[o % 2][c] * ((n * 4 + c) * 6 + p) as f64).sum::<f64>();
    let expected: Vec<f64> = (0..48).map(|i| pixel(i / 24, i / 6 % 4, i % 6)).collect();
    check(nodes, constants, &expected);
}

#[test]
fn margins_are_computed_from_the_size() {
    // TensorFlow's `SAME`, as traced: 2·⌈W/2⌉ − W columns more.
    let cast = |from: &str, to: &str, kind: DataType| {
        with(node("Cast", to, &[from], to), &[("to", i64::from(i32::from(kind)))])
    };
    let nodes = vec![
        node("Shape", "shape", &["x"], "shape"),
        node("Gather", "width", &["shape", "last"], "width"),
        cast("width", "exact", DataType::Float),
        node("Div", "half", &["exact", "two"], "half"),
        node("Ceil", "up", &["half"], "up"),
        cast("up", "windows", DataType::Int64),
        node("Mul", "covered", &["windows", "stride"], "covered"),
        node("Sub", "missing", &["covered", "width"], "missing"),
        node("Max", "margin", &["missing", "none"], "margin"),
        node("ConstantOfShape", "nothing", &["seven"], "nothing"),
        cast("nothing", "others", DataType::Int64),
        with(node("Concat", "pads", &["others", "margin"], "pads"), &[("axis", 0)]),
        node("Pad", "y", &["x", "pads"], "y"),
    ];
    let constants = vec![
        list("last", &[3]),
        tensor("two", &[], &[2.0]),
        list("stride", &[2]),
        list("none", &[0]),
        list("seven", &[7]),
    ];
    let (shape, values) = computed([1, 1, 1, 3], nodes, constants).unwrap();
    assert_eq!((shape, values), (vec![1, 1, 1, 4], vec![0.0, 1.0, 2.0, 0.0]));
}
