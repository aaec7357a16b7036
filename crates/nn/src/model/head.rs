//! The GAP → FC head that CAM needs.

use super::{Model, Source};
use crate::layers::kind::Effect;
use crate::layers::layer::Layer;
use crate::real::Real;

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

    /// The last layer whose output has positions, `[N, H, W, C]`: where the class-activation family looks by default.
    #[must_use]
    pub fn last_spatial_layer(&self) -> Option<usize> {
        self.nodes.iter().rposition(|node| matches!(node.output_shape[..], [h, w, _] if h * w > 1))
    }
}
