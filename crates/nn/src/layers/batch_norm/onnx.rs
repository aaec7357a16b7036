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
        return Ok(of_constant(r, &x)?.into());
    }
    r.node.only("training_mode", 0, "0 (a model is trained here)")?;
    let mut x = r.activation(0, "input")?;
    if !x.is_channels(1) {
        let mut groups = x.each_dimension();
        groups.retain(|group| group[0] != 1);
        groups.push(vec![1]);
        x = r.arranged_as("channels_last", &x, &groups)?;
    }
    let mut weights = Vec::with_capacity(4);
    for (index, what) in (1..).zip(["scale", "bias", "mean", "variance"]) {
        let constant = r.constant(index, what)?;
        // Along ONNX's first dimension behind N.
        let mut shape = vec![1; x.rank() - 1];
        *shape.first_mut().ok_or_else(|| x.misfit("[N, C, …]"))? = constant.values.len();
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

/// Normalises a constant `[N, C, …]`, each of C by a mean and a variance: those that the node has or, in training, the
/// constant's own, which is how weights `[1, Cout, …]` are standardised before they are used (Qiao et al. 2019).
fn of_constant(r: &mut Reading<'_>, x: &Constant) -> Result<Constant, NodeError> {
    let &[images, channels, ..] = &x.shape[..] else {
        return Err(NodeError::shape("a constant [N, C, …]", &x.shape));
    };
    let is_training = r.node.integer("training_mode", 0)? != 0;
    if is_training && images != 1 {
        return Err(NodeError::shape("weights [1, C, …] to standardise", &x.shape));
    }
    r.charge(x.values.len())?;
    let mut settings = Vec::with_capacity(4);
    for (index, what) in (1..).zip(["scale", "bias", "mean", "variance"]).take(if is_training { 2 } else { 4 }) {
        let values = r.constant(index, what)?.to_floats();
        if values.len() != channels {
            return Err(NodeError::shape(format!("a {what} [{channels}]"), &[values.len()]));
        }
        settings.push(values);
    }
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    let values = x.to_floats();
    let each = (values.len() / (images * channels).max(1)).max(1);
    let normalized = values.chunks_exact(each).enumerate().flat_map(|(index, values)| {
        let setting = |of: usize| f64::from(settings[of][index % channels]);
        let (mean, variance) = if is_training {
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / each as f64;
            (mean, values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / each as f64)
        } else {
            (setting(2), setting(3))
        };
        let (factor, bias) = (setting(0) / (variance + epsilon).sqrt(), setting(1));
        values.iter().map(move |&x| ((f64::from(x) - mean) * factor + bias) as f32)
    });
    Ok(Constant { shape: x.shape.clone(), values: Values::Floats(normalized.collect()) })
}
