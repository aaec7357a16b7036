//! Convolutions of windows that are folded into the batch, as TNT has them, against each window's by itself.

use super::parts::{computed, ints, list, with};
use super::{node, tensor};

const SHAPE: [usize; 4] = [2, 2, 6, 10];
/// Of a window.
const SIDES: [usize; 2] = [3, 5];

/// The value of window i of all, numbered through the images and then in each from above and the left.
fn value(i: usize, c: usize, row: usize, column: usize) -> f64 {
    let [_, channels, height, width] = SHAPE;
    let (image, down, right) = (i / 4, i / 2 % 2, i % 2);
    let (y, x) = (down * SIDES[0] + row, right * SIDES[1] + column);
    (((image * channels + c) * height + y) * width + x) as f64
}

#[test]
fn convolutions_stay_within_windows() {
    let weight = |o: usize, c: usize, a: usize, b: usize| ((o * 7 + c * 3 + a * 2 + b) % 5) as f64 / 8.0 - 0.25;
    for (kernel, stride, pads, dilation, groups) in [
        ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1),
        ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 2),
        ([3, 2], [2, 1], [2, 0, 1, 1], [1, 1], 1),
        ([2, 3], [1, 2], [0, 1, 1, 0], [2, 1], 1),
        ([1, 1], [2, 2], [0, 0, 0, 0], [1, 1], 1),
        ([3, 5], [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ] {
        let outputs = 2;
        let extent = |axis: usize| {
            let whole = SIDES[axis] + pads[axis] + pads[axis + 2];
            (whole - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1
        };
        let each = 2 / groups;
        let expected = ndarray::Array4::from_shape_fn([8, outputs, extent(0), extent(1)], |(i, o, y, x)| {
            let mut sum = 0.5 * (o as f64 + 1.0);
            for (c, (a, b)) in (0..each).flat_map(|c| {
                (0..kernel[0]).flat_map(move |a| (0..kernel[1]).map(move |b| (c, (a, b)))).collect::<Vec<_>>()
            }) {
                let row = (y * stride[0] + a * dilation[0]).checked_sub(pads[0]).filter(|&row| row < SIDES[0]);
                let column = (x * stride[1] + b * dilation[1]).checked_sub(pads[1]).filter(|&at| at < SIDES[1]);
                if let (Some(row), Some(column)) = (row, column) {
                    let channel = o / (outputs / groups) * each + c;
                    sum += weight(o, c, a, b) * value(i, channel, row, column);
                }
            }
            sum
        });
        let values = ndarray::Array4::from_shape_fn([outputs, each, kernel[0], kernel[1]], |(o, c, a, b)| {
            weight(o, c, a, b) as f32
        });
        let conv = with(node("Conv", "conv", &["windows", "weight", "bias"], "y"), &[("group", groups as i64)]);
        let list_of = |values: &[usize]| values.iter().map(|&value| value as i64).collect::<Vec<_>>();
        let conv = ints(conv, "strides", &list_of(&stride));
        let conv = ints(ints(conv, "pads", &list_of(&pads)), "dilations", &list_of(&dilation));
        let nodes = vec![
            node("Reshape", "divided", &["x", "parts"], "a"),
            ints(node("Transpose", "beside", &["a"], "b"), "perm", &[0, 2, 4, 1, 3, 5]),
            node("Reshape", "folded", &["b", "all"], "windows"),
            conv,
        ];
        let [rows, columns] = SIDES.map(|side| side as i64);
        let constants = vec![
            list("parts", &[2, 2, 2, rows, 2, columns]),
            list("all", &[-1, 2, rows, columns]),
            tensor("weight", &list_of(values.shape()), &values.iter().copied().collect::<Vec<_>>()),
            tensor("bias", &[2], &[0.5, 1.0]),
        ];
        let (shape, found) = computed(SHAPE, nodes, constants).unwrap();
        assert_eq!(shape, expected.shape());
        for (&found, &expected) in found.iter().zip(&expected) {
            approx::assert_relative_eq!(f64::from(found), expected, epsilon = 1e-4, max_relative = 1e-5);
        }
    }
}

#[test]
fn a_kernel_that_is_larger_than_its_window_is_refused() {
    let nodes = vec![
        node("Reshape", "folded", &["x", "all"], "windows"),
        ints(node("Conv", "conv", &["windows", "weight"], "y"), "strides", &[1, 1]),
    ];
    let constants = vec![list("all", &[-1, 1, 2, 2]), tensor("weight", &[1, 1, 3, 3], &[1.0; 9])];
    let refused = computed([2, 2, 2, 2], nodes, constants).unwrap_err().to_string();
    assert!(refused.contains("windows [N·w, C, H, W] that the kernel fits into"), "{refused}");
}
