//! Models as ONNX files.

use prost::Message;

use super::registry;
use super::schema::{
    DataType, DimensionProto, EntryProto, GraphProto, INFO_KEY, ModelProto, OperatorSetProto, ShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::writing::Writing;
use crate::model::{IMAGE, Model, ModelNode};

/// The version of the operators that is written, and the version of the format that has it.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

/// The bytes of the file. Its input is called `input`, `[N, C, H, W]` with any N; its output `[N, classes]` or
/// `[N, classes, H, W]` has the last layer's name.
pub(super) fn bytes(model: &Model) -> Vec<u8> {
    let [height, width, channels] = model.input_shape();
    let last = model.layers().last().expect("a model has layers");
    let scores = match last.output_shape[..] {
        [height, width, classes] => vec![classes, height, width],
        ref row => row.to_vec(),
    };
    let mut graph = GraphProto {
        name: "model".into(),
        input: vec![value(IMAGE, &[channels, height, width])],
        output: vec![value(&last.name, &scores)],
        ..GraphProto::default()
    };
    for node in model.layers() {
        registry::write(&node.layer, &mut writing(model, node, &mut graph));
    }
    let info = serde_json::to_string(model.info()).expect("strings and finite numbers can be written as JSON");
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "glassbox".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![EntryProto { key: INFO_KEY.into(), value: info }],
    };
    file.encode_to_vec()
}

/// A floating-point value `[N, …]`.
fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let images = DimensionProto { dim_value: None, dim_param: Some("N".into()) };
    let fixed = |&extent: &usize| DimensionProto { dim_value: Some(extent as i64), dim_param: None };
    let dim = std::iter::once(images).chain(shape.iter().map(fixed)).collect();
    let tensor = TensorTypeProto { elem_type: DataType::Float.into(), shape: Some(ShapeProto { dim }) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn writing<'a>(model: &'a Model, node: &'a ModelNode, graph: &'a mut GraphProto) -> Writing<'a> {
    let parameters = &model.parameters()[node.parameters.clone()];
    Writing {
        name: &node.name,
        inputs: node.inputs.iter().map(|&source| model.source_name(source)).collect(),
        input_shapes: node.inputs.iter().map(|&source| model.shape_of(source)).collect(),
        output_shape: &node.output_shape,
        parameters: parameters.iter().map(|parameter| (&parameter.name[..], &parameter.value)).collect(),
        graph,
    }
}
