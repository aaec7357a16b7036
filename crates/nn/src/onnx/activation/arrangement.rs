//! A view as an array: the layer that puts the values of ONNX's dimensions in an order of their own.

use super::{Activation, Part, merged, parts, slowest_first, stride};
use crate::layers::Rearrange;
use crate::onnx::error::NodeError;

impl Activation {
    /// The layer that gives the values of these groups of dimensions as its axes, and its output as ONNX sees it: each dimension
    /// stands in one group or, if it is the batch alone or has one value, perhaps in none.
    ///
    /// # Errors
    /// If a dimension runs through the images of the batch faster than through something else, or there are too many parts.
    pub(crate) fn arranged(&self, groups: &[Vec<usize>]) -> Result<(Rearrange, Self), NodeError> {
        let batch = parts(&self.full_shape, &[0]);
        let mut dims = vec![Vec::new(); self.rank()];
        let mut all: Vec<Part> = Vec::new();
        let mut ends = Vec::with_capacity(self.rank());
        for &dimension in groups.iter().flatten() {
            let inner = self.without_batch(dimension).ok_or(NodeError::Batch)?;
            ends.push((dimension, inner.iter().map(|part| part.extent).product::<usize>()));
            all.extend(inner);
        }
        let mut distance = 1;
        for &(dimension, extent) in ends.iter().rev() {
            dims[dimension] = vec![Part { extent, stride: distance }];
            dims[dimension].retain(|part| part.extent > 1);
            distance *= extent;
        }
        for (dimension, dim) in dims.iter_mut().enumerate() {
            if self.runs_through_batch(dimension) {
                *dim = merged([&batch[..], dim].concat());
            }
        }
        let all = merged(all);
        let order = slowest_first(&all);
        let extents: Vec<usize> = order.iter().map(|&part| all[part].extent).collect();
        let axes = (0..all.len()).filter_map(|part| order.iter().position(|&other| other == part)).collect();
        let extent_of = |group: &Vec<usize>| {
            let of = |wanted: usize| {
                ends.iter().find(|&&(dimension, _)| dimension == wanted).map_or(1, |&(_, extent)| extent)
            };
            group.iter().map(|&dimension| of(dimension)).product()
        };
        let shape: Vec<usize> = groups.iter().map(extent_of).collect();
        if shape.iter().product::<usize>() != self.layer_shape().iter().product::<usize>()
            || extents.len() > Rearrange::MOST_EXTENTS
        {
            return Err(self.misfit("dimensions that are divided into fewer parts"));
        }
        let full_shape = [&[self.batch()], &shape[..]].concat();
        Ok((Rearrange { extents, axes, shape }, Self { source: self.source, full_shape, dims }))
    }

    /// Each dimension by itself, without leading ones of one value and without the batch: the groups of values in ONNX's order.
    pub(crate) fn each_dimension(&self) -> Vec<Vec<usize>> {
        let has_inner = |dimension: usize| self.without_batch(dimension).is_none_or(|parts| !parts.is_empty());
        let first = (0..self.rank()).find(|&dimension| has_inner(dimension)).unwrap_or(self.rank() - 1);
        let is_batch = |dimension: usize| self.runs_through_batch(dimension) && !has_inner(dimension);
        (first..self.rank()).filter(|&dimension| !is_batch(dimension)).map(|dimension| vec![dimension]).collect()
    }

    /// Whether a dimension runs through the images of a batch of several.
    pub(crate) fn runs_through_batch(&self, dimension: usize) -> bool {
        let stride = stride(&self.full_shape, 0);
        self.batch() > 1 && self.dims[dimension].iter().any(|part| part.stride * part.extent > stride)
    }

    /// The parts of a dimension without the images of the batch; `None` if these aren't the slowest of it.
    fn without_batch(&self, dimension: usize) -> Option<Vec<Part>> {
        let dim = &self.dims[dimension];
        if !self.runs_through_batch(dimension) {
            return Some(dim.clone());
        }
        let image = stride(&self.full_shape, 0);
        let (first, rest) = dim.split_first()?;
        let is_whole = first.stride * first.extent == image * self.batch() && image.is_multiple_of(first.stride);
        if !is_whole || rest.iter().any(|part| part.stride >= image) {
            return None;
        }
        // The rest of a single walk through all images and what they begin with.
        let inner = (first.extent / self.batch() > 1)
            .then_some(Part { extent: first.extent / self.batch(), stride: first.stride });
        Some(inner.into_iter().chain(rest.iter().copied()).collect())
    }
}
