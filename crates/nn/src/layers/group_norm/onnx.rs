//! Group and instance normalization in ONNX files.

use std::iter::repeat_n;

use super::GroupNorm;
use crate::onnx::prelude::*;

impl Onnx for GroupNorm {
    const READS: Reads = &[("GroupNormalization", group_norm), ("InstanceNormalization", instance_norm)];

    fn write(&self, w: &mut Writing<'_>) {
        w.one_node("GroupNormalization", &[integer("num_groups", self.groups as i64), float("epsilon", self.epsilon)]);
    }
}

/// GroupNormalization; its scale and bias are given for each group before version 21, for each channel from then on.
fn group_norm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let groups = usize::try_from(r.node.integer("num_groups", 0)?).unwrap_or(0);
    if groups == 0 || x.as_image().or_else(|| x.as_strip()).is_none() && x.as_row().is_none() {
        return Err(x.misfit("an image [N, C, H, W] in one group of channels or more"));
    }
    grouped(r, &x, groups)
}

/// InstanceNormalization: each of ONNX's channels by itself. They are ours or, where exporters divide ours, groups of them.
fn instance_norm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input")?;
    let groups = x.groups_of_channels();
    let groups = groups.ok_or_else(|| x.misfit("an image [N, C, H, W], or its groups of channels [N, G, …]"))?;
    grouped(r, &x, groups)
}

fn grouped(r: &mut Reading<'_>, x: &Activation, groups: usize) -> Result<Value, NodeError> {
    let channels = x.channels();
    let epsilon = r.node.decimal("epsilon", 1e-5)?;
    let mut weights = Vec::with_capacity(2);
    for (index, what) in [(1, "scale"), (2, "bias")] {
        let constant = r.constant(index, what)?;
        let each = match constant.values.len() {
            n if n == channels => 1,
            n if n == groups && channels.is_multiple_of(groups) => channels / groups,
            _ => return Err(NodeError::shape(format!("a {what} [{channels}] or [{groups}]"), &constant.shape)),
        };
        let values = constant.to_floats().into_iter().flat_map(|value| repeat_n(value, each)).collect();
        weights.push(Weight::new(&[channels], values));
    }
    Ok(x.of(r.layer_with(GroupNorm { groups, epsilon }, x, weights)?).into())
}
