//! Values under another of ONNX's shapes, and parts of them, with the layers that this takes.

use super::activation::Activation;
use super::constant::{Constant, broadcast, size};
use super::context::{Reading, Value};
use super::error::NodeError;
use super::network::Weight;
use crate::layers::{Flatten, Select, Unflatten};

impl Reading<'_> {
    /// The same elements under another shape of ONNX's, N included.
    pub(crate) fn reshaped(&mut self, x: Value, shape: &[usize]) -> Result<Value, NodeError> {
        match x {
            Value::Constant(constant) => {
                self.charge(constant.values.len())?;
                Ok(Constant { shape: shape.to_vec(), values: constant.values.clone() }.into())
            }
            Value::Activation(x) => {
                let view = match x.reshaped(shape) {
                    Ok(view) => view,
                    Err(_) => self.plain("", &x)?.reshaped(shape)?,
                };
                Ok(self.materialized(view)?.into())
            }
        }
    }

    /// The same elements under a permutation of ONNX's dimensions.
    pub(crate) fn permuted(&mut self, x: Value, permutation: &[usize]) -> Result<Value, NodeError> {
        match x {
            Value::Activation(x) => {
                let mut x = self.materialized(x.transposed(permutation))?;
                if !x.has_whole_axes() && x.layer_shape().len() == 3 && x.rank() == 4 {
                    x = self.arranged("", &x)?;
                }
                let Some(shape) = x.as_unflattened() else { return Ok(x.into()) };
                Ok(self.unflattened("", &x, shape)?.into())
            }
            Value::Constant(constant) => {
                self.charge(constant.values.len())?;
                Ok(constant.transposed(permutation).into())
            }
        }
    }

    /// The same values. A layer is added where ONNX sees an image as a row, or its channels shuffled.
    pub(crate) fn materialized(&mut self, x: Activation) -> Result<Activation, NodeError> {
        if x.rank() == 2 && x.has_batch_first() && x.layer_shape().len() > 1 {
            let source = self.layer(Flatten, &[x.source])?;
            return Ok(x.flattened(source));
        }
        if !x.has_shuffled_channels() {
            return Ok(x);
        }
        self.charge(x.channels())?;
        let source = self.layer(Select { axis: 2, indices: x.channel_order() }, &[x.source])?;
        Ok(self.image(source))
    }

    /// The values of an image for ONNX, or of a row of pixels, as one for us. A layer is added where they lie in another order,
    /// and where an image of one pixel is a row.
    pub(crate) fn arranged(&mut self, part: &str, x: &Activation) -> Result<Activation, NodeError> {
        let groups = match x.rank() {
            _ if x.as_image().is_some() || x.as_strip().is_some() || !x.has_batch_first() => return Ok(x.clone()),
            4 => [vec![2], vec![3], vec![1]],
            3 => [vec![], vec![2], vec![1]],
            _ => return Ok(x.clone()),
        };
        if let Some(channels) = x.as_row() {
            let pixel = self.unflattened(part, x, [1, 1, channels])?;
            return Ok(x.image_of(pixel.source, [1, 1, channels]));
        }
        self.arranged_as(part, x, &groups)
    }

    /// The same values as a layer's output whose axes are these groups of ONNX's dimensions.
    pub(crate) fn arranged_as(
        &mut self,
        part: &str,
        x: &Activation,
        groups: &[Vec<usize>],
    ) -> Result<Activation, NodeError> {
        let (layer, result) = x.arranged(groups)?;
        if layer.moves_nothing() && layer.shape == x.layer_shape() {
            return Ok(result);
        }
        if layer.shape.is_empty() {
            return Err(x.misfit("at least one value for each image"));
        }
        Ok(result.of(self.add(part, layer, &[x.source], [])?))
    }

    /// The same values as a layer's output in ONNX's order.
    pub(crate) fn plain(&mut self, part: &str, x: &Activation) -> Result<Activation, NodeError> {
        self.arranged_as(part, x, &x.each_dimension())
    }

    /// The same values as a layer's output in ONNX's order, whose last two axes are the last two dimensions.
    pub(crate) fn matrices(&mut self, part: &str, x: &Activation) -> Result<Activation, NodeError> {
        let mut groups = x.each_dimension();
        let first = x.rank().saturating_sub(2);
        if groups.len() < 2 || groups.first() > Some(&vec![first]) {
            groups = vec![vec![first], vec![first + 1]];
        }
        self.arranged_as(part, x, &groups)
    }

    /// A row's values as an image `[H, W, C]`.
    pub(crate) fn unflattened(
        &mut self,
        part: &str,
        row: &Activation,
        shape: [usize; 3],
    ) -> Result<Activation, NodeError> {
        let source = self.add(part, Unflatten { shape }, &[row.source], [])?;
        Ok(self.image(source))
    }

    /// A constant that ONNX broadcasts over a value as our layers broadcast it, and that value, which is put in ONNX's order
    /// or repeated where that is needed.
    pub(crate) fn fitted(&mut self, x: &Activation, c: &Constant) -> Result<(Activation, Weight), NodeError> {
        if let Ok(weight) = x.to_our_layout(c) {
            return Ok((x.clone(), weight));
        }
        let mut wide = x.clone();
        if let Value::Activation(expanded) = self.expanded(x.clone().into(), &broadcast(&x.shape(), &c.shape)?)? {
            wide = self.plain("plain", &expanded)?;
        }
        let weight = wide.to_our_layout(c)?;
        Ok((wide, weight))
    }

    /// A value whose dimensions of extent 1, and leading ones that it doesn't have, are repeated up to a shape.
    pub(crate) fn expanded(&mut self, x: Value, shape: &[usize]) -> Result<Value, NodeError> {
        let mut dims = self.full_shape(&x);
        let mut result = x;
        if shape.len() > dims.len() {
            dims.splice(0..0, vec![1; shape.len() - dims.len()]);
            result = self.reshaped(result, &dims)?;
        }
        let first = dims.len() - shape.len();
        for (index, &extent) in shape.iter().enumerate() {
            match dims[first + index] {
                found if found == extent || extent == 1 => {}
                1 => result = self.select(result, first + index, std::iter::repeat_n(0, extent))?,
                _ => return Err(NodeError::unsupported("shape", shape, "one that the input is broadcast to")),
            }
        }
        Ok(result)
    }

    /// The elements at these indices of a dimension, N included.
    pub(crate) fn select(
        &mut self,
        data: Value,
        dimension: usize,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Value, NodeError> {
        match data {
            Value::Constant(constant) => {
                let mut shape = constant.shape.clone();
                shape[dimension] = indices.len();
                self.charge(size(&shape))?;
                Ok(constant.select(dimension, &indices.collect::<Vec<_>>()).into())
            }
            Value::Activation(x) => Ok(self.selected(x, dimension, indices)?.into()),
        }
    }

    /// As [`select`](Self::select), of values that depend on the image.
    pub(crate) fn selected(
        &mut self,
        mut x: Activation,
        dimension: usize,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Activation, NodeError> {
        let extent = x.shape()[dimension];
        self.charge(indices.len())?;
        let places: Vec<usize> = indices.collect();
        if places.iter().copied().eq(0..extent) {
            return Ok(x);
        }
        if let Some((layer, selected)) = x.selected(dimension, &places) {
            self.charge(layer.indices.len())?;
            return Ok(selected.of(self.layer(layer, &[x.source])?));
        }
        if let (Some(channels), 4, 2 | 3) = (x.as_row(), x.rank(), dimension) {
            x = self.unflattened("picture", &x, [1, 1, channels])?;
        }
        let axis = match x.axis(dimension) {
            Some(axis) => axis,
            None => {
                // Of a single image, the first dimension may be repeated, too.
                let first = usize::from(x.has_batch_first() && !(dimension == 0 && extent == 1));
                x = self.arranged_as(
                    "plain",
                    &x,
                    &(first..x.rank()).map(|dimension| vec![dimension]).collect::<Vec<_>>(),
                )?;
                dimension.checked_sub(first).ok_or(NodeError::Batch)?
            }
        };
        let selected = x.resized(dimension, axis, places.len()).ok_or(NodeError::Batch)?;
        Ok(selected.of(self.layer(Select { axis, indices: places }, &[x.source])?))
    }
}
