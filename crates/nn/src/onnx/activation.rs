//! Values that depend on the image, and how ONNX's dimensions lie over a layer's output.
//!
//! ONNX has images as `[N, C, H, W]`, we as `[N, H, W, C]`. Nothing is moved for that: each of ONNX's dimensions is a strided
//! walk through the layer's output for the whole batch, like a dimension of a NumPy view. Transposing permutes these walks,
//! reshaping joins and divides them, and what undoes another transpose undoes it here too, so that no layer is needed for
//! either. Only where the view must become an array does a layer stand: a `Flatten` where a row is multiplied (the matrix has
//! its rows put in our order once), a `Select` where channels are shuffled, and otherwise a `Rearrange`.

mod arrangement;

use std::cmp::Reverse;
use std::fmt;

use super::constant::{Constant, Values};
use super::error::NodeError;
use super::network::Weight;
use crate::layers::Select;
use crate::model::Source;

/// A value of the graph that depends on the image. Its dimensions are ONNX's, N included; its axes are those of the layer's
/// output, without N.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Activation {
    /// The layer that computes it.
    pub(crate) source: Source,
    /// The shape of the layer's output for the whole batch, `[N, H, W, C]`, `[N, T, C]`, `[N, C]` or any other.
    full_shape: Vec<usize>,
    /// ONNX's dimensions. The parts of one that are a single walk are merged, so that equal views are equal here.
    dims: Vec<Vec<Part>>,
}

/// A dimension, or the slower or faster part of one: `extent` values, 2 or more, that lie `stride` apart in the layer's output.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    extent: usize,
    stride: usize,
}

impl Activation {
    /// A batch of images `[H, W, C]`, whose axes ONNX sees in this order after N.
    pub(crate) fn permuted(source: Source, batch: usize, layer_shape: [usize; 3], axes: &[usize]) -> Self {
        Self::of_axes(source, batch, &layer_shape, axes.iter().map(|&axis| vec![axis]))
    }

    /// An image `[H, W, C]` that ONNX sees as `[N, C, H, W]`.
    pub(crate) fn image(source: Source, batch: usize, layer_shape: [usize; 3]) -> Self {
        Self::permuted(source, batch, layer_shape, &[2, 0, 1])
    }

    /// An image of one row `[1, L, C]` that ONNX sees as `[N, C, L]`.
    fn strip(source: Source, batch: usize, layer_shape: [usize; 3]) -> Self {
        Self::permuted(source, batch, layer_shape, &[2, 1])
    }

    /// A row `[C]` that ONNX sees as `[N, C, 1, …, 1]`, in `rank` dimensions.
    pub(crate) fn row(source: Source, batch: usize, channels: usize, rank: usize) -> Self {
        let axes = std::iter::once(vec![0]).chain(std::iter::repeat_n(Vec::new(), rank - 2));
        Self::of_axes(source, batch, &[channels], axes)
    }

    /// A row `[C]` that ONNX sees as `[N, 1, C]`.
    pub(crate) fn line(source: Source, batch: usize, channels: usize) -> Self {
        Self::of_axes(source, batch, &[channels], [vec![], vec![0]])
    }

    /// A layer's output, whose axes ONNX sees in our order after N.
    pub(crate) fn plain(source: Source, batch: usize, layer_shape: &[usize]) -> Self {
        Self::of_axes(source, batch, layer_shape, (0..layer_shape.len()).map(|axis| vec![axis]))
    }

    /// A layer's output, each of ONNX's dimensions after N running through the axes given for it, the slowest first.
    fn of_axes(
        source: Source,
        batch: usize,
        layer_shape: &[usize],
        axes: impl IntoIterator<Item = Vec<usize>>,
    ) -> Self {
        let full_shape = [&[batch], layer_shape].concat();
        let inner = axes.into_iter().map(|axes| axes.into_iter().map(|axis| axis + 1).collect());
        let axes: Vec<Vec<usize>> = std::iter::once(vec![0]).chain(inner).collect();
        Self::new(source, full_shape, &axes)
    }

    /// A layer's output, each of ONNX's dimensions running through the axes given for it, that of the batch included.
    fn new(source: Source, full_shape: Vec<usize>, axes: &[Vec<usize>]) -> Self {
        let dims = axes.iter().map(|axes| parts(&full_shape, axes)).collect();
        Self { source, full_shape, dims }
    }

    /// The output of another layer, of the same shape and seen in the same way.
    pub(crate) fn of(&self, source: Source) -> Self {
        Self { source, ..self.clone() }
    }

    /// The error of an operator that expects another shape.
    pub(crate) fn misfit(&self, expected: impl Into<String>) -> NodeError {
        NodeError::Shape { expected: expected.into(), found: self.to_string() }
    }

    /// ONNX's shape.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|dim| dim.iter().map(|part| part.extent).product()).collect()
    }

    /// The number of ONNX's dimensions.
    pub(crate) fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The shape of the layer's output.
    pub(crate) fn layer_shape(&self) -> &[usize] {
        &self.full_shape[1..]
    }

    /// The number of images.
    fn batch(&self) -> usize {
        self.full_shape[0]
    }

    /// The number of the layer's channels.
    pub(crate) fn channels(&self) -> usize {
        self.full_shape[self.full_shape.len() - 1]
    }

    /// For each of ONNX's dimensions the axes of the layer's output that it runs through, the slowest first; that of the batch
    /// is 0, the others count from 1. `None` if an axis is divided. Axes of extent 1 belong to no dimension.
    fn axes(&self) -> Option<Vec<Vec<usize>>> {
        let shape = &self.full_shape[..];
        let within = |part: &Part| {
            let strides = part.stride..part.stride * part.extent;
            (0..shape.len()).filter(move |&axis| shape[axis] > 1 && strides.contains(&stride(shape, axis)))
        };
        let axes_of = |dim: &Vec<Part>| {
            let axes: Vec<usize> = dim.iter().flat_map(within).collect();
            (parts(shape, &axes) == *dim).then_some(axes)
        };
        self.dims.iter().map(axes_of).collect()
    }

    /// Whether the first dimension is the images of the batch and nothing else.
    pub(crate) fn has_batch_first(&self) -> bool {
        self.dims.first() == Some(&parts(&self.full_shape, &[0]))
    }

    /// The axes of the layer's output that these dimensions run through. `None` if any axis is divided, or the images of the
    /// batch are among them.
    pub(crate) fn axes_of(&self, dimensions: &[usize]) -> Option<Vec<usize>> {
        let axes = self.axes()?;
        dimensions.iter().flat_map(|&dimension| &axes[dimension]).map(|axis| axis.checked_sub(1)).collect()
    }

    /// The axis of the layer's output that is this dimension. `None` if any axis is divided.
    pub(crate) fn axis(&self, dimension: usize) -> Option<usize> {
        match self.axes_of(&[dimension])?[..] {
            [axis] => Some(axis),
            [_, _, ..] => None,
            // A dimension of one value runs through no axis, but after N it is often known all the same.
            [] => {
                let after = dimension.checked_sub(1)?;
                let shape = self.layer_shape();
                if self.as_image().is_some() {
                    Some([2, 0, 1][after])
                } else if self.as_strip().is_some() {
                    Some([2, 1][after])
                } else {
                    (*self == Self::plain(self.source, self.batch(), shape)).then_some(after)
                }
            }
        }
    }

    /// Whether this dimension is the layer's channels.
    pub(crate) fn is_channels(&self, dimension: usize) -> bool {
        let last = if self.channels() == 1 { Vec::new() } else { vec![self.layer_shape().len() - 1] };
        dimension < self.dims.len() && self.axes_of(&[dimension]) == Some(last)
    }

    /// `[H, W, C]` of an image that ONNX sees as `[N, C, H, W]`.
    pub(crate) fn as_image(&self) -> Option<[usize; 3]> {
        let shape: [usize; 3] = self.layer_shape().try_into().ok()?;
        (*self == Self::image(self.source, self.batch(), shape)).then_some(shape)
    }

    /// `[1, L, C]` of an image of one row that ONNX sees as `[N, C, L]`.
    pub(crate) fn as_strip(&self) -> Option<[usize; 3]> {
        let shape: [usize; 3] = self.layer_shape().try_into().ok()?;
        (shape[0] == 1 && *self == Self::strip(self.source, self.batch(), shape)).then_some(shape)
    }

    /// The output of a layer that gives images from this one, as ONNX sees it.
    pub(crate) fn image_of(&self, source: Source, layer_shape: [usize; 3]) -> Self {
        let of = if self.rank() == 3 { Self::strip } else { Self::image };
        of(source, self.batch(), layer_shape)
    }

    /// The channels of a row that ONNX sees as `[N, C, 1, …, 1]`.
    pub(crate) fn as_row(&self) -> Option<usize> {
        let &[channels] = self.layer_shape() else { return None };
        let is_row = self.rank() > 1 && *self == Self::row(self.source, self.batch(), channels, self.rank());
        is_row.then_some(channels)
    }

    /// The channels of a row that ONNX sees as `[N, 1, C]`.
    pub(crate) fn as_line(&self) -> Option<usize> {
        let &[channels] = self.layer_shape() else { return None };
        (*self == Self::line(self.source, self.batch(), channels)).then_some(channels)
    }

    /// `[H, W, C]` of a row that ONNX sees as an image `[N, C, H, W]` of several pixels, its values in our order.
    pub(crate) fn as_unflattened(&self) -> Option<[usize; 3]> {
        let (&[_], &[_, channels, height, width]) = (self.layer_shape(), &self.shape()[..]) else { return None };
        let pixels_first = self.transposed(&[0, 2, 3, 1]);
        (height * width > 1 && pixels_first.is_in_our_order()).then_some([height, width, channels])
    }

    /// The number of groups of neighbouring channels into which the dimension after N divides the layer's channels.
    pub(crate) fn groups_of_channels(&self) -> Option<usize> {
        match self.dims.get(1)?[..] {
            [] => Some(1),
            [Part { extent, stride }] if extent * stride == self.channels() => Some(extent),
            _ => None,
        }
    }

    /// Whether this is an image for ONNX but for the order of its channels.
    pub(crate) fn has_shuffled_channels(&self) -> bool {
        let Ok(shape) = self.layer_shape().try_into() else { return false };
        let image = Self::image(self.source, self.batch(), shape);
        let are_same = |dimension: usize| self.dims[dimension] == image.dims[dimension];
        self.rank() == 4 && !are_same(1) && [0, 2, 3].into_iter().all(are_same)
    }

    /// Whether ONNX's dimensions are whole axes of the layer's output, or several of them.
    pub(crate) fn has_whole_axes(&self) -> bool {
        self.axes().is_some()
    }

    /// The layer's channel behind each of ONNX's, where channels are shuffled.
    pub(crate) fn channel_order(&self) -> Vec<usize> {
        offsets(&self.dims[1])
    }

    /// Whether the values have the same order for ONNX as in the layer's output.
    pub(crate) fn is_in_our_order(&self) -> bool {
        self.dims.iter().flatten().is_sorted_by_key(|part| Reverse(part.stride))
    }

    /// Whether the two layers' outputs have the same shape and are seen in the same way.
    pub(crate) fn same_axes(&self, other: &Self) -> bool {
        *self == other.of(self.source)
    }

    /// Whether our layers broadcast `other` over this as ONNX does.
    pub(crate) fn broadcasts(&self, other: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (self.axes(), other.axes()) else { return self.same_axes(other) };
        let Some(missing) = ours.len().checked_sub(theirs.len()) else { return false };
        // Layers align axes at the last one, and the batch with the batch.
        let aligned = |shape: &[usize], axes: &[usize]| -> Vec<[usize; 2]> {
            let from_end = |axis: usize| if axis == 0 { 0 } else { shape.len() - axis };
            axes.iter().map(|&axis| [from_end(axis), shape[axis]]).collect()
        };
        let repeats = |(ours, theirs): (&Vec<usize>, &Vec<usize>)| {
            theirs.is_empty() || aligned(&self.full_shape, ours) == aligned(&other.full_shape, theirs)
        };
        let is_larger = self.full_shape.len() >= other.full_shape.len();
        is_larger && ours[missing..].iter().zip(&theirs).all(repeats)
    }

    /// The output of a layer that gives another extent to one axis, which is this dimension. `None` if any axis is divided.
    pub(crate) fn resized(&self, dimension: usize, axis: usize, extent: usize) -> Option<Self> {
        let (mut shape, mut axes) = (self.full_shape.clone(), self.axes()?);
        shape[axis + 1] = extent;
        axes[dimension] = vec![axis + 1];
        Some(Self::new(self.source, shape, &axes))
    }

    /// The layer that takes these indices of a dimension, and its output as ONNX sees it. `None` if the dimension isn't an axis of
    /// the layer's output, or a part of one.
    pub(crate) fn selected(&self, dimension: usize, indices: &[usize]) -> Option<(Select, Self)> {
        let &[Part { extent, stride: step }] = &self.dims[dimension][..] else { return None };
        let axis = (1..self.full_shape.len()).find(|&axis| stride(&self.full_shape, axis) <= step)?;
        let (inner, length) = (stride(&self.full_shape, axis), self.full_shape[axis]);
        let whole = step * extent;
        if step % inner != 0 || (inner * length) % whole != 0 {
            return None;
        }
        // Along the axis, `faster` values belong to an index of the dimension.
        let (faster, outer) = (step / inner, inner * length / whole);
        let of = |first: usize, &index: &usize| (first..).skip(index * faster).take(faster);
        let indices_of_axis =
            (0..outer).flat_map(|turn| indices.iter().flat_map(move |index| of(turn * extent * faster, index)));
        let mut full_shape = self.full_shape.clone();
        full_shape[axis] = outer * indices.len() * faster;
        let mut dims = self.dims.clone();
        for part in dims.iter_mut().flatten().filter(|part| part.stride > step) {
            if part.stride % whole != 0 {
                return None;
            }
            part.stride = part.stride / whole * step * indices.len();
        }
        dims[dimension] = parts(&[indices.len()], &[0]);
        dims[dimension].iter_mut().for_each(|part| part.stride = step);
        let dims = dims.into_iter().map(merged).collect();
        let layer = Select { axis: axis - 1, indices: indices_of_axis.collect() };
        Some((layer, Self { source: self.source, full_shape, dims }))
    }

    /// Whether the values of one dimension are closer to one another than those of another.
    pub(crate) fn is_faster(&self, one: usize, other: usize) -> bool {
        let step = |dimension: usize| self.dims[dimension].last().map(|part| part.stride);
        step(one).zip(step(other)).is_some_and(|(one, other)| one < other)
    }

    /// The output of a layer with another number of channels, which are this dimension. `None` if they aren't.
    pub(crate) fn with_channels(&self, dimension: usize, channels: usize) -> Option<Self> {
        if !self.is_channels(dimension) {
            return None;
        }
        self.resized(dimension, self.layer_shape().len() - 1, channels)
    }

    /// The output of a layer that gives extent 1 to these axes, or of one that also leaves only a row of channels. `None` if any
    /// axis is divided.
    pub(crate) fn reduced(&self, over: &[usize], is_row: bool) -> Option<Self> {
        let (mut shape, mut axes) = (self.full_shape.clone(), self.axes()?);
        over.iter().for_each(|&axis| shape[axis + 1] = 1);
        if is_row {
            let last = shape.len() - 1;
            axes.iter_mut().for_each(|group| group.retain(|&axis| axis == last || axis == 0));
            axes.iter_mut().flatten().filter(|axis| **axis == last).for_each(|axis| *axis = 1);
            shape.drain(1..last);
        }
        Some(Self::new(self.source, shape, &axes))
    }

    /// The output of a layer that flattens this.
    pub(crate) fn flattened(&self, source: Source) -> Self {
        let full_shape = vec![self.batch(), self.layer_shape().iter().product()];
        Self { source, full_shape, dims: self.dims.clone() }
    }

    /// The same values under a permutation of ONNX's dimensions.
    pub(crate) fn transposed(&self, permutation: &[usize]) -> Self {
        let dims = permutation.iter().map(|&dimension| self.dims[dimension].clone()).collect();
        Self { dims, ..self.clone() }
    }

    /// The same values under another of ONNX's shapes.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Result<Self, NodeError> {
        let misfit =
            || NodeError::shape(format!("a shape, without N, that joins or divides dimensions of {self}"), shape);
        // The parts that no dimension has yet, the slowest last.
        let mut rest = merged(self.dims.iter().flatten().copied());
        rest.reverse();
        let mut dims = Vec::with_capacity(shape.len());
        for &extent in shape {
            let (mut dim, mut missing) = (Vec::new(), extent);
            while missing > 1 {
                let Part { extent, stride } = rest.pop().ok_or_else(misfit)?;
                let taken = extent.min(missing);
                if extent % taken != 0 || missing % taken != 0 {
                    return Err(misfit());
                }
                // This dimension takes the slower part, the faster one is left to the next.
                let left = extent / taken;
                if left > 1 {
                    rest.push(Part { extent: left, stride });
                }
                dim.push(Part { extent: taken, stride: left * stride });
                missing /= taken;
            }
            dims.push(merged(dim));
        }
        let result = Self { dims, ..self.clone() };
        let fits = rest.is_empty() && result.shape() == shape;
        if fits { Ok(result) } else { Err(misfit()) }
    }

    /// The matrix `[in, outputs]` that multiplies this value, a row for ONNX, with its rows in our order; it is `[outputs, in]`
    /// if it is transposed.
    pub(crate) fn rows_to_our_layout(&self, matrix: &Values, outputs: usize, is_transposed: bool) -> Vec<f32> {
        let row = self.dims[1..].concat();
        let mut extents: Vec<usize> = row.iter().map(|part| part.extent).collect();
        let mut order = slowest_first(&row);
        if is_transposed {
            extents.insert(0, outputs);
            order.iter_mut().for_each(|axis| *axis += 1);
            order.push(0);
        } else {
            extents.push(outputs);
            order.push(row.len());
        }
        matrix.permuted(&extents, &order)
    }

    /// A constant that ONNX broadcasts over this value, as our layers broadcast it: without leading extents of 1.
    pub(crate) fn to_our_layout(&self, constant: &Constant) -> Result<Weight, NodeError> {
        let misfit = || NodeError::shape(format!("a constant that is broadcast over {self}"), &constant.shape);
        if let Some(value) = constant.scalar() {
            return Ok(Weight::new(&[1], vec![value]));
        }
        let (shape, rank) = (self.shape(), self.rank());
        let (leading, extents) = constant.shape.split_at(constant.shape.len().saturating_sub(rank));
        if leading.iter().any(|&extent| extent != 1) {
            return Err(misfit());
        }
        let first = rank - extents.len();
        let (covered, repeated): (Vec<usize>, Vec<usize>) =
            (first..rank).partition(|&dimension| extents[dimension - first] == shape[dimension]);
        let is_broadcast = repeated.iter().all(|&dimension| extents[dimension - first] == 1);
        if !is_broadcast || covered.iter().any(|&dimension| self.runs_through_batch(dimension)) {
            return Err(misfit());
        }
        let covered_parts: Vec<Part> = covered.iter().flat_map(|&dimension| &self.dims[dimension]).copied().collect();
        let values: usize = covered_parts.iter().map(|part| part.extent).product();
        let is_whole = values == self.layer_shape().iter().product::<usize>();
        let shape = if is_whole {
            self.layer_shape().to_vec()
        } else {
            let mut shape = vec![1; self.layer_shape().len()];
            let axes = self.axes_of(&covered).ok_or_else(misfit)?;
            axes.into_iter().for_each(|axis| shape[axis] = self.layer_shape()[axis]);
            shape
        };
        let extents: Vec<usize> = covered_parts.iter().map(|part| part.extent).collect();
        let values = constant.values.permuted(&extents, &slowest_first(&covered_parts));
        let leading = shape.iter().take_while(|&&extent| extent == 1).count();
        Ok(Weight::new(&shape[leading.min(shape.len() - 1)..], values))
    }

    /// A constant that ONNX broadcasts over this value and that has one number for each channel of the layer's, or one for all.
    pub(crate) fn for_each_channel(&self, constant: &Constant, what: &str) -> Result<Weight, NodeError> {
        let channels = self.channels();
        let Weight { shape, values } = self.to_our_layout(constant)?;
        match values[..] {
            [value] => Ok(Weight::new(&[channels], vec![value; channels])),
            _ if shape == [channels] => Ok(Weight { shape, values }),
            _ => Err(NodeError::shape(format!("a {what} [{channels}]"), &constant.shape)),
        }
    }

    /// Values of the layer's output for the whole batch, in ONNX's order.
    pub(super) fn in_onnx_order<T: Copy>(&self, values: &[T]) -> Vec<T> {
        offsets(&self.dims.concat()).into_iter().map(|offset| values[offset]).collect()
    }
}

impl fmt::Display for Activation {
    /// ONNX's shape.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape();
        if !self.has_batch_first() {
            return write!(f, "{shape:?}");
        }
        let extents: String = shape[1..].iter().map(|extent| format!(", {extent}")).collect();
        write!(f, "[N{extents}]")
    }
}

/// The distance between neighbours along an axis of an array of this shape, row by row.
fn stride(shape: &[usize], axis: usize) -> usize {
    shape[axis + 1..].iter().product()
}

/// These axes of an array of this shape.
fn parts(shape: &[usize], axes: &[usize]) -> Vec<Part> {
    let parts = axes.iter().map(|&axis| Part { extent: shape[axis], stride: stride(shape, axis) });
    merged(parts.filter(|part| part.extent > 1))
}

/// Neighbouring parts that are a single walk as one.
fn merged(parts: impl IntoIterator<Item = Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::new();
    for Part { extent, stride } in parts {
        match merged.last_mut() {
            Some(slower) if slower.stride == extent * stride => {
                *slower = Part { extent: slower.extent * extent, stride };
            }
            _ => merged.push(Part { extent, stride }),
        }
    }
    merged
}

/// The offset of each value in the layer's output, in ONNX's order.
fn offsets(parts: &[Part]) -> Vec<usize> {
    let walk = |starts: Vec<usize>, part: &Part| {
        starts.into_iter().flat_map(|start| (0..part.extent).map(move |i| start + i * part.stride)).collect()
    };
    parts.iter().fold(vec![0], walk)
}

/// The order of these parts in the layer's output.
fn slowest_first(parts: &[Part]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&index| Reverse(parts[index].stride));
    order
}
