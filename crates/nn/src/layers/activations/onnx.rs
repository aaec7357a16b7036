//! Activations in ONNX files.

use std::rc::Rc;

use super::{
    Abs, Clip, Elu, Erf, Exp, Gelu, HardSigmoid, HardSwish, LeakyRelu, Log, PRelu, Power, Relu, Sigmoid, Silu, Softmax,
    Softplus, Step, Tanh,
};
use crate::layers::layer::Layer;
use crate::onnx::prelude::*;

impl Onnx for Relu {
    const READS: Reads = &[("Relu", |r| r.in_place(Relu))];
}

impl Onnx for Clip {
    const READS: Reads = &[("Clip", clip), ("Max", max), ("Min", min)];

    fn write(&self, w: &mut Writing<'_>) {
        let (min, max) = (w.number("min", self.min), w.number("max", self.max));
        w.node("Clip", &[w.inputs()[0], &min, &max], &[]);
    }
}

/// Clip, its bounds inputs or attributes. A missing bound is the largest finite number.
fn clip(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let [min, max] = [r.optional_constant(1, "min")?, r.optional_constant(2, "max")?];
    if let Value::Constant(x) = r.input(0, "input")? {
        let mut clipped = (*x).clone();
        if let Some(min) = min {
            clipped = r.combine(&clipped, &min, |a, b| Some(a.max(b)), f32::max)?;
        }
        if let Some(max) = max {
            clipped = r.combine(&clipped, &max, |a, b| Some(a.min(b)), f32::min)?;
        }
        return Ok(clipped.into());
    }
    let bound = |given: Option<f32>, name, missing| match given.unwrap_or(missing) {
        bound if bound.is_nan() => Err(NodeError::unsupported(name, bound, "a number")),
        bound => Ok(decimal(bound.clamp(f32::MIN, f32::MAX))),
    };
    let min = min.map_or_else(|| r.node.float("min"), |min| Ok(min.scalar()))?;
    let max = max.map_or_else(|| r.node.float("max"), |max| Ok(max.scalar()))?;
    let x = r.activation(0, "input")?;
    clipped(r, &x, Clip { min: bound(min, "min", f32::MIN)?, max: bound(max, "max", f32::MAX)? })
}

/// Clips a value; one that is a ReLU or clipped already, as where exporters write ReLU6, is clipped once.
fn clipped(r: &mut Reading<'_>, x: &Activation, Clip { min, max }: Clip) -> Result<Value, NodeError> {
    let inner = match r.planned(x.source) {
        Some(Planned { layer: Layer::Relu(_), inputs, .. }) => Some((0.0, f32::MAX.into(), inputs[0])),
        Some(Planned { layer: Layer::Clip(inner), inputs, .. }) => Some((inner.min, inner.max, inputs[0])),
        _ => None,
    };
    let (clip, source) = match inner {
        Some((least, most, source)) if min <= most && least <= max => {
            (Clip { min: min.max(least), max: max.min(most) }, source)
        }
        _ => (Clip { min, max }, x.source),
    };
    Ok(x.of(r.layer(clip, &[source])?).into())
}

fn max(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    bounded(r, i64::max, f32::max, |bound| Clip { min: bound, max: f32::MAX.into() })
}

fn min(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    bounded(r, i64::min, f32::min, |bound| Clip { min: f32::MIN.into(), max: bound })
}

/// The maximum or minimum of constants, or of a value that depends on the image and one number.
fn bounded(
    r: &mut Reading<'_>,
    of_integers: fn(i64, i64) -> i64,
    of_floats: fn(f32, f32) -> f32,
    clip: fn(f64) -> Clip,
) -> Result<Value, NodeError> {
    let inputs = r.inputs()?;
    if let [Value::Activation(x), Value::Constant(bound)] | [Value::Constant(bound), Value::Activation(x)] = &inputs[..]
        && let Some(bound) = bound.scalar().filter(|bound| bound.is_finite())
    {
        return clipped(r, x, clip(decimal(bound)));
    }
    let constants: Option<Vec<Rc<Constant>>> = inputs.iter().map(Value::as_constant).collect();
    let constants = constants.ok_or_else(|| {
        let found = format_args!("values that depend on the image");
        NodeError::unsupported("the input", found, "constants, or one value that depends on the image and one number")
    })?;
    let (first, rest) = constants.split_first().ok_or(NodeError::MissingInput("input"))?;
    let mut result = (**first).clone();
    for constant in rest {
        result = r.combine(&result, constant, |a, b| Some(of_integers(a, b)), of_floats)?;
    }
    Ok(result.into())
}

impl Onnx for LeakyRelu {
    const READS: Reads = &[("LeakyRelu", |r| r.in_place(LeakyRelu { slope: r.node.decimal("alpha", 0.01)? }))];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("LeakyRelu", &[float("alpha", self.slope)]);
    }
}

impl Onnx for PRelu {
    const READS: Reads = &[("PRelu", prelu)];

    fn write(&self, w: &mut Writing<'_>) {
        with_constant(w, "PRelu");
    }
}

/// PRelu with a slope for each channel, or one for all.
fn prelu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let slopes = x.for_each_channel(&*r.constant(1, "slope")?, "slope")?;
    Ok(x.of(r.layer_with(PRelu, &x, [slopes])?).into())
}

impl Onnx for Elu {
    const READS: Reads = &[("Elu", |r| r.in_place(Elu { alpha: r.node.decimal("alpha", 1.0)? }))];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("Elu", &[float("alpha", self.alpha)]);
    }
}

impl Onnx for Gelu {
    const READS: Reads = &[("Gelu", gelu)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("Gelu", &[text("approximate", if self.tanh { "tanh" } else { "none" })]);
    }
}

/// Gelu, exact or approximated.
fn gelu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let tanh = match r.node.text("approximate")?.as_deref() {
        None | Some("none" | "") => false,
        Some("tanh") => true,
        Some(found) => return Err(NodeError::unsupported("approximate", found, "none, tanh")),
    };
    r.in_place(Gelu { tanh })
}

impl Onnx for Softplus {
    const READS: Reads = &[("Softplus", |r| r.in_place(Softplus))];
}

impl Onnx for Sigmoid {
    const READS: Reads = &[("Sigmoid", |r| r.in_place(Sigmoid))];
}

impl Onnx for Silu {
    fn write(&self, w: &mut Writing<'_>) {
        // Its own operator is younger than most readers: x·sigmoid(x), which is read as a SiLU again.
        let x = w.inputs()[0];
        let gate = w.part("gate", "Sigmoid", &[x], &[]);
        w.node("Mul", &[x, &gate], &[]);
    }
}

impl Onnx for HardSigmoid {
    const READS: Reads = &[("HardSigmoid", hard_sigmoid)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("HardSigmoid", &[float("alpha", self.slope), float("beta", self.offset)]);
    }
}

/// alpha·x + beta, held between 0 and 1.
fn hard_sigmoid(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (slope, offset) = (r.node.decimal("alpha", 0.2)?, r.node.decimal("beta", 0.5)?);
    r.in_place(HardSigmoid { slope, offset })
}

impl Onnx for HardSwish {
    const READS: Reads = &[("HardSwish", |r| r.in_place(HardSwish))];
}

impl Onnx for Tanh {
    const READS: Reads = &[("Tanh", |r| r.in_place(Tanh))];
}

impl Onnx for Erf {
    const READS: Reads = &[("Erf", |r| r.in_place(Erf))];
}

impl Onnx for Abs {
    const READS: Reads = &[("Abs", abs)];
}

fn abs(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Constant(x) => {
            let zero = Constant { shape: Vec::new(), values: Values::Integers(vec![0]) };
            Ok(r.combine(&x, &zero, |x, _| x.checked_abs(), |x, _| x.abs())?.into())
        }
        Value::Activation(_) => r.in_place(Abs),
    }
}

impl Onnx for Exp {
    const READS: Reads = &[("Exp", |r| r.in_place(Exp))];
}

impl Onnx for Log {
    const READS: Reads = &[("Log", |r| r.in_place(Log))];
}

impl Onnx for Step {
    fn write(&self, w: &mut Writing<'_>) {
        let threshold = w.number("threshold", self.threshold);
        let is_above = w.inner_node("above", "Greater", &[w.inputs()[0], &threshold], &[]);
        w.outer_node("number", "Cast", &is_above, &[integer("to", 1)]);
    }
}

impl Onnx for Power {
    const READS: Reads = &[
        ("Pow", pow),
        ("Reciprocal", |r| r.in_place(Power { exponent: -1.0 })),
        ("Sqrt", |r| r.in_place(Power { exponent: 0.5 })),
    ];

    fn write(&self, w: &mut Writing<'_>) {
        let exponent = w.number("exponent", self.exponent);
        w.node("Pow", &[w.inputs()[0], &exponent], &[]);
    }
}

/// A power with a constant exponent.
fn pow(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let exponent = r.constant(1, "exponent")?;
    match r.input(0, "base")? {
        Value::Constant(base) => {
            let of_integers = |a: i64, b| a.checked_pow(u32::try_from(b).ok()?);
            Ok(r.combine(&base, &exponent, of_integers, f32::powf)?.into())
        }
        Value::Activation(_) => match exponent.scalar() {
            Some(exponent) => r.in_place(Power { exponent: decimal(exponent) }),
            None => Err(NodeError::shape("one exponent", &exponent.shape)),
        },
    }
}

impl Onnx for Softmax {
    const READS: Reads = &[("Softmax", softmax)];

    fn write(&self, w: &mut Writing<'_>) {
        let axis = if matches!(w.input_shape(0).len(), 1 | 3) { 1 } else { -1 };
        w.one_node("Softmax", &[integer("axis", axis)]);
    }
}

/// Softmax over one dimension, as in attention, which becomes the channels; one that computes the scores is left out before.
fn softmax(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let mut x = r.activation(0, "input")?;
    let shape = x.shape();
    // Before version 13 it is over all dimensions from the axis on.
    let is_joint = r.opset() < 13;
    let axis = r.node.integer("axis", if is_joint { 1 } else { -1 })?;
    let dimension =
        resolve(axis, shape.len()).ok_or_else(|| NodeError::unsupported("axis", axis, "a dimension of the input"))?;
    if is_joint && shape[dimension + 1..].iter().any(|&extent| extent != 1) {
        return Err(NodeError::unsupported("axis", axis, "the last dimension of several values, before version 13"));
    }
    if x.runs_through_batch(dimension) {
        return Err(NodeError::Batch);
    }
    if !x.is_channels(dimension) {
        let mut groups = x.each_dimension();
        groups.retain(|group| group[0] != dimension);
        groups.push(vec![dimension]);
        x = r.arranged_as("plain", &x, &groups)?;
    }
    Ok(x.of(r.layer(Softmax, &[x.source])?).into())
}
