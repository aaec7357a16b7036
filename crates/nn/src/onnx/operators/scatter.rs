//! Constants with some elements replaced.

use crate::onnx::constant::size;
use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[("CumSum", cumulative_sum), ("ScatterND", scatter)];

/// ScatterND: the data with slices replaced, one for each row of indices. All of it is constant.
fn scatter(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (data, indices, updates) = (r.constant(0, "data")?, r.constant(1, "indices")?, r.constant(2, "updates")?);
    if let Some(found) = r.node.text("reduction")?.filter(|reduction| reduction != "none") {
        return Err(NodeError::unsupported("reduction", found, "none"));
    }
    let misfit =
        || NodeError::shape(format!("indices [.., {}] or fewer, within the data", data.shape.len()), &indices.shape);
    let (&depth, leading) = indices.shape.split_last().ok_or_else(misfit)?;
    let (outer, inner) = data.shape.split_at_checked(depth).ok_or_else(misfit)?;
    let each = size(inner);
    if updates.shape != [leading, inner].concat() {
        return Err(NodeError::shape(format!("updates {:?}", [leading, inner].concat()), &updates.shape));
    }
    r.charge(data.values.len().saturating_add(updates.values.len()))?;
    let given = indices.as_integers().ok_or_else(misfit)?;
    let mut from: Vec<usize> = (0..data.values.len()).collect();
    let beyond = data.values.len();
    for (row, index) in given.chunks_exact(depth.max(1)).enumerate() {
        let place = index
            .iter()
            .zip(outer)
            .try_fold(0, |place, (&index, &extent)| Some(place * extent + resolve(index, extent)?));
        let place = place.ok_or_else(misfit)? * each;
        from[place..][..each].iter_mut().enumerate().for_each(|(at, from)| *from = beyond + row * each + at);
    }
    let values = match (&data.values, &updates.values) {
        (Values::Integers(data), Values::Integers(updates)) => Values::Integers([&data[..], updates].concat()),
        (data, updates) => Values::Floats([data.to_floats(), updates.to_floats()].concat()),
    };
    Ok(Constant { shape: data.shape.clone(), values: values.pick(from) }.into())
}

/// CumSum of a constant along a dimension.
fn cumulative_sum(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let (x, axis) = (r.constant(0, "x")?, r.constant(1, "axis")?);
    r.node.only("exclusive", 0, "0")?;
    r.node.only("reverse", 0, "0")?;
    let given = axis.as_integers().and_then(|axis| axis.first().copied()).unwrap_or(0);
    let axis = resolve(given, x.shape.len())
        .ok_or_else(|| NodeError::unsupported("axis", given, "a dimension of the input"))?;
    r.charge(x.values.len())?;
    let (step, extent) = (size(&x.shape[axis + 1..]), x.shape[axis]);
    // Whether the value before belongs to the same sum.
    let goes_on = |at: usize| !(at / step.max(1)).is_multiple_of(extent.max(1));
    let values = match &x.values {
        Values::Integers(values) => {
            let mut sums = values.clone();
            for at in (0..sums.len()).filter(|&at| goes_on(at)) {
                sums[at] = sums[at].checked_add(sums[at - step]).ok_or(NodeError::Overflow)?;
            }
            Values::Integers(sums)
        }
        values => {
            let mut sums = values.to_floats();
            (0..sums.len()).filter(|&at| goes_on(at)).for_each(|at| sums[at] += sums[at - step]);
            Values::Floats(sums)
        }
    };
    Ok(Constant { shape: x.shape.clone(), values }.into())
}
