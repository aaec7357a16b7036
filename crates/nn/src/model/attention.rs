//! Attention in one pass, without a matrix of all tokens by all tokens.

use super::forward::Passing;
use super::plan::Chains;
use super::{Model, Source};
use crate::layers::Layer;
use crate::layers::matmul::product_of_mapped;
use crate::real::Real;

impl Chains<'_> {
    /// The attention that begins with this product: maps of each row, a softmax among them, and another product.
    pub(super) fn attention(&self, scores: usize) -> Option<Vec<usize>> {
        let is_product = |layer: usize| matches!(self.nodes[layer].layer, Layer::MatMul(_));
        let rows = |layer: usize| self.nodes[layer].output_shape.last_chunk::<2>();
        let (mut layers, mut last, mut is_weighted) = (vec![scores], scores, false);
        while is_product(scores)
            && let &[reader] = &self.readers[last][..]
        {
            let node = &self.nodes[reader];
            match &node.layer {
                Layer::Softmax(_) => is_weighted = true,
                Layer::Scale(_) | Layer::Shift(_) => (),
                Layer::Rearrange(order) if order.moves_nothing() && rows(reader) == rows(scores) => (),
                Layer::MatMul(_) if is_weighted && node.inputs[0] == Source::Layer(last) => {
                    layers.push(reader);
                    return Some(layers);
                }
                _ => return None,
            }
            layers.push(reader);
            last = reader;
        }
        None
    }
}

impl<T: Real> Model<T> {
    /// The layers of an attention, computed together. What comes between the products is deferred on the tape.
    pub(super) fn apply_attention(&self, layers: &[usize], pass: &mut Passing<T>) {
        let &[first, ref maps @ .., last] = layers else { unreachable!("two products") };
        let transposed = |layer: usize| match &self.nodes[layer].layer {
            Layer::MatMul(product) => product.transposed,
            _ => unreachable!("a product"),
        };
        let [a, b] = [0, 1].map(|input| pass.read(self.nodes[first].inputs[input]));
        let values = pass.read(self.nodes[last].inputs[1]);
        let of_batch = |layer: usize| [&a.shape()[..1], &self.nodes[layer].output_shape].concat();
        let maps = maps.iter().map(|&layer| {
            let node = &self.nodes[layer];
            (&node.layer, &self.parameters[node.parameters.clone()], of_batch(layer)[..].into())
        });
        let maps: Vec<_> = maps.collect();
        let map = |first: usize, rows: &mut [T]| {
            maps.iter().for_each(|(layer, stored, shape)| T::map_part(layer, stored, shape, first, rows));
        };
        let second = (b.value(), transposed(first));
        let y = product_of_mapped(a.value(), second, map, (values.value(), transposed(last)), &of_batch(last));
        self.record_computed(layers, y, pass);
    }
}
