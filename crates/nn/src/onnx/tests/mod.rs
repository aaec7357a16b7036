mod attention;
mod axes;
mod hostile;
mod node_cases;
mod norms;
mod outputs;
mod parts;
mod windows;

use tensor::Tensor;

use super::constant::Constant;
use super::context::Value;
use super::external::ExternalData;
use super::output;
use super::reader;
use super::schema::{
    DataType, DimensionProto, GraphProto, ModelProto, NodeProto, ShapeProto, TensorProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use super::{OnnxError, OnnxOptions};
use crate::layers::{Apply, Flatten, Sigmoid, Softmax};
use crate::losses::log_softmax;
use crate::model::{ModelInfo, Source};

/// Shape and values.
type Computed = Result<(Vec<usize>, Vec<f32>), OnnxError>;

const NO_FILES: ExternalData<'static> = ExternalData(None);

const OPTIONS: OnnxOptions = OnnxOptions { output: None, size: None };

/// A graph's first output, as ONNX lays it out, computed with its one input, a batch of images.
fn on_images(model: &ModelProto, graph: &GraphProto, input: &Constant) -> Computed {
    let output = &graph.output[0].name[..];
    let read =
        |output, bytes| match reader::read(model, graph, graph.initializer.clone(), output, NO_FILES, bytes, &OPTIONS)?
        {
            (graph, Value::Activation(result)) => Ok((graph.network, result)),
            _ => Err(OnnxError::Output(output.into())),
        };
    let (_, image) = read(&graph.input[0].name, 0)?;
    let scores = output::scores(graph, output).value;
    let (mut network, mut result) = read(scores, 1 << 20)?;
    let is_left_out = scores != output && result.rank() == 2;
    if scores != output && !is_left_out {
        (network, result) = read(output, 1 << 20)?;
    }
    let last = network.add("row", Flatten.into(), &[result.source], []);
    let last = last.map_err(|_| OnnxError::Output(output.into()))?;
    let [h, w, c] = network.image(Source::Image);
    let model = network.build(last, ModelInfo::default())?;

    let batch = input.shape[0];
    let values = input.to_floats();
    let ours = values.chunks_exact(values.len() / batch).flat_map(|values| {
        let one = Constant::floats(&[&[1], &input.shape[1..]].concat(), values.to_vec());
        image.to_our_layout(&one).expect("an image over itself").values
    });
    let scores = model.predict(Tensor::new([batch, h, w, c], ours.collect::<Vec<f32>>()))?;
    let scores = match &graph.node[0].op_type[..] {
        "Softmax" if is_left_out => tensor::Tape::new().leaf(scores).apply(Softmax).value().clone(),
        "Sigmoid" if is_left_out => tensor::Tape::new().leaf(scores).apply(Sigmoid).value().clone(),
        "LogSoftmax" if is_left_out => log_softmax(&tensor::Tape::new().leaf(scores)).value().clone(),
        _ => scores,
    };
    Ok((result.shape(), result.in_onnx_order(scores.as_slice())))
}

pub(super) fn input(extents: &[i64]) -> ValueInfoProto {
    let dim = extents.iter().map(|&extent| DimensionProto { dim_value: Some(extent), dim_param: None }).collect();
    let tensor = TensorTypeProto { elem_type: DataType::Float.into(), shape: Some(ShapeProto { dim }) };
    ValueInfoProto { name: "x".into(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

pub(super) fn node(operator: &str, name: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.into(),
        name: name.into(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

pub(super) fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: DataType::Float.into(),
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}
