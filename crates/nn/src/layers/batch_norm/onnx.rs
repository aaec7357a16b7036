//! Batch normalization in ONNX files.

use super::BatchNorm;
use crate::onnx::prelude::*;

impl Onnx for BatchNorm {
    const READS: Reads = &[("BatchNormalization", batch_norm)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("BatchNormalization", &[float("epsilon", self.epsilon), float("momentum", 1.0 - self.momentum)]);
    }
}

/// BatchNormalization by its running statistics.
fn batch_norm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    r.node.only("spatial", 1, "1: statistics of a channel, over all positions")?;
    if let Value::Constant(x) = r.input(0, "input")? {
        return Ok(of_weights(r, &x)?.into());
    }
    r.node.only("training_mode", 0, "0 (a model is trained here)")?;
    let x = r.activation(0, "input")?;
    let mut weights = Vec::with_capacity(4);
    for (index, what) in (1..).zip(["scale", "bias", "mean", "variance"]) {
        let constant = r.constant(index, what)?;
        // Along ONNX's first dimension behind N.
        let mut shape = vec![1; x.shape().len()];
        shape[0] = constant.values.len();
        let weight = x.to_our_layout(&Constant { shape, values: constant.values.clone() })?;
        if weight.shape != [x.channels()] {
            return Err(NodeError::shape(format!("a {what} [{}]", x.channels()), &constant.shape));
        }
        weights.push(weight);
    }
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    // ONNX's momentum is the share of the old statistics.
    let momentum = decimal((1.0 - r.node.decimal("momentum", 0.9)?) as f32);
    Ok(x.of(r.layer_with(BatchNorm { epsilon, momentum }, &x, weights)?).into())
}

/// Standardises weights `[1, Cout, …]` before they are used (Qiao et al. 2019), each output's by their own mean and variance: a
/// batch norm in training.
fn of_weights(r: &mut Reading<'_>, x: &Constant) -> Result<Constant, NodeError> {
    let &[1, channels, ..] = &x.shape[..] else { return Err(NodeError::shape("weights [1, C, …]", &x.shape)) };
    if r.node.integer("training_mode", 0)? != 1 {
        return Err(NodeError::unsupported("training_mode", 0, "1, where weights are normalised"));
    }
    r.charge(x.values.len())?;
    let (scale, bias) = (r.constant(1, "scale")?.to_floats(), r.constant(2, "bias")?.to_floats());
    if scale.len() != channels || bias.len() != channels {
        return Err(NodeError::shape(format!("a scale and a bias [{channels}]"), &[scale.len(), bias.len()]));
    }
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    let values = x.to_floats();
    let each = (values.len() / channels.max(1)).max(1);
    let standardized = values.chunks_exact(each).zip(scale.iter().zip(&bias)).flat_map(|(values, (&scale, &bias))| {
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / each as f64;
        let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / each as f64;
        let factor = f64::from(scale) / (variance + epsilon).sqrt();
        values.iter().map(move |&x| ((f64::from(x) - mean) * factor + f64::from(bias)) as f32)
    });
    Ok(Constant { shape: x.shape.clone(), values: Values::Floats(standardized.collect()) })
}
