//! Attention to channels and to places, as exported networks have it.

use super::parts::{computed, ints, list, with};
use super::{node, tensor};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Pixels `[N, C, H, W]` of an image that counts from 0.
fn pixels([n, c, h, w]: [usize; 4]) -> ndarray::Array4<f64> {
    ndarray::Array4::from_shape_fn([n, c, h, w], |(n, i, y, x)| (((n * c + i) * h + y) * w + x) as f64)
}

fn close<D: ndarray::Dimension>(found: &(Vec<usize>, Vec<f32>), expected: &ndarray::Array<f64, D>) {
    assert_eq!(found.0, expected.shape());
    for (&found, &expected) in found.1.iter().zip(expected) {
        approx::assert_relative_eq!(f64::from(found), expected, epsilon = 1e-5, max_relative = 1e-5);
    }
}

#[test]
fn channels_attend_to_their_neighbours() {
    // Efficient channel attention (Wang et al. 2020): a convolution along the means of the channels.
    let taps = [0.01, -0.02, 0.03];
    let nodes = vec![
        node("GlobalAveragePool", "mean", &["x"], "a"),
        node("Reshape", "line", &["a", "one_row"], "b"),
        ints(node("Conv", "conv", &["b", "taps"], "c"), "pads", &[1, 1]),
        node("Sigmoid", "sigmoid", &["c"], "d"),
        node("Reshape", "column", &["d", "one_pixel"], "e"),
        node("Expand", "expand", &["e", "whole"], "f"),
        node("Mul", "y", &["x", "f"], "y"),
    ];
    let shape = [2, 5, 2, 3];
    let constants = vec![
        list("one_row", &[2, 1, -1]),
        tensor("taps", &[1, 1, 3], &taps),
        list("one_pixel", &[2, -1, 1, 1]),
        list("whole", &[2, 5, 2, 3]),
    ];
    let x = pixels(shape);
    let mean = |n: usize, c: usize| (0..6).map(|p| x[[n, c, p / 3, p % 3]]).sum::<f64>() / 6.0;
    let gate = |n: usize, c: usize| {
        let neighbours = (0..3).filter(|tap| (1..=5).contains(&(c + tap)));
        sigmoid(neighbours.map(|tap| f64::from(taps[tap]) * mean(n, c + tap - 1)).sum())
    };
    let expected = ndarray::Array4::from_shape_fn(shape, |(n, c, h, w)| x[[n, c, h, w]] * gate(n, c));
    close(&computed(shape, nodes, constants).unwrap(), &expected);
}

#[test]
fn places_are_chosen_by_means_and_maxima_of_channels() {
    // The spatial half of CBAM (Woo et al. 2018).
    let nodes = vec![
        ints(node("ReduceMean", "mean", &["x"], "a"), "axes", &[1]),
        ints(node("ReduceMax", "max", &["x"], "b"), "axes", &[1]),
        with(node("Concat", "both", &["b", "a"], "c"), &[("axis", 1)]),
        node("Conv", "conv", &["c", "weight"], "d"),
        node("Sigmoid", "sigmoid", &["d"], "e"),
        node("Mul", "y", &["x", "e"], "y"),
    ];
    let shape = [2, 3, 2, 3];
    let x = pixels(shape);
    let gate = |n: usize, h: usize, w: usize| {
        let channels = [0, 1, 2].map(|c| x[[n, c, h, w]]);
        let max = channels.into_iter().fold(f64::NEG_INFINITY, f64::max);
        sigmoid(0.05 * max - 0.02 * channels.iter().sum::<f64>() / 3.0)
    };
    let expected = ndarray::Array4::from_shape_fn(shape, |(n, c, h, w)| x[[n, c, h, w]] * gate(n, h, w));
    let weight = tensor("weight", &[1, 2, 1, 1], &[0.05, -0.02]);
    close(&computed(shape, nodes, vec![weight]).unwrap(), &expected);
}

#[test]
fn a_row_is_added_to_an_image_of_one_pixel() {
    let shape = [2, 3, 2, 2];
    let x = pixels(shape);
    let expected = ndarray::Array2::from_shape_fn([2, 2], |(n, d)| {
        let sum = |c: usize| (0..4).map(|p| x[[n, c, p / 2, p % 2]]).sum::<f64>() / 4.0 + x[[n, c, 1, 1]];
        (0..3).map(|c| sum(c) * (2 * c + d) as f64).sum::<f64>()
    });
    for terms in [["mean", "max"], ["max", "mean"]] {
        let nodes = vec![
            node("GlobalAveragePool", "mean", &["x"], "mean"),
            node("GlobalMaxPool", "max", &["x"], "max"),
            node("Add", "add", &terms, "sum"),
            node("Flatten", "flatten", &["sum"], "row"),
            node("MatMul", "matmul", &["row", "weight"], "y"),
        ];
        let weight = tensor("weight", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        close(&computed(shape, nodes, vec![weight]).unwrap(), &expected);
    }
}

#[test]
fn pixels_are_multiplied_as_a_sequence() {
    let nodes = vec![
        node("Reshape", "sequence", &["x", "joined"], "a"),
        ints(node("Transpose", "tokens", &["a"], "b"), "perm", &[0, 2, 1]),
        node("MatMul", "matmul", &["b", "weight"], "c"),
        ints(node("Transpose", "back", &["c"], "d"), "perm", &[0, 2, 1]),
        node("Reshape", "image", &["d", "whole"], "y"),
    ];
    let constants = vec![
        list("joined", &[2, 3, -1]),
        list("whole", &[2, 2, 2, 3]),
        tensor("weight", &[3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    ];
    let x = pixels([2, 3, 2, 3]);
    let expected = ndarray::Array4::from_shape_fn([2, 2, 2, 3], |(n, d, h, w)| {
        (0..3).map(|c| x[[n, c, h, w]] * (2 * c + d) as f64).sum::<f64>()
    });
    close(&computed([2, 3, 2, 3], nodes, constants).unwrap(), &expected);
}

#[test]
fn rows_and_columns_are_pooled_apart() {
    let reduced = |operator: &str, axis| {
        let node = ints(node(operator, "y", &["x"], "y"), "axes", &[axis]);
        computed([1, 2, 2, 3], vec![node], Vec::new()).unwrap()
    };
    let x = pixels([1, 2, 2, 3]);
    let rows = ndarray::Array4::from_shape_fn([1, 2, 2, 1], |(n, c, h, _)| (0..3).map(|w| x[[n, c, h, w]]).sum());
    close(&reduced("ReduceSum", 3), &rows);
    let columns = ndarray::Array4::from_shape_fn([1, 2, 1, 3], |(n, c, _, w)| x[[n, c, 1, w]]);
    close(&reduced("ReduceMax", -2), &columns);
    let lengths = ndarray::Array4::from_shape_fn([1, 1, 2, 3], |(n, _, h, w)| x[[n, 0, h, w]].hypot(x[[n, 1, h, w]]));
    close(&reduced("ReduceL2", 1), &lengths);
}

#[test]
fn rows_of_a_softmax_that_a_mask_empties_do_not_come_about() {
    // As torch.export writes attention that masks: a row of which nothing is left would be 0.
    let softmax = |masked: &str| {
        vec![
            ints(node("ReduceMean", "mean", &["x"], "a"), "axes", &[3]),
            ints(node("Transpose", "tokens", &["a"], "b"), "perm", &[0, 3, 2, 1]),
            node("Mul", "scaled", &["b", "tenth"], "c"),
            with(node("Softmax", "softmax", &["c"], "p"), &[("axis", 3)]),
            node("IsNaN", "empty", &[masked], "d"),
            node("Where", "y", &["d", "zero", "p"], "y"),
        ]
    };
    let x = pixels([2, 3, 2, 3]);
    let mean = |n: usize, c: usize, h: usize| 0.1 * (0..3).map(|w| x[[n, c, h, w]]).sum::<f64>() / 3.0;
    let expected = ndarray::Array4::from_shape_fn([2, 1, 2, 3], |(n, _, h, c)| {
        mean(n, c, h).exp() / (0..3).map(|c| mean(n, c, h).exp()).sum::<f64>()
    });
    let constants = vec![tensor("tenth", &[], &[0.1]), tensor("zero", &[], &[0.0])];
    close(&computed([2, 3, 2, 3], softmax("p"), constants.clone()).unwrap(), &expected);
    let refused = computed([2, 3, 2, 3], softmax("c"), constants).unwrap_err().to_string();
    assert!(refused.contains("`empty` (IsNaN)") && refused.contains("a softmax, or a constant"), "{refused}");
}
