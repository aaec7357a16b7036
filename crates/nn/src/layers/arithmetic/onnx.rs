//! Arithmetic in ONNX files: of two values, of a value and a constant, of two constants.

use std::f32::consts::FRAC_1_SQRT_2;

use tensor::Tensor;

use super::{Add, Div, Mul, Scale, Shift, Sub};
use crate::layers::activations::{Erf, Gelu, Power, Sigmoid, Silu};
use crate::layers::layer::Layer;
use crate::model::Source;
use crate::onnx::constant::broadcast;
use crate::onnx::prelude::*;

impl Onnx for Add {
    const READS: Reads = &[("Add", add), ("Sum", sum)];

    fn write(&self, w: &mut Writing<'_>) {
        w.fold("Add");
    }
}

impl Onnx for Sub {
    const READS: Reads = &[("Sub", sub)];

    fn write(&self, w: &mut Writing<'_>) {
        w.fold("Sub");
    }
}

impl Onnx for Mul {
    const READS: Reads = &[("Mul", mul)];

    fn write(&self, w: &mut Writing<'_>) {
        w.fold("Mul");
    }
}

impl Onnx for Div {
    const READS: Reads = &[("Div", div)];

    fn write(&self, w: &mut Writing<'_>) {
        w.fold("Div");
    }
}

impl Onnx for Scale {
    fn write(&self, w: &mut Writing<'_>) {
        with_constant(w, "Mul");
    }
}

impl Onnx for Shift {
    fn write(&self, w: &mut Writing<'_>) {
        with_constant(w, "Add");
    }
}

fn add(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    apply(r, Add.into(), i64::checked_add, |a, b| a + b, add_constant)
}

fn sub(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    apply(r, Sub.into(), i64::checked_sub, |a, b| a - b, sub_constant)
}

fn div(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    if let [Value::Activation(x), Value::Activation(divisor)] = &r.inputs()?[..]
        && let Some(normalized) = r.normalized(x, divisor)?
    {
        return Ok(normalized.into());
    }
    apply(r, Div.into(), i64::checked_div, |a, b| a / b, div_constant)
}

/// Layers for a value and a constant; the value is the input of this index, 0 or 1.
type WithConstant = fn(&mut Reading<'_>, usize, &Activation, &Constant) -> Result<Activation, NodeError>;

fn apply(
    r: &mut Reading<'_>,
    layer: Layer,
    of_integers: fn(i64, i64) -> Option<i64>,
    of_floats: fn(f32, f32) -> f32,
    with_constant: WithConstant,
) -> Result<Value, NodeError> {
    Ok(match (r.input(0, "input A")?, r.input(1, "input B")?) {
        (Value::Constant(a), Value::Constant(b)) => r.combine(&a, &b, of_integers, of_floats)?.into(),
        (Value::Activation(a), Value::Activation(b)) => of_two(r, layer, &a, &b)?.into(),
        (Value::Activation(x), Value::Constant(c)) => with_constant(r, 0, &x, &c)?.into(),
        (Value::Constant(c), Value::Activation(x)) => with_constant(r, 1, &x, &c)?.into(),
    })
}

fn of_two(r: &mut Reading<'_>, layer: Layer, a: &Activation, b: &Activation) -> Result<Activation, NodeError> {
    let whole = [(a, b), (b, a)].into_iter().find_map(|(whole, other)| whole.broadcasts(other).then_some(whole));
    // A row of channels and an image of one channel are each repeated over the other.
    let is_image = |x: &Activation| x.as_image().is_some() || x.as_row().is_some() && x.shape().len() == 3;
    if whole.is_none() && !(is_image(a) && is_image(b)) {
        return in_onnx_order(r, layer, a, b);
    }
    let source = r.layer(layer, &[a.source, b.source])?;
    Ok(whole.map_or_else(|| r.image(source), |whole| whole.of(source)))
}

/// Two values in ONNX's order, in which our layers broadcast them as ONNX does; images become images for us.
fn in_onnx_order(r: &mut Reading<'_>, layer: Layer, a: &Activation, b: &Activation) -> Result<Activation, NodeError> {
    let shape =
        broadcast(&a.shape(), &b.shape()).map_err(|_| b.misfit(format!("an input B that is broadcast over A, {a}")))?;
    let rank = shape.len();
    let mut both = Vec::with_capacity(2);
    for (part, x) in [("a", a), ("b", b)] {
        let leading = vec![1; rank - x.rank()];
        let Value::Activation(x) = r.reshaped(x.clone().into(), &[&leading[..], &x.shape()].concat())? else {
            unreachable!("an activation stays one")
        };
        both.push((part, x));
    }
    let first = usize::from(both.iter().all(|(_, x)| x.has_batch_first()));
    let is_image = rank == 4 && first == 1 && both.iter().any(|(_, x)| x.as_image().is_some());
    let groups: Vec<Vec<usize>> = if is_image {
        vec![vec![2], vec![3], vec![1]]
    } else {
        (first..rank).map(|dimension| vec![dimension]).collect()
    };
    let mut sources = Vec::with_capacity(2);
    for (part, x) in &both {
        sources.push(r.arranged_as(part, x, &groups)?.source);
    }
    let source = r.layer(layer, &sources)?;
    if is_image {
        return Ok(r.image(source));
    }
    let result = r.in_our_order(source);
    if first == 1 { Ok(result) } else { result.reshaped(&shape) }
}

fn mul(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    if let [Value::Activation(a), Value::Activation(b)] = &r.inputs()?[..] {
        for (index, x, gate) in [(1, a, b), (0, b, a)] {
            let is_sigmoid = |gate: &mut Planned| gate.layer == Sigmoid.into() && gate.inputs == [x.source];
            if x.same_axes(gate) && r.sole_layer(index).is_some_and(is_sigmoid) {
                r.replace(gate.source, Silu);
                return Ok(gate.clone().into());
            }
            if let Some(product) = r.hard_gated(x, gate)? {
                return Ok(product.into());
            }
            if let Some(normalized) = r.normalized_by(x, gate)? {
                return Ok(normalized.into());
            }
        }
    }
    apply(r, Mul.into(), i64::checked_mul, |a, b| a * b, mul_constant)
}

fn mul_constant(r: &mut Reading<'_>, index: usize, x: &Activation, c: &Constant) -> Result<Activation, NodeError> {
    if c.scalar() == Some(0.5)
        && let Some(argument) = gelu_argument(r, index)
    {
        r.forget_last(4);
        return Ok(x.of(r.layer(Gelu { tanh: false }, &[argument])?));
    }
    let (x, c) = r.fitted(x, c)?;
    scale(r, &x, c)
}

/// x, if this input is x·(1 + erf(x/√2)), written out as exporters do, by the last four layers, which nothing else reads.
fn gelu_argument(r: &mut Reading<'_>, index: usize) -> Option<Source> {
    r.sole_layer(index)?;
    let [scaled, erf, shifted, product] = r.last_layers()?;
    let is_number = |(_, planned): (Source, &Planned), layer: Layer, number: f32| {
        planned.layer == layer && planned.weights[0].as_slice().iter().all(|w| (w - number).abs() < 1e-6)
    };
    let one = || vec![1];
    let &[x] = &scaled.1.inputs[..] else { return None };
    let is_gelu = is_number(scaled, Scale { shape: one() }.into(), FRAC_1_SQRT_2)
        && erf.1.layer == Erf.into()
        && erf.1.inputs == [scaled.0]
        && is_number(shifted, Shift { shape: one() }.into(), 1.0)
        && shifted.1.inputs == [erf.0]
        && product.1.layer == Mul.into()
        && [[x, shifted.0], [shifted.0, x]].contains(&[product.1.inputs[0], *product.1.inputs.last()?]);
    (is_gelu && [scaled.0, erf.0, shifted.0].into_iter().all(|source| r.is_read_once(source))).then_some(x)
}

/// The sum of values that depend on the image.
fn sum(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let terms = r.activations()?;
    let whole = terms.iter().find(|whole| terms.iter().all(|x| whole.broadcasts(x)));
    let whole = whole.ok_or_else(|| {
        let found = terms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        NodeError::Shape { expected: "inputs that are broadcast over the largest".into(), found }
    })?;
    let sources: Vec<_> = terms.iter().map(|x| x.source).collect();
    Ok(whole.of(r.layer(Add, &sources)?).into())
}

fn add_constant(r: &mut Reading<'_>, index: usize, x: &Activation, c: &Constant) -> Result<Activation, NodeError> {
    let (x, c) = r.fitted(x, c)?;
    shift_or_bias(r, index, &x, c)
}

fn sub_constant(r: &mut Reading<'_>, index: usize, x: &Activation, c: &Constant) -> Result<Activation, NodeError> {
    let (x, mut c) = r.fitted(x, c)?;
    if index == 0 {
        c.values.iter_mut().for_each(|value| *value = -*value);
        return shift_or_bias(r, index, &x, c);
    }
    // c − x = −1·x + c.
    let negated = r.scaled("negated", &x, -1.0)?;
    shift(r, &negated, c)
}

fn div_constant(r: &mut Reading<'_>, index: usize, x: &Activation, c: &Constant) -> Result<Activation, NodeError> {
    let (x, mut c) = r.fitted(x, c)?;
    if index == 0 {
        c.values.iter_mut().for_each(|value| *value = value.recip());
        return scale(r, &x, c);
    }
    // c / x = x⁻¹·c.
    let reciprocal = r.add("reciprocal", Power { exponent: -1.0 }, &[x.source], [])?;
    scale(r, &x.of(reciprocal), c)
}

/// Adds a constant: the bias of the convolution or fully connected layer that computes this input, if it has none.
fn shift_or_bias(r: &mut Reading<'_>, index: usize, x: &Activation, c: Weight) -> Result<Activation, NodeError> {
    if let Some(Planned { layer, weights, .. }) = r.sole_layer(index)
        && c.values.iter().all(|value| value.is_finite())
        && layer.kind_mut().add_bias(&c.shape)
    {
        weights.push(Tensor::new(&c.shape[..], c.values));
        return Ok(x.clone());
    }
    shift(r, x, c)
}

fn shift(r: &mut Reading<'_>, x: &Activation, c: Weight) -> Result<Activation, NodeError> {
    Ok(x.of(r.layer_with(Shift { shape: c.shape.clone() }, x, [c])?))
}

fn scale(r: &mut Reading<'_>, x: &Activation, c: Weight) -> Result<Activation, NodeError> {
    if let [factor] = c.values[..]
        && let Some(rescaled) = r.rescaled(x, factor)?
    {
        return Ok(rescaled);
    }
    Ok(x.of(r.layer_with(Scale { shape: c.shape.clone() }, x, [c])?))
}
