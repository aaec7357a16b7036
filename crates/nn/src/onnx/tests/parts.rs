//! Parts of images: cut out, joined, moved and mirrored, as in exported networks.

use super::{Computed, input, node, on_images, tensor};
use crate::onnx::constant::Constant;
use crate::onnx::proto;
use crate::onnx::schema::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, OperatorSetProto, TensorProto, ValueInfoProto,
};

pub(super) fn list(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64.into(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub(super) fn with(mut node: NodeProto, attributes: &[(&str, i64)]) -> NodeProto {
    let attribute = |&(name, i): &(&str, i64)| AttributeProto { name: name.into(), i: Some(i), ..Default::default() };
    node.attribute = attributes.iter().map(attribute).collect();
    node
}

pub(super) fn ints(mut node: NodeProto, name: &str, ints: &[i64]) -> NodeProto {
    node.attribute.push(AttributeProto { name: name.into(), ints: ints.to_vec(), ..AttributeProto::default() });
    node
}

/// What `y` is, computed with an image of this shape whose pixels count from 0.
pub(super) fn computed(shape: [usize; 4], nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Computed {
    let graph = GraphProto {
        node: nodes,
        name: "graph".into(),
        initializer,
        input: vec![input(&shape.map(|extent| extent as i64))],
        output: vec![ValueInfoProto { name: "y".into(), r#type: None }],
    };
    let opset = OperatorSetProto { domain: String::new(), version: 17 };
    let model = ModelProto { opset_import: vec![opset], ..ModelProto::default() };
    let pixels = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
    on_images(&model, &graph, &Constant::floats(&shape, pixels))
}

/// `[N, C, H, W]`, pixel by pixel.
fn literal(shape: [usize; 4], pixel: impl Fn([usize; 4]) -> f32) -> (Vec<usize>, Vec<f32>) {
    let values = ndarray::Array4::from_shape_fn(shape, |(n, c, h, w)| pixel([n, c, h, w])).into_iter().collect();
    (shape.to_vec(), values)
}

/// The number of a pixel in an image of this shape.
fn number([_, c, h, w]: [usize; 4]) -> impl Fn([usize; 4]) -> f32 {
    move |[n, i, y, x]| (((n * c + i) * h + y) * w + x) as f32
}

#[test]
fn a_constant_is_there_for_all_that_read_it() {
    let nodes = vec![
        node("Add", "twice", &["k", "k"], "2k"),
        node("Mul", "product", &["x", "k"], "a"),
        node("Mul", "second", &["a", "2k"], "b"),
        node("Max", "limit", &["2k", "k"], "m"),
        node("Add", "sum", &["b", "m"], "y"),
    ];
    let k = [2.0, -0.5, 3.0];
    let shape = [2, 3, 4, 5];
    let expected = literal(shape, |at| {
        let k = k[at[1]];
        number(shape)(at) * k * (2.0 * k) + k.max(2.0 * k)
    });
    let mut raw = tensor("k", &[3, 1, 1], &[]);
    raw.raw_data = k.iter().flat_map(|value: &f32| value.to_le_bytes()).collect::<Vec<u8>>().into();
    for k in [tensor("k", &[3, 1, 1], &k), raw] {
        assert_eq!(computed(shape, nodes.clone(), vec![k]).unwrap(), expected);
    }
}

#[test]
fn channels_are_split_and_shuffled() {
    // A unit of ShuffleNet V2: one half passes, the other is changed, and the channels of both take turns.
    let mut nodes = vec![
        with(node("Split", "split", &["x", "halves"], "a"), &[("axis", 1)]),
        node("Add", "changed", &["b", "hundred"], "c"),
        with(node("Concat", "both", &["a", "c"], "d"), &[("axis", 1)]),
        node("Reshape", "groups", &["d", "grouped"], "e"),
        node("Transpose", "turns", &["e"], "f"),
        node("Reshape", "shuffled", &["f", "joined"], "g"),
        node("Relu", "end", &["g"], "y"),
    ];
    nodes[0].output.push("b".into());
    nodes[4].attribute =
        vec![AttributeProto { name: "perm".into(), ints: vec![0, 2, 1, 3, 4], ..AttributeProto::default() }];
    let shape = [2, 6, 2, 3];
    let constants = vec![
        list("halves", &[2, 4]),
        tensor("hundred", &[], &[100.0]),
        list("grouped", &[2, 2, 3, 2, 3]),
        list("joined", &[2, -1, 2, 3]),
    ];
    let x = number(shape);
    let expected = literal(shape, |[n, c, h, w]| {
        let from = c % 2 * 3 + c / 2;
        x([n, from, h, w]) + if from < 2 { 0.0 } else { 100.0 }
    });
    assert_eq!(computed(shape, nodes, constants).unwrap(), expected);
}

#[test]
fn a_shortcut_takes_every_other_pixel_and_has_more_channels() {
    // He et al. 2016, option A, for CIFAR-10.
    let nodes = vec![
        node("Slice", "every_other", &["x", "from", "to", "over", "step"], "a"),
        node("Pad", "more", &["a", "pads"], "y"),
    ];
    let shape = [1, 3, 5, 4];
    let constants = vec![
        list("from", &[0, 0]),
        list("to", &[i64::MAX, i64::MAX]),
        list("over", &[2, -1]),
        list("step", &[2, 2]),
        list("pads", &[0, 1, 0, 0, 0, 2, 0, 0]),
    ];
    let x = number(shape);
    let expected = literal([1, 6, 3, 2], |[n, c, h, w]| match c {
        1..=3 => x([n, c - 1, 2 * h, 2 * w]),
        _ => 0.0,
    });
    assert_eq!(computed(shape, nodes, constants).unwrap(), expected);
}

#[test]
fn channels_are_taken_one_by_one() {
    // As Inception v3 changes the normalisation of its input.
    let mut nodes = Vec::new();
    for (place, scaled) in [("zero", "p"), ("two", "q")] {
        let [one, picture] = ["one", "picture"].map(|step| format!("{scaled}.{step}"));
        nodes.push(with(node("Gather", &one, &["x", place], &one), &[("axis", 1)]));
        nodes.push(node("Unsqueeze", &picture, &[&one, "axes"], &picture));
        nodes.push(node("Mul", scaled, &[&picture, "ten"], scaled));
    }
    nodes.push(with(node("Concat", "y", &["q", "p"], "y"), &[("axis", 1)]));
    let place = |name: &str, value| TensorProto { dims: Vec::new(), ..list(name, &[value]) };
    let constants = vec![place("zero", 0), place("two", -1), list("axes", &[1]), tensor("ten", &[], &[10.0])];
    let shape = [2, 3, 2, 2];
    let x = number(shape);
    let expected = literal([2, 2, 2, 2], |[n, c, h, w]| 10.0 * x([n, 2 - 2 * c, h, w]));
    assert_eq!(computed(shape, nodes, constants).unwrap(), expected);
}

#[test]
fn edges_are_repeated_and_mirrored() {
    let shape = [1, 2, 3, 4];
    let padded = |mode: &str, pads: &[i64]| {
        let mut pad = node("Pad", "pad", &["x", "pads"], "y");
        pad.attribute = vec![AttributeProto { name: "mode".into(), s: Some(mode.into()), ..AttributeProto::default() }];
        computed(shape, vec![pad], vec![list("pads", pads)])
    };
    let x = number(shape);
    let pads = [0, 0, 2, 1, 0, 0, 1, 3];
    let rows = |mode| match mode {
        "edge" => [0, 0, 0, 1, 2, 2],
        "reflect" => [2, 1, 0, 1, 2, 1],
        _ => [1, 2, 0, 1, 2, 0],
    };
    let columns = |mode| match mode {
        "edge" => [0, 0, 1, 2, 3, 3, 3, 3],
        "reflect" => [1, 0, 1, 2, 3, 2, 1, 0],
        _ => [3, 0, 1, 2, 3, 0, 1, 2],
    };
    for mode in ["edge", "reflect", "wrap"] {
        let expected = literal([1, 2, 6, 8], |[n, c, h, w]| x([n, c, rows(mode)[h], columns(mode)[w]]));
        assert_eq!(padded(mode, &pads).unwrap(), expected, "{mode}");
    }
    let error = padded("reflect", &[0, 0, 3, 0, 0, 0, 0, 0]).unwrap_err().to_string();
    assert!(error.contains("node `pad` (Pad)") && error.contains("less than the image has"), "{error}");
    let error = padded("edge", &[0, 0, 1 << 40, 0, 0, 0, 0, 0]).unwrap_err().to_string();
    assert!(error.contains("node `pad` (Pad)") && error.contains("pads is [0, 0, 1099511627776"), "{error}");
    assert!(error.contains(&format!("at most {} pixels", crate::geometry::MAX_PIXELS)), "{error}");
}

#[test]
fn negative_paddings_cut() {
    let shape = [1, 2, 4, 5];
    let padded =
        |pads: &[i64]| computed(shape, vec![node("Pad", "pad", &["x", "pads"], "y")], vec![list("pads", pads)]);
    let x = number(shape);
    // As NASNet moves a picture by a pixel.
    let moved = literal(shape, |[n, c, h, w]| if h < 3 && w < 4 { x([n, c, h + 1, w + 1]) } else { 0.0 });
    assert_eq!(padded(&[0, 0, -1, -1, 0, 0, 1, 1]).unwrap(), moved);
    let less = literal([1, 1, 4, 2], |[n, _, h, w]| x([n, 1, h, w + 2]));
    assert_eq!(padded(&[0, -1, 0, -2, 0, 0, 0, -1]).unwrap(), less);
    let error = padded(&[0, 0, -2, 0, 0, 0, -2, 0]).unwrap_err().to_string();
    assert!(error.contains("node `pad` (Pad)") && error.contains("less than the input has"), "{error}");
}

#[test]
fn means_of_windows_count_padding_and_not_what_is_beyond() {
    let mut pool = node("AveragePool", "pool", &["x"], "y");
    let ints =
        |name: &str, ints: &[i64]| AttributeProto { name: name.into(), ints: ints.to_vec(), ..Default::default() };
    pool = with(pool, &[("ceil_mode", 1), ("count_include_pad", 1)]);
    pool.attribute.extend([ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), ints("pads", &[0, 1, 0, 1])]);
    // Rows 0–1 and 2 (one is beyond), columns −1–0, 1–2 and 3 with a padded one behind it.
    let expected = literal([1, 1, 2, 3], |[_, _, h, w]| {
        let sums = [[0.0 + 4.0, 1.0 + 2.0 + 5.0 + 6.0, 3.0 + 7.0], [8.0, 9.0 + 10.0, 11.0]];
        sums[h][w] / [4.0, 2.0][h]
    });
    assert_eq!(computed([1, 1, 3, 4], vec![pool], Vec::new()).unwrap(), expected);
}

#[test]
fn parts_of_a_batch_are_refused() {
    let constants = || vec![list("from", &[0]), list("to", &[1]), list("over", &[0])];
    let error = computed([2, 3, 2, 2], vec![node("Slice", "first", &["x", "from", "to", "over"], "y")], constants());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("node `first` (Slice)") && error.contains("images of a batch"), "{error}");
    let mut split = with(node("Split", "parts", &["x"], "y"), &[("axis", 1)]);
    split.output.push("z".into());
    split.input.push("sizes".into());
    let error = computed([1, 3, 2, 2], vec![split], vec![list("sizes", &[1, 3])]).unwrap_err().to_string();
    assert!(error.contains("node `parts` (Split)") && error.contains("split is [1, 3]"), "{error}");
}

#[test]
fn a_resizing_to_no_pixels_is_refused() {
    for antialias in [0, 1] {
        let mut resize = with(node("Resize", "resize", &["x", "", "", "sizes"], "y"), &[("antialias", antialias)]);
        resize.attribute.push(proto::text("mode", "linear"));
        assert!(computed([1, 1, 2, 2], vec![resize], vec![list("sizes", &[1, 1, 0, 2])]).is_err(), "{antialias}");
    }
}
