//! Sums, differences, products and quotients: of two values, of a value and a constant, of two constants.

use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::Node;

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::onnx) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

pub(super) fn add<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    apply(node, graph, Arithmetic::Add)
}

pub(super) fn sub<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    apply(node, graph, Arithmetic::Sub)
}

pub(super) fn mul<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    apply(node, graph, Arithmetic::Mul)
}

pub(super) fn div<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    apply(node, graph, Arithmetic::Div)
}

fn apply<'a>(node: &Node<'a>, graph: &mut Graph<'a>, operation: Arithmetic) -> Result<Value, NodeError> {
    match (graph.input(node, 0, "input A")?, graph.input(node, 1, "input B")?) {
        (Value::Constant(a), Value::Constant(b)) => {
            graph.charge(a.broadcast_len(&b)?)?;
            Ok(a.combined(&b, operation)?.into())
        }
        (Value::Activation(a), Value::Activation(b)) => of_two(node, graph, operation, &a, &b),
        (Value::Activation(x), Value::Constant(c)) => with_constant(node, graph, operation, &x, &c, 0),
        (Value::Constant(c), Value::Activation(x)) => match operation {
            Arithmetic::Add | Arithmetic::Mul => with_constant(node, graph, operation, &x, &c, 1),
            Arithmetic::Sub => {
                // c − x = −1·x + c.
                let negated = Layer::Scale { shape: vec![1] };
                let name = format!("{}.negated", node.name());
                let source = graph.network.add(&name, negated, &[x.source], vec![Weight::new(&[1], vec![-1.0])])?;
                shift(node, graph, &x.of(source), x.arrange(&c)?)
            }
            Arithmetic::Div => {
                let name = node.input(0).unwrap_or_default().into();
                Err(NodeError::Constant { input: "dividend", name })
            }
        },
    }
}

fn of_two<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    operation: Arithmetic,
    a: &Activation,
    b: &Activation,
) -> Result<Value, NodeError> {
    if operation == Arithmetic::Mul {
        for (place, x, gate) in [(1, a, b), (0, b, a)] {
            let is_silu = x.is_laid_out_as(gate) && graph.is_only_reader(node, place);
            if is_silu && graph.network.sigmoid_becomes_silu(node.name(), x.source, gate.source) {
                return Ok(gate.clone().into());
            }
        }
    }
    let layer = match operation {
        Arithmetic::Add => Layer::Add,
        Arithmetic::Sub => Layer::Sub,
        Arithmetic::Mul => Layer::Mul,
        Arithmetic::Div => Layer::Div,
    };
    let whole = match (a.broadcasts(b), b.broadcasts(a)) {
        (true, _) => a,
        (false, true) => b,
        (false, false) => {
            let expected = format!("an input B that lies as A does, or repeats over it: {:?} (N left out)", a.shape());
            return Err(NodeError::Shape { expected, found: b.shape() });
        }
    };
    let source = graph.network.add(node.name(), layer, &[a.source, b.source], Vec::new())?;
    Ok(whole.of(source).into())
}

/// x stands at this place among the node's inputs.
fn with_constant<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    operation: Arithmetic,
    x: &Activation,
    constant: &Constant,
    place: usize,
) -> Result<Value, NodeError> {
    let (shape, mut values) = x.arrange(constant)?;
    match operation {
        Arithmetic::Sub => values.iter_mut().for_each(|value| *value = -*value),
        Arithmetic::Div => values.iter_mut().for_each(|value| *value = value.recip()),
        Arithmetic::Add | Arithmetic::Mul => {}
    }
    match operation {
        Arithmetic::Add | Arithmetic::Sub => {
            if graph.is_only_reader(node, place) && graph.network.becomes_bias(x.source, &shape, &values) {
                return Ok(x.clone().into());
            }
            shift(node, graph, x, (shape, values))
        }
        Arithmetic::Mul | Arithmetic::Div => {
            let layer = Layer::Scale { shape: shape.clone() };
            let source = graph.network.add(node.name(), layer, &[x.source], vec![Weight { shape, values }])?;
            Ok(x.of(source).into())
        }
    }
}

fn shift<'a>(
    node: &Node<'a>,
    graph: &mut Graph<'a>,
    x: &Activation,
    (shape, values): (Vec<usize>, Vec<f32>),
) -> Result<Value, NodeError> {
    let layer = Layer::Shift { shape: shape.clone() };
    let source = graph.network.add(node.name(), layer, &[x.source], vec![Weight { shape, values }])?;
    Ok(x.of(source).into())
}
