//! The output that is read, what is left out at its end, and what it means.

use super::parts::with;
use super::{input, node, tensor};
use crate::model::{Model, Task};
use crate::onnx::schema::{
    DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetProto, ShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::onnx::{OnnxError, OnnxOptions};
use prost::Message;
use tensor::Tensor;

/// An output, with its shape if it isn't empty.
fn output(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = shape.iter().map(|&extent| DimensionProto { dim_value: Some(extent), dim_param: None }).collect();
    let tensor = TensorTypeProto { shape: Some(ShapeProto { dim }), ..TensorTypeProto::default() };
    let of = TypeProto { tensor_type: Some(tensor) };
    ValueInfoProto { name: name.into(), r#type: (!shape.is_empty()).then_some(of) }
}

/// The model of a graph on images `[1, 2, 4, 5]`: `map` is a 1×1 convolution to three channels, `row` its mean over positions.
fn read(nodes: Vec<NodeProto>, outputs: &[(&str, &[i64])], asked: Option<&str>) -> Result<Model, OnnxError> {
    let weights = tensor("w", &[3, 2, 1, 1], &[1.0, -0.5, 0.25, 2.0, -1.0, 0.75]);
    let start = vec![
        node("Conv", "conv", &["x", "w"], "map"),
        node("GlobalAveragePool", "pool", &["map"], "pooled"),
        node("Flatten", "flatten", &["pooled"], "row"),
    ];
    let graph = GraphProto {
        node: [start, nodes].concat(),
        name: "graph".into(),
        initializer: vec![weights],
        input: vec![input(&[1, 2, 4, 5])],
        output: outputs.iter().map(|(name, shape)| output(name, shape)).collect(),
    };
    let opset = OperatorSetProto { domain: String::new(), version: 17 };
    let file = ModelProto { graph: Some(graph), opset_import: vec![opset], ..ModelProto::default() };
    let options = OnnxOptions { output: asked.map(String::from), ..OnnxOptions::default() };
    Model::from_onnx_with(&file.encode_to_vec(), &options)
}

/// The scores of the image whose values count from 0, in our order.
fn scores(model: &Model) -> Vec<f32> {
    model.predict(Tensor::from_fn([1, 4, 5, 2], |i| i as f32)).unwrap().as_slice().to_vec()
}

#[test]
fn functions_at_the_end_are_left_out_and_say_the_task() {
    let plain = |output: &str| scores(&read(vec![], &[(output, &[])], None).unwrap());
    let (row, map) = (plain("row"), plain("map"));
    for (operator, axis, task) in [
        ("Softmax", 1, Task::Classes),
        ("LogSoftmax", 1, Task::Classes),
        ("ArgMax", 1, Task::Classes),
        ("TopK", 1, Task::Classes),
        ("Sigmoid", 0, Task::Labels),
    ] {
        let end = |input: &str| {
            let node = node(operator, "end", &[input], "y");
            vec![if axis == 0 { node } else { with(node, &[("axis", axis)]) }]
        };
        for (input, expected, is_map) in [("row", &row, false), ("map", &map, true)] {
            let model = read(end(input), &[("y", &[])], None).unwrap();
            assert_eq!(model.info().task, Some(task), "{operator} of {input}");
            assert_eq!((&scores(&model), model.is_map()), (expected, is_map), "{operator} of {input}");
        }
    }
    // What only changes the shape, or the type, may stand behind.
    let behind = vec![node("Sigmoid", "end", &["row"], "s"), node("Cast", "cast", &["s"], "y")];
    assert_eq!(scores(&read(behind, &[("y", &[])], None).unwrap()), row);
    // A softmax over places is no softmax over classes.
    let over_places = vec![with(node("Softmax", "end", &["map"], "y"), &[("axis", 2)])];
    assert_ne!(read(over_places, &[("y", &[])], None).map(|model| scores(&model)).ok(), Some(map));
}

#[test]
fn the_output_that_can_be_scores_is_read() {
    let chosen = |nodes: Vec<NodeProto>, outputs: &[(&str, &[i64])]| {
        read(nodes, outputs, None).map(|model| model.info().outputs.first().cloned().unwrap_or_default())
    };
    let linear = |name: &str, output: &str| vec![node("Relu", name, &["row"], output)];
    // A row rather than a map; what is computed last; what has a telling name.
    assert_eq!(chosen(vec![], &[("map", &[1, 3, 4, 5]), ("row", &[1, 3])]).unwrap(), "row");
    assert_eq!(chosen(linear("r", "y"), &[("row", &[1, 3]), ("y", &[1, 3])]).unwrap(), "y");
    let two = [linear("a", "embedding"), linear("b", "class_logits")].concat();
    assert_eq!(chosen(two.clone(), &[("embedding", &[1, 3]), ("class_logits", &[1, 3])]).unwrap(), "class_logits");
    // The scores and their softmax are one output.
    let softmax = vec![with(node("Softmax", "s", &["row"], "p"), &[("axis", 1)])];
    assert_eq!(chosen(softmax, &[("row", &[1, 3]), ("p", &[1, 3])]).unwrap(), "row");

    let two = [linear("a", "first"), linear("b", "second")].concat();
    let outputs: &[(&str, &[i64])] = &[("first", &[1, 3]), ("second", &[1, 3])];
    let error = chosen(two.clone(), outputs).unwrap_err().to_string();
    assert_eq!(
        error,
        "the network has several outputs: first [N, 3], second [N, 3]; choose one of them (--output NAME)"
    );
    assert_eq!(read(two.clone(), outputs, Some("second")).unwrap().info().outputs, ["second", "first"]);
    let unknown = read(two, outputs, Some("third")).unwrap_err().to_string();
    assert_eq!(unknown, "there is no output `third`; the network's outputs are first [N, 3], second [N, 3]");
}
