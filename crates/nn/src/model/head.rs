//! The GAP → FC head that CAM needs.

use super::{Grid, Model, Source};
use crate::layers::kind::Effect;
use crate::layers::layer::Layer;
use crate::real::Real;

/// The number of positions of a grid, if there are several.
fn several(grid: Option<&Grid>) -> Option<usize> {
    grid.map(|grid| grid.size[0] * grid.size[1]).filter(|&positions| positions > 1)
}

/// A head of global average pooling and one fully connected layer, the architecture of Zhou et al. 2016.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapHead {
    /// The layer whose output is pooled: f^K.
    pub features: usize,
    /// The fully connected layer, whose weights are w^class.
    pub linear: usize,
}

impl<T: Real> Model<T> {
    /// The indices of the layers of the GAP → FC head, if the model ends in one. Layers between that do nothing when
    /// explaining (dropout, flattening `[N, C]`) don't count.
    #[must_use]
    pub fn gap_head(&self) -> Option<GapHead> {
        let linear = self.nodes.len().checked_sub(1)?;
        if !matches!(self.nodes[linear].layer, Layer::Linear(_)) {
            return None;
        }
        let mut at = linear;
        loop {
            let &[Source::Layer(input)] = &self.nodes[at].inputs[..] else { return None };
            let node = &self.nodes[input];
            match (&node.layer, &node.inputs[..]) {
                (Layer::GlobalAvgPool(_), &[Source::Layer(features)]) => return Some(GapHead { features, linear }),
                (layer, &[source]) if layer.kind().effect(self.shape_of(source)) == Effect::PassesOn => at = input,
                _ => return None,
            }
        }
    }

    /// The layer at which the class-activation family looks by default: the last whose output has several positions that are
    /// mixed behind it, by a pooling, a fully connected layer or attention. If the scores are a map themselves, it is the last of the coarsest layers before the head, which is
    /// what computes the map from features by convolutions and resizing alone.
    #[must_use]
    pub fn last_spatial_layer(&self) -> Option<usize> {
        if !self.is_map() {
            return self.last_before_mixing().or_else(|| self.last_spatial_before(self.nodes.len()));
        }
        let grids = self.grids();
        let positions = |layer: usize| several(grids[layer].as_ref());
        let coarseness = |layer: &usize| Some((std::cmp::Reverse(positions(*layer)?), *layer));
        (0..self.head_start()).max_by_key(coarseness).filter(|&layer| positions(layer).is_some())
    }

    /// The last layer before the one with index `end` whose output has positions.
    #[must_use]
    pub fn last_spatial_before(&self, end: usize) -> Option<usize> {
        let grids = self.grids();
        (0..end).rfind(|&layer| several(grids[layer].as_ref()).is_some())
    }

    /// The first of the last layers that only convolve or resize the one before.
    fn head_start(&self) -> usize {
        let mut start = self.nodes.len();
        while let Some(node) = start.checked_sub(1).map(|last| &self.nodes[last])
            && matches!(node.layer, Layer::Conv2d(_) | Layer::ConvTranspose2d(_) | Layer::Resize(_))
            && node.inputs[..] == [start.checked_sub(2).map_or(Source::Image, Source::Layer)]
        {
            start -= 1;
        }
        start
    }
}
