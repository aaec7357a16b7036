//! Functions of single values that are composed of several layers, and those of constants alone.

use crate::layers::{Elu, Mul, Softplus, Tanh};
use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("Ceil", |r| r.of_constant(f32::ceil)),
    ("Cos", |r| r.of_constant(f32::cos)),
    ("Celu", celu),
    ("Floor", |r| r.of_constant(f32::floor)),
    ("LogSoftmax", log_softmax),
    ("Mish", mish),
    ("Mod", modulo),
    ("Neg", neg),
    ("Round", |r| r.of_constant(f32::round_ties_even)),
    ("Selu", selu),
    ("Sign", |r| r.of_constant(|x| if x == 0.0 { 0.0 } else { x.signum() })),
    ("Sin", |r| r.of_constant(f32::sin)),
];

/// alpha times the Elu of x / alpha.
fn celu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let alpha = r.node.float("alpha")?.unwrap_or(1.0);
    if alpha == 1.0 {
        return r.in_place(Elu { alpha: 1.0 });
    }
    let inner = r.scaled("inner", &x, alpha.recip())?;
    let elu = r.add("elu", Elu { alpha: 1.0 }, &[inner.source], [])?;
    Ok(r.scaled("", &x.of(elu), alpha)?.into())
}

/// LogSoftmax, unless it computes the scores and is left out before.
fn log_softmax(_: &mut Reading<'_>) -> Result<Value, NodeError> {
    let found = format_args!("not the end, or its axis isn't the classes");
    Err(NodeError::unsupported("its position", found, "the end, over the classes, where it is left out"))
}

/// x·tanh(softplus(x)).
fn mish(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let softplus = r.add("softplus", Softplus, &[x.source], [])?;
    let gate = r.add("gate", Tanh, &[softplus], [])?;
    Ok(x.of(r.layer(Mul, &[x.source, gate])?).into())
}

/// The remainder of constants: with the divisor's sign or, if `fmod` is 1, with the dividend's.
fn modulo(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (a, b) = (r.constant(0, "input A")?, r.constant(1, "input B")?);
    let is_dividends = r.node.integer("fmod", 0)? != 0;
    let of_integers = |a: i64, b: i64| {
        let remainder = a.checked_rem(b)?;
        let is_opposite = remainder != 0 && (remainder < 0) != (b < 0);
        if is_dividends || !is_opposite { Some(remainder) } else { remainder.checked_add(b) }
    };
    let of_floats = |a: f32, b: f32| {
        let remainder = a % b;
        let is_opposite = remainder != 0.0 && (remainder < 0.0) != (b < 0.0);
        if is_dividends || !is_opposite { remainder } else { remainder + b }
    };
    Ok(r.combine(&a, &b, of_integers, of_floats)?.into())
}

fn neg(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    match r.input(0, "input")? {
        Value::Constant(x) => {
            let zero = Constant { shape: Vec::new(), values: Values::Integers(vec![0]) };
            Ok(r.combine(&zero, &x, i64::checked_sub, |a, b| a - b)?.into())
        }
        Value::Activation(x) => Ok(r.scaled("", &x, -1.0)?.into()),
    }
}

/// gamma times an Elu.
fn selu(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let alpha = r.node.decimal("alpha", 1.673_263_2)?;
    let gamma = r.node.float("gamma")?.unwrap_or(1.050_701);
    let elu = r.add("elu", Elu { alpha }, &[x.source], [])?;
    Ok(r.scaled("", &x.of(elu), gamma)?.into())
}
