//! Values that depend on the picture, and how ONNX's dimensions lie over ours.
//!
//! ONNX has pictures as `[N, C, H, W]`, we as `[N, H, W, C]`. Nothing is moved for that: a value keeps, for each of ONNX's
//! dimensions, the list of ours that it runs through. Transposing permutes these lists, flattening joins them, and what
//! undoes another transpose undoes it here too, so that no layer is needed for either. An axis of ours can be divided, as
//! where channels are reshaped into groups. Only where a row of numbers must become one of ours does a `Flatten` layer stand
//! (what multiplies it has its rows put in our order once), and a `Select` where channels have changed their places.

use super::constant::{Constant, Values};
use super::error::NodeError;
use crate::layout::permuted;
use crate::model::Source;

/// A value of the graph that depends on the picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Activation {
    /// The layer that gives it.
    pub(super) source: Source,
    /// The shape that it gives, N left out: `[H, W, C]` or `[C]`.
    shape: Vec<usize>,
    /// The extents of our axes: of `shape`, or what they are divided into; of a picture that the layer gives flattened,
    /// `[H·W·C]`, the picture's.
    dims: Vec<usize>,
    /// For each of ONNX's dimensions but N the axes of ours that it runs through, the slowest first. Axes of extent 1 are
    /// in none.
    axes: Vec<Vec<usize>>,
}

impl Activation {
    /// A picture `[H, W, C]` that ONNX sees with these of our axes as its dimensions.
    pub(super) fn permuted(source: Source, dims: [usize; 3], axes: &[usize]) -> Self {
        Self::new(source, dims.to_vec(), axes.iter().map(|&axis| vec![axis]).collect())
    }

    /// A picture `[H, W, C]` that ONNX sees as `[C, H, W]`.
    pub(super) fn image(source: Source, dims: [usize; 3]) -> Self {
        Self::permuted(source, dims, &[2, 0, 1])
    }

    /// A row `[C]` that ONNX sees as `[C, 1, …, 1]`, in `rank` dimensions.
    pub(super) fn row(source: Source, channels: usize, rank: usize) -> Self {
        let mut axes = vec![Vec::new(); rank];
        axes[0] = vec![0];
        Self::new(source, vec![channels], axes)
    }

    fn new(source: Source, shape: Vec<usize>, mut axes: Vec<Vec<usize>>) -> Self {
        axes.iter_mut().for_each(|group| group.retain(|&axis| shape[axis] != 1));
        Self { source, dims: shape.clone(), shape, axes }
    }

    /// Whether our axes are the layer's own, none of them divided.
    fn is_whole(&self) -> bool {
        self.dims == self.shape
    }

    /// The same places in another layer's output, of the same shape.
    pub(super) fn of(&self, source: Source) -> Self {
        Self { source, ..self.clone() }
    }

    /// ONNX's shape, N left out.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|group| group.iter().map(|&axis| self.dims[axis]).product()).collect()
    }

    /// Our shape, N left out: what the layer gives.
    pub(super) fn layer_shape(&self) -> &[usize] {
        &self.shape
    }

    /// `[H, W, C]`, if ONNX sees such a picture as `[C, H, W]`.
    pub(super) fn as_image(&self) -> Option<[usize; 3]> {
        let dims: [usize; 3] = self.shape[..].try_into().ok()?;
        (*self == Self::image(self.source, dims)).then_some(dims)
    }

    /// Which of our axes ONNX's dimensions (N is none) run through, if they run through whole ones.
    pub(super) fn whole_axes(&self, dimensions: &[usize]) -> Option<Vec<usize>> {
        let axes = || dimensions.iter().flat_map(|&dimension| &self.axes[dimension]).copied();
        self.is_whole().then(|| axes().collect())
    }

    /// The same places in another layer's output, where these of our axes have extent 1, or where a row of the channels is all
    /// that is left.
    pub(super) fn reduced(&self, over: &[usize], source: Source, is_row: bool) -> Self {
        let mut shape = self.shape.clone();
        over.iter().for_each(|&axis| shape[axis] = 1);
        let mut axes = self.axes.clone();
        if is_row {
            let last = shape.len() - 1;
            axes.iter_mut().for_each(|group| group.retain(|&axis| axis == last));
            axes.iter_mut().flatten().for_each(|axis| *axis = 0);
            shape.drain(..last);
        }
        Self::new(source, shape, axes)
    }

    /// Into how many groups of neighbouring channels ONNX's first dimension (N is none) divides ours, if it does that.
    pub(super) fn groups_of_channels(&self) -> Option<usize> {
        let positions: usize = self.shape[..self.shape.len() - 1].iter().product();
        match self.axes.first()?[..] {
            [] => Some(1),
            [axis] if self.dims[..axis].iter().product::<usize>() == positions => Some(self.dims[axis]),
            _ => None,
        }
    }

    /// `[H, W, C]`, if this is a row that ONNX sees as a picture `[C, H, W]` of several positions, its values in our order.
    pub(super) fn as_unflattened(&self) -> Option<[usize; 3]> {
        let [channels, rows, columns] = &self.axes[..] else { return None };
        let shape: [usize; 3] = self.shape().try_into().ok()?;
        let is_one = self.shape.len() == 1 && shape[1] * shape[2] > 1;
        let is_ours = [&rows[..], columns, channels].concat().is_sorted();
        (is_one && is_ours).then_some([shape[1], shape[2], shape[0]])
    }

    /// Whether it is a picture `[H, W, C]`, whatever the order in which ONNX sees its axes.
    pub(super) fn is_image_in_any_order(&self) -> bool {
        self.shape.len() == 3 && self.is_whole() && self.axes.len() == 3
    }

    /// The same places in another layer's output, of so many channels, which are this dimension of ONNX's (N is none). `None`
    /// where that dimension isn't our channels.
    pub(super) fn joined(&self, dimension: usize, channels: usize, source: Source) -> Option<Self> {
        self.is_channels(dimension).then(|| self.with_extent(self.shape.len() - 1, dimension, channels, source))
    }

    /// The same places in another layer's output, where one of our axes, ONNX's dimension, has another extent.
    pub(super) fn with_extent(&self, axis: usize, dimension: usize, extent: usize, source: Source) -> Self {
        let (mut shape, mut axes) = (self.shape.clone(), self.axes.clone());
        shape[axis] = extent;
        axes[dimension] = vec![axis];
        Self::new(source, shape, axes)
    }

    /// The axis of ours that ONNX's dimension (N is none) runs through.
    pub(super) fn axis(&self, dimension: usize) -> Option<usize> {
        match self.axes.get(dimension).map(Vec::as_slice) {
            Some(&[axis]) if self.is_whole() => Some(axis),
            _ => None,
        }
    }

    /// The channels of a row that ONNX sees as `[C, 1, …, 1]`.
    pub(super) fn as_row(&self) -> Option<usize> {
        let &[channels] = &self.shape[..] else { return None };
        (*self == Self::row(self.source, channels, self.axes.len())).then_some(channels)
    }

    /// The channels of a row that ONNX sees as `[1, C]`.
    pub(super) fn as_line(&self) -> Option<usize> {
        let &[channels] = &self.shape[..] else { return None };
        (self.axes.len() == 2 && self.axes[0].is_empty() && self.is_whole()).then_some(channels)
    }

    /// Whether ONNX's dimension (N is none) is our last axis.
    pub(super) fn is_channels(&self, dimension: usize) -> bool {
        let last = self.shape.len() - 1;
        let group: &[usize] = if self.shape[last] == 1 { &[] } else { &[last] };
        self.is_whole() && self.axes.get(dimension).is_some_and(|axes| axes == group)
    }

    /// Whether the two have the same places, one for one.
    pub(super) fn is_laid_out_as(&self, other: &Self) -> bool {
        *self == other.of(self.source)
    }

    /// The same values under a permutation of ONNX's dimensions, N included.
    pub(super) fn transposed(&self, permutation: &[usize]) -> Result<Self, NodeError> {
        if permutation.first() != Some(&0) {
            return Err(NodeError::Batch);
        }
        let axes = permutation[1..].iter().map(|&dimension| self.axes[dimension - 1].clone()).collect();
        Ok(Self { axes, ..self.clone() })
    }

    /// The same values under another of ONNX's shapes, N left out.
    pub(super) fn reshaped(&self, shape: &[usize]) -> Result<Self, NodeError> {
        let misfit = || NodeError::Shape {
            expected: format!("a shape that joins or separates whole dimensions of {:?}", self.shape()),
            found: shape.to_vec(),
        };
        if shape.is_empty() {
            return Err(misfit());
        }
        let mut result = Self { axes: Vec::with_capacity(shape.len()), ..self.clone() };
        // The axes to come, the next one last.
        let mut rest: Vec<usize> = self.axes.iter().flatten().rev().copied().collect();
        for &extent in shape {
            let (mut group, mut product) = (Vec::new(), 1);
            while product < extent {
                let axis = rest.pop().ok_or_else(misfit)?;
                let (whole, wanted) = (result.dims[axis], extent / product);
                if whole > wanted && (extent % product != 0 || whole % wanted != 0) {
                    return Err(misfit());
                }
                if whole > wanted {
                    // The slower part belongs to this dimension, the faster one to the next.
                    result.dims.splice(axis..=axis, [wanted, whole / wanted]);
                    let places = result.axes.iter_mut().chain([&mut group, &mut rest]).flatten();
                    places.filter(|place| **place > axis).for_each(|place| *place += 1);
                    rest.push(axis + 1);
                }
                product *= result.dims[axis];
                group.push(axis);
            }
            if product != extent {
                return Err(misfit());
            }
            result.axes.push(group);
        }
        match rest.pop() {
            None => Ok(result.merged()),
            Some(_) => Err(misfit()),
        }
    }

    /// Without divisions that make no difference: neighbouring parts of one of the layer's extents that ONNX sees one after the
    /// other are one.
    fn merged(mut self) -> Self {
        let mut axis = 0;
        while axis + 1 < self.dims.len() {
            let next = axis + 1;
            let is_gone = self.dims[axis] == 1 || self.dims[next] == 1;
            let follow = self.axes.iter().any(|group| group.windows(2).any(|pair| pair == [axis, next]));
            if self.extent_of(axis) != self.extent_of(next) || !(is_gone || follow) {
                axis = next;
                continue;
            }
            self.dims[axis] *= self.dims.remove(next);
            for group in &mut self.axes {
                group.retain(|&place| !(follow && place == next));
                group.iter_mut().filter(|place| **place > axis).for_each(|place| *place -= 1);
            }
        }
        self
    }

    /// Which of the layer's extents an axis is, or is a part of.
    fn extent_of(&self, axis: usize) -> usize {
        let (mut extent, mut product) = (0, 1);
        for &dim in &self.dims[..axis] {
            product *= dim;
            if extent + 1 < self.shape.len() && product == self.shape[extent] {
                (extent, product) = (extent + 1, 1);
            }
        }
        extent
    }

    /// Whether ONNX sees a row and the layer gives a picture.
    pub(super) fn needs_flattening(&self) -> bool {
        self.axes.len() == 1 && self.shape.len() > 1
    }

    /// As given by a layer that flattens this.
    pub(super) fn flattened(&self, source: Source) -> Self {
        let shape = vec![self.shape.iter().product()];
        Self { source, shape, ..self.clone() }.merged()
    }

    /// The order in which ONNX sees the parts of a picture's channels, if it is another than ours.
    pub(super) fn order_of_channels(&self) -> Option<Vec<usize>> {
        let picture = Self::image(self.source, self.shape[..].try_into().ok()?);
        let is_picture = self.axes.len() == 3 && self.axes[1..] == picture.axes[1..];
        let is_moved = is_picture && self.dims.len() > 3 && self.dims[..2] == self.shape[..2];
        is_moved.then(|| self.axes[0].iter().map(|axis| axis - 2).collect())
    }

    /// Where ONNX's channels are among ours, the parts of the channels being in this order.
    pub(super) fn moved_channels(&self, order: &[usize]) -> Vec<usize> {
        permuted(&(0..self.shape[2]).collect::<Vec<_>>(), &self.dims[2..], order)
    }

    /// Whether ONNX's row is ours, element for element.
    pub(super) fn is_in_our_order(&self) -> bool {
        self.axes.iter().flatten().is_sorted()
    }

    /// The matrix `[in, out]` that multiplies ONNX's row, with its rows in our order.
    pub(super) fn arrange_rows(&self, matrix: &[f32], outputs: usize) -> Vec<f32> {
        let group: Vec<usize> = self.axes.concat();
        let extents: Vec<usize> = group.iter().map(|&axis| self.dims[axis]).chain([outputs]).collect();
        let mut order = ascending(&group);
        order.push(group.len());
        permuted(matrix, &extents, &order)
    }

    /// One image's values, given by the layer, in ONNX's order.
    #[cfg(test)]
    pub(super) fn in_onnx_order<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let mut order = self.axes.concat();
        order.extend((0..self.dims.len()).filter(|&axis| self.dims[axis] == 1));
        permuted(values, &self.dims, &order)
    }

    /// A constant that is broadcast over this value: its shape in our layout, without leading ones, and its elements.
    pub(super) fn arrange(&self, constant: &Constant) -> Result<(Vec<usize>, Vec<f32>), NodeError> {
        let misfit = || {
            let expected = format!("a constant that is broadcast over [N, {:?}]", self.shape());
            NodeError::Shape { expected, found: constant.shape.clone() }
        };
        let values = constant.to_floats();
        if values.len() == 1 {
            return Ok((vec![1], values));
        }
        let rank = self.axes.len();
        let extents = match constant.shape.len().checked_sub(rank) {
            None | Some(0) => &constant.shape[..],
            Some(1) if constant.shape[0] == 1 => &constant.shape[1..],
            Some(_) => return Err(misfit()),
        };
        let mut ours = vec![1; self.dims.len()];
        let mut group = Vec::new();
        for (axes, &extent) in self.axes[rank - extents.len()..].iter().zip(extents) {
            let full: usize = axes.iter().map(|&axis| self.dims[axis]).product();
            if extent == full {
                group.extend(axes);
                axes.iter().for_each(|&axis| ours[axis] = self.dims[axis]);
            } else if extent != 1 {
                return Err(misfit());
            }
        }
        if !self.is_whole() {
            if ours != self.dims {
                return Err(misfit());
            }
            ours = self.shape.clone();
        }
        let apart: Vec<usize> = group.iter().map(|&axis| self.dims[axis]).collect();
        let values = permuted(&values, &apart, &ascending(&group));
        let leading = ours.iter().take_while(|&&extent| extent == 1).count();
        Ok((ours[leading.min(ours.len() - 1)..].to_vec(), values))
    }

    /// Whether our layers broadcast `other` over this as ONNX does.
    pub(super) fn broadcasts(&self, other: &Self) -> bool {
        if self.axes.len() != other.axes.len() || !self.is_whole() || !other.is_whole() {
            return self.is_laid_out_as(other);
        }
        // Our axes are compared from the last one on.
        let behind = |dims: &[usize], axis: usize| dims.len() - axis;
        let same = |(ours, theirs): (&Vec<usize>, &Vec<usize>)| {
            let places = |dims: &[usize], axes: &[usize]| {
                axes.iter().map(|&axis| (behind(dims, axis), dims[axis])).collect::<Vec<_>>()
            };
            theirs.is_empty() || places(&self.dims, ours) == places(&other.dims, theirs)
        };
        self.axes.iter().zip(&other.axes).all(same)
    }
}

/// The order in which the entries rise.
fn ascending(entries: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&place| entries[place]);
    order
}

impl Constant {
    /// The same elements under a permutation of the dimensions.
    pub(super) fn transposed(&self, permutation: &[usize]) -> Self {
        let values = match &self.values {
            Values::Floats(values) => Values::Floats(permuted(values, &self.shape, permutation)),
            Values::Integers(values) => Values::Integers(permuted(values, &self.shape, permutation)),
        };
        Self { shape: permutation.iter().map(|&axis| self.shape[axis]).collect(), values }
    }
}
