//! Means, sums, maxima and lengths over dimensions.

use ndarray::{ArrayD, Axis};

use crate::geometry::{Padding, Pool2d};
use crate::layers::{AvgPool, ChannelMax, ChannelMean, GlobalAvgPool, MaxPool, Power};
use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[
    ("ReduceL2", |r| reduce(r, Reduction::Length)),
    ("ReduceMax", |r| reduce(r, Reduction::Max)),
    ("ReduceMean", |r| reduce(r, Reduction::Mean)),
    ("ReduceMin", |r| reduce(r, Reduction::Min)),
    ("ReduceProd", |r| reduce(r, Reduction::Product)),
    ("ReduceSum", |r| reduce(r, Reduction::Sum)),
    ("ReduceSumSquare", |r| reduce(r, Reduction::Squares)),
];

/// The reduction of the values along the dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Mean,
    Sum,
    Max,
    /// Of constants alone.
    Min,
    /// Of constants alone.
    Product,
    /// Σ x².
    Squares,
    /// √Σ x².
    Length,
}

fn reduce(r: &mut Reading<'_>, reduction: Reduction) -> Result<Value, NodeError> {
    let x = r.input(0, "input")?;
    let axes = r.integers(1, "axes")?.unwrap_or_default();
    if axes.is_empty() {
        r.node.only("noop_with_empty_axes", 0, "0")?;
    }
    let kept = r.node.integer("keepdims", 1)? != 0;
    let unsupported = |supported| NodeError::unsupported("axes", &axes, supported);
    let rank = r.full_shape(&x).len();
    let over: Option<Vec<usize>> = match &axes[..] {
        [] => Some((0..rank).collect()),
        axes => axes.iter().map(|&axis| resolve(axis, rank)).collect(),
    };
    let over = over.ok_or_else(|| unsupported("dimensions of the input"))?;
    match x {
        Value::Constant(constant) => {
            r.charge(constant.values.len())?;
            if constant.as_integers().is_some() && over.iter().any(|&axis| constant.shape[axis] == 0) {
                return Err(unsupported("dimensions that have elements"));
            }
            Ok(of_constant(&constant, over, kept, reduction).into())
        }
        Value::Activation(_) if matches!(reduction, Reduction::Min | Reduction::Product) => {
            let name = r.node.input(0).unwrap_or_default().into();
            Err(NodeError::NotConstant { input: "input", name })
        }
        Value::Activation(x) if over.iter().any(|&dimension| x.runs_through_batch(dimension)) => Err(NodeError::Batch),
        Value::Activation(x) => {
            let result = match of_activation(r, &x, &over, reduction)? {
                Some(result) => result,
                None => of_arranged(r, &x, &over, reduction)?,
            };
            let mut shape = result.shape();
            if !kept {
                let mut dimension = 0..;
                shape.retain(|_| dimension.next().is_some_and(|dimension| !over.contains(&dimension)));
            }
            Ok(r.materialized(result.reshaped(&shape)?)?.into())
        }
    }
}

/// The values over which a reduction goes as the rows of an image of one column.
fn of_arranged(
    r: &mut Reading<'_>,
    x: &Activation,
    over: &[usize],
    reduction: Reduction,
) -> Result<Activation, NodeError> {
    let shape = x.shape();
    let first = usize::from(x.has_batch_first());
    let over: Vec<usize> = over.iter().copied().filter(|&dimension| dimension >= first).collect();
    let kept: Vec<usize> = (first..x.rank()).filter(|dimension| !over.contains(dimension)).collect();
    let batch: Vec<usize> = (0..first).collect();
    let extent = |of: &[usize]| of.iter().map(|&dimension| shape[dimension]).product::<usize>();
    let grouped = [extent(&batch), extent(&over), extent(&kept)];
    let x = r.permuted(x.clone().into(), &[&batch[..], &over, &kept].concat())?;
    let Value::Activation(x) = r.reshaped(x, &grouped[1 - first..])? else { unreachable!("an activation stays one") };
    let image = r.arranged_as("rows", &x, &[vec![first], Vec::new(), vec![first + 1]])?;
    let result = of_activation(r, &image, &[first], reduction)?.ok_or(NodeError::Batch)?;
    let mut reduced = shape;
    over.iter().for_each(|&dimension| reduced[dimension] = 1);
    result.reshaped(&reduced)
}

/// The mean or the maximum over positions and then over channels; a sum is a mean times the number of terms. `None` if the
/// dimensions divide an axis of the layer's output, or if that is no image and no row.
fn of_activation(
    r: &mut Reading<'_>,
    x: &Activation,
    over: &[usize],
    reduction: Reduction,
) -> Result<Option<Activation>, NodeError> {
    let Some(axes) = x.axes_of(over).filter(|_| matches!(x.layer_shape().len(), 1 | 3)) else { return Ok(None) };
    let terms: usize = over.iter().map(|&dimension| x.shape()[dimension]).product();
    let is_sum = !matches!(reduction, Reduction::Mean | Reduction::Max);
    let mut source = x.source;
    if matches!(reduction, Reduction::Squares | Reduction::Length) {
        source = r.add("squares", Power { exponent: 2.0 }, &[source], [])?;
    }
    let part = if is_sum { "mean" } else { "" };
    let (spatial, channels): (Vec<usize>, Vec<usize>) =
        axes.iter().partition(|&&axis| axis + 1 < x.layer_shape().len());
    let mut is_row = false;
    if !spatial.is_empty() {
        let extents = &x.layer_shape()[..2];
        let kernel = [0, 1].map(|axis| if spatial.contains(&axis) { extents[axis] } else { 1 });
        let pool = Pool2d { kernel, stride: [1, 1], padding: Padding::default() };
        let is_global = kernel == *extents;
        is_row = is_global && reduction != Reduction::Max;
        source = match reduction {
            Reduction::Max => r.add(part, MaxPool(pool), &[source], [])?,
            _ if is_global => r.add(part, GlobalAvgPool, &[source], [])?,
            _ => r.add(part, AvgPool { pool, count_padding: false }, &[source], [])?,
        };
    }
    if !channels.is_empty() {
        source = match reduction {
            Reduction::Max => r.add(part, ChannelMax, &[source], [])?,
            _ => r.add(part, ChannelMean, &[source], [])?,
        };
    }
    let Some(mut x) = x.reduced(&axes, is_row).map(|x| x.of(source)) else { return Ok(None) };
    if is_sum {
        let part = if reduction == Reduction::Length { "sum" } else { "" };
        x = r.scaled(part, &x, terms as f32)?;
    }
    if reduction == Reduction::Length {
        x = x.of(r.layer(Power { exponent: 0.5 }, &[x.source])?);
    }
    Ok(Some(x))
}

fn of_constant(constant: &Constant, mut axes: Vec<usize>, kept: bool, reduction: Reduction) -> Constant {
    let numbers: Vec<f64> = match &constant.values {
        Values::Integers(values) => values.iter().map(|&value| value as f64).collect(),
        values => values.to_floats().into_iter().map(f64::from).collect(),
    };
    let mut array = ArrayD::from_shape_vec(&constant.shape[..], numbers).expect("as many elements as the shape says");
    if matches!(reduction, Reduction::Squares | Reduction::Length) {
        array.mapv_inplace(|x| x * x);
    }
    axes.sort_unstable();
    axes.dedup();
    let terms: usize = axes.iter().map(|&axis| constant.shape[axis]).product();
    for &axis in axes.iter().rev() {
        array = match reduction {
            Reduction::Max => array.map_axis(Axis(axis), |lane| lane.fold(f64::NEG_INFINITY, |a, &b| a.max(b))),
            Reduction::Min => array.map_axis(Axis(axis), |lane| lane.fold(f64::INFINITY, |a, &b| a.min(b))),
            Reduction::Product => array.map_axis(Axis(axis), |lane| lane.product()),
            _ => array.sum_axis(Axis(axis)),
        };
        if kept {
            array.insert_axis_inplace(Axis(axis));
        }
    }
    match reduction {
        Reduction::Mean => array.mapv_inplace(|sum| sum / terms as f64),
        Reduction::Length => array.mapv_inplace(f64::sqrt),
        Reduction::Sum | Reduction::Max | Reduction::Min | Reduction::Product | Reduction::Squares => {}
    }
    let values = match constant.values {
        Values::Integers(_) => Values::Integers(array.iter().map(|&value| value as i64).collect()),
        _ => Values::Floats(array.iter().map(|&value| value as f32).collect()),
    };
    Constant { shape: array.shape().to_vec(), values }
}
