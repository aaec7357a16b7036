//! ONNX's own tests of single nodes (`tests/onnx-node`): each is computed as it says, or refused; none in another way.

use prost::Message;

use super::{Computed, NO_FILES, OPTIONS, on_images};
use crate::onnx::constant::Constant;
use crate::onnx::context::Value;
use crate::onnx::schema::{
    DataType, DimensionProto, GraphProto, ModelProto, ShapeProto, TensorProto, TensorTypeProto, TypeProto,
    ValueInfoProto,
};
use crate::onnx::{OnnxError, reader};

#[derive(Clone, PartialEq, Message)]
struct Cases {
    #[prost(message, repeated, tag = "1")]
    cases: Vec<Case>,
}

#[derive(Clone, PartialEq, Message)]
struct Case {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, required, tag = "2")]
    model: ModelProto,
    #[prost(message, repeated, tag = "3")]
    inputs: Vec<TensorProto>,
    #[prost(message, repeated, tag = "4")]
    outputs: Vec<TensorProto>,
}

fn array(tensor: &TensorProto) -> Option<Constant> {
    Constant::read(tensor, &NO_FILES).ok()
}

impl Case {
    /// The graph with its inputs as constants, but for this many of the first.
    fn graph(&self, images: usize) -> GraphProto {
        let mut graph = self.model.graph.clone().unwrap();
        graph.initializer.extend(self.inputs.iter().skip(images).cloned());
        if images == 0 {
            // An image that nothing reads.
            let dim = vec![DimensionProto { dim_value: Some(1), dim_param: None }; 2];
            let tensor = TensorTypeProto { elem_type: DataType::Float.into(), shape: Some(ShapeProto { dim }) };
            let r#type = Some(TypeProto { tensor_type: Some(tensor) });
            graph.input = vec![ValueInfoProto { name: "image".into(), r#type }];
        }
        graph
    }

    /// Computed with the first input as a batch of images: shape and values.
    fn on_images(&self) -> Option<Computed> {
        let graph = self.graph(1);
        let input = array(self.inputs.first()?)?;
        Some(on_images(&self.model, &graph, &input))
    }

    /// Computed from constants alone.
    fn on_constants(&self) -> Computed {
        let graph = self.graph(0);
        match reader::read(
            &self.model,
            &graph,
            graph.initializer.clone(),
            &graph.output[0].name,
            NO_FILES,
            1 << 20,
            &OPTIONS,
        )? {
            (_, Value::Constant(constant)) => Ok((constant.shape.clone(), constant.to_floats())),
            _ => Err(OnnxError::Output(String::new())),
        }
    }

    fn is_right(&self, (shape, values): &(Vec<usize>, Vec<f32>)) -> bool {
        let Some(expected) = array(&self.outputs[0]) else { return false };
        // As the tests' own runner compares; what is rounded to eight bits is computed here in more.
        let is_coarse = self.outputs[0].data_type == i32::from(DataType::Bfloat16);
        let relative = if is_coarse { 1.0 / 256.0 } else { 1e-3 };
        let close = |(found, expected): (&f32, f32)| {
            found == &expected
                || found.is_nan() && expected.is_nan()
                || (found - expected).abs() <= 1e-7 + relative * expected.abs()
        };
        *shape == expected.shape && values.iter().zip(expected.to_floats()).all(close)
    }
}

/// The cases that are computed, one a line; the others are refused.
const COMPUTED: &str = include_str!("../../../tests/onnx-node/computed.txt");

#[test]
fn nodes_compute_what_onnx_says_or_are_refused() {
    let cases = Cases::decode(&include_bytes!("../../../tests/onnx-node/cases.pb")[..]).unwrap().cases;
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for case in &cases {
        let is_read = |tensor: &TensorProto| DataType::try_from(tensor.data_type).is_ok();
        let computed: Vec<_> = if case.inputs.iter().chain(&case.outputs).all(is_read) {
            case.on_images().into_iter().chain([case.on_constants()]).collect()
        } else {
            Vec::new()
        };
        for refused in computed.iter().filter_map(|result| result.as_ref().err()) {
            println!("{}: {refused}", case.name);
        }
        let values: Vec<_> = computed.into_iter().flatten().collect();
        if values.iter().any(|value| case.is_right(value)) {
            right.push(&case.name[..]);
        }
        wrong.extend(values.iter().filter(|value| !case.is_right(value)).map(|(shape, _)| (&case.name, shape.clone())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let known: Vec<&str> = COMPUTED.lines().collect();
    let lost: Vec<_> = known.iter().filter(|name| !right.contains(name)).collect();
    let won: Vec<_> = right.iter().filter(|name| !known.contains(name)).collect();
    assert!(lost.is_empty() && won.is_empty(), "no longer computed: {lost:?}; newly computed: {won:?}");
}
