//! The attention of a transformer, as the methods that multiply it from block to block read it.

use std::collections::BTreeMap;

use ndarray::Array2;
use nn::layers::{Apply, Effect, Layer, Reach};
use nn::{Grid, Model, Real, Source};
use tensor::{Tape, Tensor, Var};

use super::prelude::*;
use crate::pass::{Pass, one_of};

/// A network whose blocks let all tokens look at all tokens.
pub(super) struct Attention<'m> {
    /// The softmaxes, block after block; the output of each is A, `[N, heads, T, T]`.
    pub(super) layers: Vec<usize>,
    /// T.
    tokens: usize,
    /// The last layer with all tokens, `[N, T, C]` or `[N, H, W, C]`.
    last: usize,
    /// Where the patches stand among the tokens.
    grid: &'m Grid,
    /// The tokens that the scores are computed from: the class token, or those that are averaged.
    read: Vec<usize>,
}

impl<'m> Attention<'m> {
    /// The attention that `method` can multiply.
    pub(super) fn of<T: Real>(model: &'m Model<T>, method: &'static str) -> Result<Self, ExplainError> {
        let nodes = model.layers();
        let softmaxes = (0..nodes.len()).filter(|&layer| matches!(nodes[layer].layer, Layer::Softmax(_)));
        let layers: Vec<usize> = softmaxes.filter(|&layer| feeds_product(model, layer)).collect();
        let (&first, &end) = layers.first().zip(layers.last()).ok_or(ExplainError::NoAttention)?;
        let refused = |layer: usize, difference| {
            let node = &nodes[layer];
            let (layer, shape) = (node.name.clone(), node.output_shape.clone());
            ExplainError::PartialAttention { method, layer, shape, difference }
        };
        let tokens = |layer: usize| {
            let mut shape = &nodes[layer].output_shape[..];
            // One window is no window.
            while let [1, all @ ..] = shape
                && all.len() >= 3
            {
                shape = all;
            }
            match *shape {
                [rows, columns] | [_, rows, columns] if rows == columns => Ok(rows),
                [_, _] | [_, _, _] => Err(refused(layer, "looks from some tokens at others")),
                _ => Err(refused(layer, "looks within windows")),
            }
        };
        let count = tokens(first)?;
        for &layer in &layers {
            if tokens(layer)? != count {
                return Err(refused(layer, "is between other tokens than the block before"));
            }
        }
        let mixes = |&layer: &usize| {
            let window = matches!(nodes[layer].layer.kind().reach(), Reach::Window { kernel, .. } if kernel != [1, 1]);
            window || matches!(nodes[layer].layer.kind().reach(), Reach::Scaled)
        };
        if let Some(layer) = (first..end).find(mixes) {
            return Err(refused(layer, "mixes tokens without attention"));
        }
        let all = |layer: usize| {
            let grid = model.grids()[layer].as_ref()?;
            let [places @ .., _] = &nodes[layer].output_shape[..] else { return None };
            (places.iter().product::<usize>() == count).then_some((layer, grid))
        };
        let (last, grid) = (end..nodes.len())
            .filter_map(all)
            .next_back()
            .ok_or_else(|| refused(end, "is between what has no places in the picture"))?;
        let read = tokens_read(model, last, count);
        Ok(Self { layers, tokens: count, last, grid, read })
    }

    /// A map of one image: how much of each patch reaches the tokens that the scores are computed from. `flows` are the blocks'
    /// matrices `[T, T]`, row by row, the last block's first. Only the rows of their product for those tokens are computed. With
    /// `stays`, each token has itself as well, in every block.
    pub(super) fn map<T: Real>(&self, flows: impl Iterator<Item = Vec<T>>, stays: bool) -> Array2<T> {
        let share = T::one() / T::from_f64(self.read.len() as f64);
        let mut row = vec![T::zero(); self.tokens];
        self.read.iter().for_each(|&token| row[token] = share);
        let own = row.clone();
        for flow in flows {
            let mut next = if stays { row.clone() } else { vec![T::zero(); self.tokens] };
            for (&weight, line) in row.iter().zip(flow.chunks_exact(self.tokens)) {
                next.iter_mut().zip(line).for_each(|(sum, &a)| *sum += weight * a);
            }
            row = next;
        }
        if stays {
            row.iter_mut().zip(own).for_each(|(sum, own)| *sum -= own);
        }
        let place = |cell: usize| self.grid.positions.as_ref().map_or(cell, |positions| positions[cell]);
        let [rows, columns] = self.grid.size;
        Array2::from_shape_fn((rows, columns), |(i, j)| row[place(i * columns + j)])
    }

    /// One image's matrices of a layer, one for each head.
    pub(super) fn heads<'v, T: Real>(
        &self,
        values: &'v Tensor<T>,
        image: usize,
    ) -> impl ExactSizeIterator<Item = &'v [T]> + use<'v, T> {
        one_of(values, image).chunks_exact(self.tokens * self.tokens)
    }

    /// T².
    pub(super) fn pairs(&self) -> usize {
        self.tokens * self.tokens
    }

    /// T.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// A map of values on the patches' grid.
    pub(super) fn placed<T: Real>(
        &self,
        pass: &Pass<'_, T>,
        image: usize,
        quantity: Quantity,
        values: Array2<T>,
        zero_gradient: bool,
    ) -> Map<T> {
        let map = pass.cell_map(image, quantity, self.last, values, zero_gradient);
        Map { layers: Vec::new(), ..map }
    }
}

/// Whether a layer is the first factor of a product of two activations.
fn feeds_product<T: Real>(model: &Model<T>, layer: usize) -> bool {
    let nodes = model.layers();
    nodes.iter().enumerate().skip(layer + 1).filter(|(_, node)| node.inputs.contains(&Source::Layer(layer))).any(
        |(reader, node)| match node.layer {
            Layer::MatMul(_) => node.inputs[0] == Source::Layer(layer),
            _ => {
                let passes = node.layer.kind().effect(&nodes[layer].output_shape) == Effect::PassesOn;
                passes && feeds_product(model, reader)
            }
        },
    )
}

/// The tokens of a layer `[N, …, C]` that later layers compute with, in order: values that are only moved, as by a
/// [selection](nn::layers::Select), are followed.
fn tokens_read<T: Real>(model: &Model<T>, layer: usize, tokens: usize) -> Vec<usize> {
    let tape = Tape::<f64>::new();
    let shape = [&[1], &model.layers()[layer].output_shape[..]].concat();
    let channels = shape.last().copied().unwrap_or(1);
    let mut moved: BTreeMap<usize, Var<f64>> = BTreeMap::new();
    moved.insert(layer, tape.leaf(Tensor::from_fn(shape, |i| (i / channels) as f64)));
    let mut read = vec![false; tokens];
    for (index, node) in model.layers().iter().enumerate().skip(layer + 1) {
        let sources = || {
            node.inputs.iter().filter_map(|source| match source {
                Source::Layer(from) => moved.get(from),
                Source::Image => None,
            })
        };
        if node.inputs.len() == 1 && node.layer.kind().moves() {
            if let Some(values) = sources().next() {
                let values = values.apply(node.layer.clone());
                moved.insert(index, values);
            }
            continue;
        }
        for values in sources() {
            values.value().as_slice().iter().for_each(|&token| read[token as usize] = true);
        }
    }
    (0..tokens).filter(|&token| read[token]).collect()
}
