//! What the targets share.

use nn::{Model, Source};

/// The limit of a model that is run: its values and its work.
const LIMIT: u64 = 1 << 20;

/// Whether a model has little work and memory in it: others are read, but not run.
#[must_use]
pub fn is_small(model: &Model) -> bool {
    let image = model.input_shape();
    let shape = |source: &Source| match *source {
        Source::Image => &image[..],
        Source::Layer(index) => &model.layers()[index].output_shape,
    };
    let count = |shape: &[usize]| shape.iter().product::<usize>() as u64;
    let each = model.layers().iter().map(|node| {
        let read: u64 = node.inputs.iter().map(|input| count(shape(input))).sum();
        let work = node.layer.kind().work(shape(&node.inputs[0]), &node.output_shape).total();
        read.saturating_add(count(&node.output_shape)).saturating_add(work)
    });
    each.fold(count(&image), u64::saturating_add) <= LIMIT
}
