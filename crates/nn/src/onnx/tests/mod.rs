mod attention;
mod axes;
mod hostile;
mod node_cases;
mod norms;
mod parts;

use tensor::Tensor;

use super::OnnxError;
use super::constant::{Constant, Values};
use super::external::ExternalData;
use super::graph::{self, Value};
use super::schema::{
    DataType, DimensionProto, GraphProto, ModelProto, NodeProto, ShapeProto, TensorProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::layer::Layer;
use crate::model::{ModelInfo, Source};

/// Shape and values.
type Computed = Result<(Vec<usize>, Vec<f32>), OnnxError>;

const NO_FILES: ExternalData<'static> = ExternalData(None);

/// A graph's first output, as ONNX lays it out, computed with its one input, a batch of pictures.
fn on_pictures(model: &ModelProto, graph: &GraphProto, input: &Constant) -> Computed {
    let pixels = input.to_floats();
    let output = &graph.output[0].name;
    let scores = graph::before_softmax(graph, output);
    let (_, Value::Activation(picture)) = graph::read(model, graph, &graph.input[0].name, NO_FILES, 0)? else {
        return Err(OnnxError::Output(output.clone()));
    };
    let read = |output| match graph::read(model, graph, output, NO_FILES, 1 << 20)? {
        (reading, Value::Activation(result)) => Ok((reading, result)),
        _ => Err(OnnxError::Output(output.into())),
    };
    let (mut reading, mut result) = read(scores)?;
    let is_left_out = scores != output && result.shape().len() == 1;
    if scores != output && !is_left_out {
        (reading, result) = read(output)?;
    }
    let last = reading.network.add("row", Layer::Flatten, &[result.source], Vec::new());
    let last = last.map_err(|_| OnnxError::Output(output.clone()))?;
    let image = reading.network.image(Source::Image);
    let model = reading.network.build(last, ModelInfo::default())?;

    let each = pixels.len() / input.shape[0];
    let mut batch = Vec::with_capacity(pixels.len());
    for pixels in pixels.chunks_exact(each) {
        let shape = [&[1], &input.shape[1..]].concat();
        let one = Constant { shape, values: Values::Floats(pixels.to_vec()) };
        batch.extend(picture.arrange(&one).expect("a picture over itself").1);
    }
    let [h, w, c] = image;
    let scores_found = model.predict(Tensor::new([input.shape[0], h, w, c], batch))?;
    let scores_found = match &graph.node[0].op_type[..] {
        "Softmax" if is_left_out => crate::ops::softmax(tensor::Tape::new().leaf(scores_found)).value().clone(),
        "LogSoftmax" if is_left_out => crate::ops::log_softmax(&tensor::Tape::new().leaf(scores_found)).value().clone(),
        _ => scores_found,
    };
    let each = scores_found.len() / input.shape[0];
    let values = scores_found.as_slice().chunks_exact(each).flat_map(|row| result.in_onnx_order(row)).collect();
    Ok(([&[input.shape[0]], &result.shape()[..]].concat(), values))
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
