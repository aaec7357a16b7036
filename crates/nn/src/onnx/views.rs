//! Values under another of ONNX's shapes, and parts of them, with the layers that this takes.

use super::activation::Activation;
use super::constant::{Constant, size};
use super::context::{Reading, Value};
use super::error::NodeError;
use crate::layers::{Flatten, Select, Unflatten};

impl Reading<'_> {
    /// The same elements under another shape of ONNX's, N included.
    pub(crate) fn reshaped(&mut self, x: Value, shape: &[usize]) -> Result<Value, NodeError> {
        match x {
            Value::Constant(constant) => {
                self.charge(constant.values.len())?;
                Ok(Constant { shape: shape.to_vec(), values: constant.values.clone() }.into())
            }
            Value::Activation(x) => match shape.split_first() {
                Some((&batch, rest)) if batch == self.graph.batch => Ok(self.materialized(x.reshaped(rest)?)?.into()),
                _ => Err(NodeError::Batch),
            },
        }
    }

    /// The same values. A layer is added where ONNX sees an image as a row, or its channels shuffled.
    pub(crate) fn materialized(&mut self, x: Activation) -> Result<Activation, NodeError> {
        if x.shape().len() == 1 && x.layer_shape().len() > 1 {
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

    /// The values of an image for ONNX as one for us. A layer is added where they lie in another order, and where an image of
    /// one pixel is a row.
    pub(crate) fn arranged(&mut self, part: &str, x: &Activation) -> Result<Activation, NodeError> {
        if let (Some(channels), 3) = (x.as_row(), x.shape().len()) {
            return self.unflattened(part, x, [1, 1, channels]);
        }
        let Some(layer) = x.rearrangement().filter(|_| x.as_image().is_none()) else { return Ok(x.clone()) };
        let source = self.add(part, layer, &[x.source], [])?;
        Ok(self.image(source))
    }

    /// A row's values as an image `[H, W, C]`.
    pub(crate) fn unflattened(
        &mut self,
        part: &str,
        row: &Activation,
        shape: [usize; 3],
    ) -> Result<Activation, NodeError> {
        let source = self.add(part, Unflatten { shape }, &[row.source], [])?;
        Ok(Activation::image(source, shape))
    }

    /// The elements at these indices of a dimension, N included.
    pub(crate) fn select(
        &mut self,
        data: Value,
        dimension: usize,
        indices: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Value, NodeError> {
        let mut shape = self.full_shape(&data);
        let extent = std::mem::replace(&mut shape[dimension], indices.len());
        let mut x = match data {
            Value::Constant(constant) => {
                self.charge(size(&shape))?;
                return Ok(constant.select(dimension, &indices.collect::<Vec<_>>()).into());
            }
            Value::Activation(x) => x,
        };
        self.charge(indices.len())?;
        let places: Vec<usize> = indices.collect();
        if places.iter().copied().eq(0..extent) {
            return Ok(x.into());
        }
        let ours = dimension.checked_sub(1).ok_or(NodeError::Batch)?;
        if let (Some(channels), 4, 2 | 3) = (x.as_row(), shape.len(), dimension) {
            x = self.unflattened("picture", &x, [1, 1, channels])?;
        }
        let selected = x.axis(ours).and_then(|axis| Some((axis, x.resized(ours, axis, places.len())?)));
        let (axis, selected) = selected.ok_or_else(|| {
            let supported = "height, width or channels of an image, or the elements of a row";
            NodeError::unsupported("the dimension", dimension, supported)
        })?;
        Ok(selected.of(self.layer(Select { axis, indices: places }, &[x.source])?).into())
    }
}
