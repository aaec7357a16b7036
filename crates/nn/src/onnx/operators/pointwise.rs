//! Functions of single values that are composed of several layers, and those of constants alone.

use crate::layers::{Elu, HardSigmoid, Mul, Softplus, Tanh};
use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("Ceil", |r| r.of_constant(f32::ceil)),
    ("Celu", celu),
    ("Floor", |r| r.of_constant(f32::floor)),
    ("HardSwish", hard_swish),
    ("LogSoftmax", log_softmax),
    ("Mish", mish),
    ("Neg", neg),
    ("Selu", selu),
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

/// x times its hard sigmoid of slope 1/6 and offset 1/2.
fn hard_swish(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let gate = r.add("gate", HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 }, &[x.source], [])?;
    Ok(x.of(r.layer(Mul, &[x.source, gate])?).into())
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
