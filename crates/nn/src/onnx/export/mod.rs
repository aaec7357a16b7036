//! Models as ONNX files.

mod layers;
mod proto;

use prost::Message;

use super::graph::KEY;
use super::schema::{
    DataType, DimensionProto, EntryProto, GraphProto, ModelProto, OperatorSetProto, ShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use crate::model::{IMAGE, Model};
use layers::Exported;

/// The version of the operators that is written; that of the format which goes with it.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

/// The bytes of the file. A picture `[N, C, H, W]` goes in under the name `input`, any number N of them; `[N, classes]` comes
/// out under the last layer's name.
pub(super) fn bytes(model: &Model) -> Result<Vec<u8>, serde_json::Error> {
    let [height, width, channels] = model.input_shape();
    let mut exported = Exported::default();
    for node in model.layers() {
        exported.layer(model, node);
    }
    let last = model.layers().last().expect("a model has layers");
    let graph = GraphProto {
        node: exported.nodes,
        name: "model".into(),
        initializer: exported.tensors,
        input: vec![value(IMAGE, &[channels, height, width])],
        output: vec![value(&last.name, &last.output_shape)],
    };
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "glassbox".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![EntryProto { key: KEY.into(), value: serde_json::to_string(model.info())? }],
    };
    Ok(file.encode_to_vec())
}

/// A floating-point value `[N, …]`.
fn value(name: &str, shape: &[usize]) -> ValueInfoProto {
    let images = DimensionProto { dim_value: None, dim_param: Some("N".into()) };
    let fixed = |&extent: &usize| DimensionProto { dim_value: Some(extent as i64), dim_param: None };
    let dim = std::iter::once(images).chain(shape.iter().map(fixed)).collect();
    let tensor = TensorTypeProto { elem_type: DataType::Float.into(), shape: Some(ShapeProto { dim }) };
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}
