//! Models as ONNX files.

use prost::Message;

use super::operators::{
    activation, arithmetic, conv, conv_transpose, gather, layer_norm, pad, pointwise, pool, reduce, reshape, resize,
};
use super::proto::{float, integer};
use super::schema::{
    DataType, DimensionProto, EntryProto, GraphProto, INFO_KEY, ModelProto, OperatorSetProto, ShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::writing::Writing;
use crate::layer::Layer;
use crate::model::{IMAGE, Model, ModelNode};

/// The version of the operators that is written, and the version of the format that has it.
const OPSET: i64 = 21;
const IR_VERSION: i64 = 10;

/// The bytes of the file. Its input is called `input`, `[N, C, H, W]` with any N; its output `[N, classes]` has the last
/// layer's name.
pub(super) fn bytes(model: &Model) -> Vec<u8> {
    let [height, width, channels] = model.input_shape();
    let last = model.layers().last().expect("a model has layers");
    let mut graph = GraphProto {
        name: "model".into(),
        input: vec![value(IMAGE, &[channels, height, width])],
        output: vec![value(&last.name, &last.output_shape)],
        ..GraphProto::default()
    };
    for node in model.layers() {
        write(&node.layer, &mut writing(model, node, &mut graph));
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
        parameters: parameters.iter().map(|parameter| (&parameter.name[..], &parameter.value)).collect(),
        graph,
    }
}

fn write(layer: &Layer, w: &mut Writing<'_>) {
    match layer {
        Layer::Conv2d { kernel, conv, .. } => conv::write(w, *kernel, conv),
        Layer::ConvTranspose2d { kernel, transposed, .. } => conv_transpose::write(w, *kernel, transposed),
        Layer::Linear { .. } => w.one_node("Gemm", []),
        Layer::BatchNorm { epsilon, momentum } => {
            w.one_node("BatchNormalization", [float("epsilon", *epsilon), float("momentum", 1.0 - momentum)]);
        }
        Layer::LayerNorm { epsilon } => layer_norm::write(w, *epsilon),
        Layer::GroupNorm { groups, epsilon } => {
            w.one_node("GroupNormalization", [integer("num_groups", *groups as i64), float("epsilon", *epsilon)]);
        }
        Layer::Relu => w.one_node("Relu", []),
        Layer::Clip { min, max } => activation::write_clip(w, *min, *max),
        Layer::LeakyRelu { slope } => w.one_node("LeakyRelu", [float("alpha", *slope)]),
        Layer::PRelu => arithmetic::write_with_constant(w, "PRelu"),
        Layer::Elu { alpha } => w.one_node("Elu", [float("alpha", *alpha)]),
        Layer::Gelu { tanh } => activation::write_gelu(w, *tanh),
        Layer::Softplus => w.one_node("Softplus", []),
        Layer::Sigmoid => w.one_node("Sigmoid", []),
        Layer::HardSigmoid { slope, offset } => {
            w.one_node("HardSigmoid", [float("alpha", *slope), float("beta", *offset)]);
        }
        Layer::Tanh => w.one_node("Tanh", []),
        Layer::Erf => w.one_node("Erf", []),
        Layer::Power { exponent } => pointwise::write_power(w, *exponent),
        Layer::Silu => activation::write_silu(w),
        Layer::Softmax => w.one_node("Softmax", [integer("axis", 1)]),
        Layer::MaxPool(pool) => pool::write_max(w, pool),
        Layer::AvgPool { pool, count_padding } => pool::write_average(w, pool, *count_padding),
        Layer::GlobalAvgPool => pool::write_global_average(w),
        Layer::ChannelMean => reduce::write_over_channels(w, "ReduceMean"),
        Layer::ChannelMax => reduce::write_over_channels(w, "ReduceMax"),
        Layer::Flatten => reshape::write_flatten(w),
        Layer::Unflatten { shape } => reshape::write_unflatten(w, *shape),
        Layer::Resize { size, interpolation } => resize::write(w, *size, *interpolation),
        Layer::Add => w.fold("Add"),
        Layer::Sub => w.fold("Sub"),
        Layer::Mul => w.fold("Mul"),
        Layer::Div => w.fold("Div"),
        Layer::Scale { .. } => arithmetic::write_with_constant(w, "Mul"),
        Layer::Shift { .. } => arithmetic::write_with_constant(w, "Add"),
        Layer::Pad { padding, channels, value } => pad::write(w, padding, *channels, *value),
        Layer::Select { axis, places } => gather::write_select(w, *axis, places),
        Layer::Concat => w.one_node("Concat", [integer("axis", 1)]),
        Layer::Dropout { probability } => activation::write_dropout(w, *probability),
    }
}
