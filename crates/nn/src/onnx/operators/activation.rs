//! Functions of single values that depend on the image.

use crate::layer::Layer;
use crate::onnx::context::{Operator, Reading, Value};
use crate::onnx::error::NodeError;
use crate::onnx::node::{decimal, resolve};
use crate::onnx::proto::text;
use crate::onnx::writing::Writing;

pub(crate) const READS: &[(&str, Operator)] = &[
    ("Celu", celu),
    ("Clip", clip),
    ("Dropout", dropout),
    ("Elu", |r| r.in_place(Layer::Elu { alpha: r.node.decimal("alpha", 1.0)? })),
    ("Gelu", gelu),
    ("HardSigmoid", hard_sigmoid),
    ("HardSwish", hard_swish),
    ("LeakyRelu", |r| r.in_place(Layer::LeakyRelu { slope: r.node.decimal("alpha", 0.01)? })),
    ("LogSoftmax", log_softmax),
    ("Mish", mish),
    ("PRelu", prelu),
    ("Relu", |r| r.in_place(Layer::Relu)),
    ("Selu", selu),
    ("Sigmoid", |r| r.in_place(Layer::Sigmoid)),
    ("Softmax", softmax),
    ("Softplus", |r| r.in_place(Layer::Softplus)),
    ("Tanh", |r| r.in_place(Layer::Tanh)),
];

/// alpha times the Elu of x / alpha.
fn celu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let alpha = r.node.float("alpha")?.unwrap_or(1.0);
    if alpha == 1.0 {
        return r.in_place(Layer::Elu { alpha: 1.0 });
    }
    let inner = r.scaled("inner", &x, alpha.recip())?;
    let elu = r.add("elu", Layer::Elu { alpha: 1.0 }, &[inner.source], [])?;
    Ok(r.scaled("", &x.of(elu), alpha)?.into())
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
    r.in_place(Layer::Clip { min: bound(min, "min", f32::MIN)?, max: bound(max, "max", f32::MAX)? })
}

pub(crate) fn write_clip(w: &mut Writing<'_>, min: f64, max: f64) {
    let (min, max) = (w.number("min", min), w.number("max", max));
    w.node("Clip", &[w.inputs()[0], &min, &max], []);
}

/// Dropout, which does nothing until the model is trained.
fn dropout(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let given = r.optional_constant(1, "ratio")?.and_then(|ratio| ratio.scalar());
    let probability = given.or(r.node.float("ratio")?).map_or(0.5, decimal);
    r.in_place(Layer::Dropout { probability })
}

pub(crate) fn write_dropout(w: &mut Writing<'_>, probability: f64) {
    let ratio = w.number("ratio", probability);
    w.node("Dropout", &[w.inputs()[0], &ratio], []);
}

/// Gelu, exact or approximated.
fn gelu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let tanh = match r.node.text("approximate")?.as_deref() {
        None | Some("none" | "") => false,
        Some("tanh") => true,
        Some(found) => return Err(NodeError::unsupported("approximate", found, "none, tanh")),
    };
    r.in_place(Layer::Gelu { tanh })
}

pub(crate) fn write_gelu(w: &mut Writing<'_>, tanh: bool) {
    w.one_node("Gelu", [text("approximate", if tanh { "tanh" } else { "none" })]);
}

/// alpha·x + beta, held between 0 and 1.
fn hard_sigmoid(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (slope, offset) = (r.node.decimal("alpha", 0.2)?, r.node.decimal("beta", 0.5)?);
    r.in_place(Layer::HardSigmoid { slope, offset })
}

/// x times its hard sigmoid of slope 1/6 and offset 1/2.
fn hard_swish(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let gate = r.add("gate", Layer::HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 }, &[x.source], [])?;
    Ok(x.of(r.layer(Layer::Mul, &[x.source, gate])?).into())
}

/// x·tanh(softplus(x)).
fn mish(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let softplus = r.add("softplus", Layer::Softplus, &[x.source], [])?;
    let gate = r.add("gate", Layer::Tanh, &[softplus], [])?;
    Ok(x.of(r.layer(Layer::Mul, &[x.source, gate])?).into())
}

/// PRelu with a slope for each channel, or one for all.
fn prelu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let slopes = x.for_each_channel(&*r.constant(1, "slope")?, "slope")?;
    Ok(x.of(r.layer_with(Layer::PRelu, &x, [slopes])?).into())
}

/// gamma times an Elu.
fn selu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let alpha = r.node.decimal("alpha", 1.673_263_2)?;
    let gamma = r.node.float("gamma")?.unwrap_or(1.050_701);
    let elu = r.add("elu", Layer::Elu { alpha }, &[x.source], [])?;
    Ok(r.scaled("", &x.of(elu), gamma)?.into())
}

pub(crate) fn write_silu(w: &mut Writing<'_>) {
    let x = w.inputs()[0];
    let gate = w.part("gate", "Sigmoid", &[x], []);
    w.node("Mul", &[x, &gate], []);
}

/// Softmax over channels, as in attention; one that computes the scores is left out before.
fn softmax(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let shape = x.shape();
    // Before version 13 it is over all dimensions from the axis on.
    let is_joint = r.opset() < 13;
    let axis = r.node.integer("axis", if is_joint { 1 } else { -1 })?;
    let dimension = resolve(axis, shape.len() + 1).and_then(|dimension| dimension.checked_sub(1));
    let is_over_channels = dimension.is_some_and(|dimension| {
        x.is_channels(dimension) && !(is_joint && shape[dimension + 1..].iter().any(|&extent| extent != 1))
    });
    if !is_over_channels {
        let supported = "the channels, or the classes in the last node, which is left out";
        return Err(NodeError::unsupported("axis", axis, supported));
    }
    r.in_place(Layer::Softmax)
}

/// LogSoftmax, unless it computes the scores and is left out before.
fn log_softmax(_: &mut Reading<'_>) -> Result<Value, NodeError> {
    let found = format_args!("not the end, or its axis isn't the classes");
    Err(NodeError::unsupported("its position", found, "the end, over the classes, where it is left out"))
}
