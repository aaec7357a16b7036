//! Sums, differences, products and quotients: of two values, of a value and a constant, of two constants.

use super::activation::scaled;
use crate::layer::Layer;
use crate::onnx::activation::Activation;
use crate::onnx::constant::Constant;
use crate::onnx::error::NodeError;
use crate::onnx::graph::{Graph, Value};
use crate::onnx::network::Weight;
use crate::onnx::node::Node;

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
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

/// Sum, of values that depend on the picture.
pub(super) fn sum<'a>(node: &Node<'a>, graph: &mut Graph<'a>) -> Result<Value, NodeError> {
    let terms: Vec<Activation> =
        (0..node.proto.input.len()).map(|place| graph.activation(node, place, "input")).collect::<Result<_, _>>()?;
    let whole = terms.iter().find(|whole| terms.iter().all(|x| whole.broadcasts(x)));
    let whole = whole.ok_or_else(|| NodeError::Shape {
        expected: "inputs that lie alike, or repeat over the largest (N left out)".into(),
        found: terms.first().map_or_else(Vec::new, Activation::shape),
    })?;
    let sources: Vec<_> = terms.iter().map(|x| x.source).collect();
    Ok(whole.of(graph.network.add(node.name(), Layer::Add, &sources, Vec::new())?).into())
}

fn apply<'a>(node: &Node<'a>, graph: &mut Graph<'a>, operation: Arithmetic) -> Result<Value, NodeError> {
    match (graph.input(node, 0, "input A")?, graph.input(node, 1, "input B")?) {
        (Value::Constant(a), Value::Constant(b)) => {
            graph.charge(a.broadcast_len(&b)?)?;
            Ok(match operation {
                Arithmetic::Add => a.combined(&b, i64::checked_add, |a, b| a + b),
                Arithmetic::Sub => a.combined(&b, i64::checked_sub, |a, b| a - b),
                Arithmetic::Mul => a.combined(&b, i64::checked_mul, |a, b| a * b),
                Arithmetic::Div => a.combined(&b, i64::checked_div, |a, b| a / b),
            }?
            .into())
        }
        (Value::Pixels(_), _) | (_, Value::Pixels(_)) => Err(NodeError::Batch),
        (Value::Activation(a), Value::Activation(b)) => of_two(node, graph, operation, &a, &b),
        (Value::Activation(x), Value::Constant(c)) => with_constant(node, graph, operation, &x, &c, 0),
        (Value::Constant(c), Value::Activation(x)) => match operation {
            Arithmetic::Add | Arithmetic::Mul => with_constant(node, graph, operation, &x, &c, 1),
            Arithmetic::Sub => {
                // c − x = −1·x + c.
                let negated = scaled(graph, &x, &format!("{}.negated", node.name()), -1.0)?;
                shift(node, graph, &negated, x.arrange(&c)?)
            }
            Arithmetic::Div => {
                // c / x = x⁻¹·c.
                let name = format!("{}.reciprocal", node.name());
                let power = Layer::Power { exponent: -1.0 };
                let source = graph.network.add(&name, power, &[x.source], Vec::new())?;
                with_constant(node, graph, Arithmetic::Mul, &x.of(source), &c, 1)
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
        // A row of channels and a picture of one channel, each repeated over the other.
        (false, false)
            if [a, b].iter().all(|x| x.as_image().is_some() || x.as_row().is_some_and(|_| x.shape().len() == 3)) =>
        {
            let source = graph.network.add(node.name(), layer, &[a.source, b.source], Vec::new())?;
            return Ok(Activation::image(source, graph.network.image(source)).into());
        }
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
