//! Where the values of each layer stand in the picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use tensor::{Tape, Tensor};

use super::{Model, ModelNode, Source};
use crate::layers::Reach;
use crate::layers::layer::Layer;
use crate::layers::run::{Mode, Run, Share};
use crate::real::Real;

/// The positions of a layer's output that lie on a grid over the picture: all of `[H, W, C]` of a convolution, the patch tokens
/// of `[T, C]` without the class token, the tokens of windows.
///
/// Row i and column j of the grid are `origin + step·[i, j]` in rows and columns of the grid of `base`, which is the layer itself
/// or an earlier one, or the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The number of rows and columns.
    pub size: [usize; 2],
    /// Row by row, the index of each position among all positions of the output; `None` if they are all, and in this order.
    pub positions: Option<Vec<usize>>,
    /// The layer whose rows and columns are counted.
    pub base: Source,
    /// The first row and column.
    pub origin: [f64; 2],
    /// The distance between rows, and between columns.
    pub step: [f64; 2],
}

impl Grid {
    /// The values `[N, …, C]` of a layer with this grid as `[N, H, W, C]`.
    ///
    /// # Panics
    /// If they aren't those of such a layer.
    #[must_use]
    pub fn on_grid<T: Real>(&self, values: &Tensor<T>) -> Tensor<T> {
        let [images, channels] = [values.shape()[0], values.shape().last().copied().unwrap_or(1)];
        let shape = [images, self.size[0], self.size[1], channels];
        let Some(positions) = &self.positions else { return values.reshape(shape) };
        let each = values.len() / images.max(1);
        let images = values.as_slice().chunks_exact(each.max(1));
        let placed = images.flat_map(|image| positions.iter().flat_map(|&at| &image[at * channels..][..channels]));
        Tensor::new(shape, placed.copied().collect::<Vec<T>>())
    }
}

/// Where one layer's values stand.
#[derive(Clone, Debug)]
enum Places {
    /// Those of `[H, W, C]` at rows and columns of a grid.
    Lattice { base: Source, origin: [f64; 2], step: [f64; 2] },
    /// Each run of `run` values in memory at its own place, in rows and columns of the grid of `base`; NaN where it has none.
    Each { base: Source, run: usize, at: Vec<[f64; 2]> },
    /// Nowhere: at all places, or at none.
    Lost,
}

const NOWHERE: [f64; 2] = [f64::NAN; 2];

/// Whether two places are the same, or both nowhere.
fn is_same(a: [f64; 2], b: [f64; 2]) -> bool {
    a == b || a[0].is_nan() && b[0].is_nan()
}

impl Places {
    fn of_own(base: Source) -> Self {
        Self::Lattice { base, origin: [0.0; 2], step: [1.0; 2] }
    }

    /// The place of each value of an output of this shape.
    fn of_values(&self, shape: &[usize]) -> Option<(Source, Vec<[f64; 2]>)> {
        match (self, shape) {
            (&Self::Lattice { base, origin, step }, &[h, w, c]) => {
                let place =
                    |cell: usize| [0, 1].map(|axis| origin[axis] + step[axis] * [cell / w, cell % w][axis] as f64);
                Some((base, (0..h * w * c).map(|value| place(value / c)).collect()))
            }
            (Self::Each { base, run, at }, _) => {
                Some((*base, at.iter().flat_map(|&place| std::iter::repeat_n(place, *run)).collect()))
            }
            _ => None,
        }
    }

    /// The place of each position, `[…]` of `[…, C]`: the mean of its channels' places, none if one of them has none.
    fn of_positions(&self, shape: &[usize]) -> Option<(Source, Vec<[f64; 2]>)> {
        let channels = shape.last().copied().filter(|&channels| channels > 0)?;
        if let Self::Each { base, run, at } = self
            && *run == channels
        {
            return Some((*base, at.clone()));
        }
        let (base, values) = self.of_values(shape)?;
        let mean =
            |of: &[[f64; 2]]| [0, 1].map(|axis| of.iter().map(|place| place[axis]).sum::<f64>() / channels as f64);
        Some((base, values.chunks_exact(channels).map(mean).collect()))
    }

    /// Values at these places, as few as can be said.
    fn each(base: Source, shape: &[usize], mut at: Vec<[f64; 2]>, mut run: usize) -> Self {
        if at.iter().all(|place| place[0].is_nan()) {
            return Self::Lost;
        }
        let channels = shape.last().copied().unwrap_or(1).max(1);
        if run < channels && channels.is_multiple_of(run) {
            let parts = at.chunks_exact(channels / run);
            if parts.clone().all(|part| part.iter().all(|&place| is_same(place, part[0]))) {
                (run, at) = (channels, parts.map(|part| part[0]).collect());
            }
        }
        match (shape, Lattice::of(&at)) {
            (&[h, w, c], Some(lattice)) if run == c && lattice.is_all_in_order(at.len(), [h, w]) => {
                Self::Lattice { base, origin: lattice.origin, step: lattice.step }
            }
            _ => Self::Each { base, run, at },
        }
    }

    fn grid(&self, shape: &[usize]) -> Option<Grid> {
        if let (&Self::Lattice { base, origin, step }, &[h, w, _]) = (self, shape) {
            return Some(Grid { size: [h, w], positions: None, base, origin, step });
        }
        let (base, at) = self.of_positions(shape)?;
        let Lattice { size, positions, origin, step } = Lattice::of(&at)?;
        let is_all = positions.iter().copied().eq(0..at.len());
        Some(Grid { size, positions: (!is_all).then_some(positions), base, origin, step })
    }
}

/// Places that make a whole grid of even steps.
#[derive(Debug)]
struct Lattice {
    size: [usize; 2],
    /// Row by row, the index of each.
    positions: Vec<usize>,
    origin: [f64; 2],
    step: [f64; 2],
}

impl Lattice {
    /// The grid that all the places, but for those that are nowhere, make together; `None` if they don't, or are a single one.
    fn of(at: &[[f64; 2]]) -> Option<Self> {
        // Halves, quarters and so on of a cell are exact.
        let key = |place: [f64; 2]| place.map(|x| (x * 65536.0).round() as i64);
        let mut places = BTreeMap::new();
        for (index, &place) in at.iter().enumerate().filter(|(_, place)| !place[0].is_nan()) {
            if places.insert(key(place), index).is_some() {
                return None;
            }
        }
        let rows: Vec<i64> = places.keys().map(|key| key[0]).collect();
        let (&first, &last) = (rows.first()?, rows.last()?);
        let width = rows.iter().take_while(|&&row| row == first).count();
        let size = [rows.len() / width, width];
        let columns: Vec<i64> = places.keys().take(width).map(|key| key[1]).collect();
        let spacing = |first: i64, last: i64, count: usize| match count {
            1 => Some(65536),
            _ => Some((last - first) / (count as i64 - 1)).filter(|step| step * (count as i64 - 1) == last - first),
        };
        let steps = [spacing(first, last, size[0])?, spacing(columns[0], columns[width - 1], width)?];
        let expected =
            |index: usize| [first + steps[0] * (index / width) as i64, columns[0] + steps[1] * (index % width) as i64];
        let is_grid = rows.len() > 1 && places.keys().enumerate().all(|(index, &key)| key == expected(index));
        is_grid.then(|| Self {
            size,
            positions: places.into_values().collect(),
            origin: [first, columns[0]].map(|x| x as f64 / 65536.0),
            step: steps.map(|x| x as f64 / 65536.0),
        })
    }

    fn is_all_in_order(&self, count: usize, size: [usize; 2]) -> bool {
        self.size == size && self.positions.len() == count && self.positions.iter().copied().eq(0..count)
    }
}

impl<T: Real> Model<T> {
    /// For each layer the grid of its positions; `None` if they have no places in the picture, as behind a pooling over all of
    /// it.
    #[must_use]
    pub fn grids(&self) -> &[Option<Grid>] {
        &self.placement().grids
    }

    /// The layer at which the class-activation family looks by default, if it isn't a map that the scores are: the last with a
    /// grid whose positions are mixed behind it, by a pooling, a fully connected layer or attention.
    pub(super) fn last_before_mixing(&self) -> Option<usize> {
        self.placement().last_before_mixing
    }

    /// The layers that follow from the places of all values, worked out once.
    fn placement(&self) -> &Placement {
        self.plans.placement.0.get_or_init(|| {
            let (places, mixes) = self.places();
            let of_layer = |(places, node): (&Places, &ModelNode)| places.grid(&node.output_shape);
            let grids: Vec<_> = places.iter().zip(&self.nodes).map(of_layer).collect();
            let last_before_mixing = last_before_mixing(&self.nodes, &places, &mixes, &grids);
            Arc::new(Placement { grids, last_before_mixing })
        })
    }

    /// Where the values of each layer stand, and which layers mix their inputs' places.
    fn places(&self) -> (Vec<Places>, Vec<Vec<bool>>) {
        let mut places: Vec<Places> = Vec::with_capacity(self.nodes.len());
        let mut mixes = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let own = Places::of_own(Source::Image);
            let inputs: Vec<(&Places, &[usize])> = node
                .inputs
                .iter()
                .map(|&source| match source {
                    Source::Image => (&own, self.shape_of(source)),
                    Source::Layer(layer) => (&places[layer], self.shape_of(source)),
                })
                .collect();
            let here = of_output(node, Source::Layer(index), &inputs);
            let is_product = matches!(node.layer, Layer::MatMul(_));
            let loses = matches!(here, Places::Lost) && !node.layer.kind().moves();
            mixes.push((0..inputs.len()).map(|input| loses || is_product && input == 1).collect());
            places.push(here);
        }
        (places, mixes)
    }
}

/// What follows from the places of all values of a model.
#[derive(Debug)]
pub(crate) struct Placement {
    grids: Vec<Option<Grid>>,
    last_before_mixing: Option<usize>,
}

/// The last layer with a grid whose positions are mixed behind it. What only makes the queries, keys and values of attention is
/// left out.
fn last_before_mixing(
    nodes: &[ModelNode],
    places: &[Places],
    mixes: &[Vec<bool>],
    grids: &[Option<Grid>],
) -> Option<usize> {
    let is_placed = |layer: usize| !matches!(places[layer], Places::Lost);
    let mut counts = vec![false; nodes.len()];
    // Whether every way on leads into a product of attention, by layers that only move or scale.
    let mut prepares = vec![true; nodes.len()];
    let mut is_read = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        let is_product = matches!(node.layer, Layer::MatMul(_));
        let passes = node.layer.kind().moves() || matches!(node.layer, Layer::Scale(_) | Layer::Shift(_));
        for (input, &source) in node.inputs.iter().enumerate() {
            let Source::Layer(from) = source else { continue };
            is_read[from] = true;
            prepares[from] &= is_product || passes && prepares[index] && is_read[index];
            counts[from] |= is_placed(from) && (mixes[index][input] || counts[index] && is_placed(index));
        }
    }
    (0..nodes.len()).rfind(|&layer| {
        let kind = nodes[layer].layer.kind();
        let only_moves = kind.moves() && kind.reach() == Reach::Lost;
        let has_several = grids[layer].as_ref().is_some_and(|grid| grid.size != [1, 1]);
        counts[layer] && !prepares[layer] && !only_moves && has_several
    })
}

/// Where a layer's outputs stand, for inputs of these places and shapes.
fn of_output(node: &ModelNode, here: Source, inputs: &[(&Places, &[usize])]) -> Places {
    let output = &node.output_shape[..];
    let kind = node.layer.kind();
    let (first, shape) = inputs[0];
    let lattice = inputs.iter().all(|(places, _)| matches!(places, Places::Lattice { .. }));
    if kind.moves() {
        let is_picture = lattice && output.len() == 3;
        let stays = is_picture && kind.reach() != Reach::Lost;
        return match moved(node, inputs) {
            // Several pictures, or one whose rows are repeated, are a picture of their own.
            Places::Lost if is_picture => Places::of_own(here),
            Places::Each { .. } if stays => Places::of_own(here),
            places => places,
        };
    }
    match kind.reach() {
        Reach::SamePlace => same(inputs, output, here),
        Reach::Window { kernel: [1, 1], stride: [1, 1], .. } if output.len() == 3 && output[..2] == shape[..2] => {
            by_position(first, shape, output)
        }
        Reach::Window { .. } | Reach::Scaled if lattice && output.len() == 3 => Places::of_own(here),
        Reach::Channels if output.len() > 1 => by_position(first, shape, output),
        Reach::Rows => product(node, inputs),
        _ => Places::Lost,
    }
}

/// Each position by itself, all its channels together.
fn by_position(places: &Places, shape: &[usize], output: &[usize]) -> Places {
    if let Places::Lattice { .. } = places {
        return places.clone();
    }
    match places.of_positions(shape) {
        Some((base, at)) => Places::each(base, output, at, output[output.len() - 1]),
        None => Places::Lost,
    }
}

/// The values of inputs in other places: as the layer moves the places themselves.
fn moved(node: &ModelNode, inputs: &[(&Places, &[usize])]) -> Places {
    let mut base = None;
    let mut each = Vec::with_capacity(inputs.len());
    for (places, shape) in inputs {
        let values = shape.iter().product();
        match places.of_values(shape) {
            Some((of, _)) if base.is_some_and(|base| base != of) => return Places::Lost,
            Some((of, at)) => {
                base = Some(of);
                each.push((at, *shape));
            }
            None => each.push((vec![NOWHERE; values], *shape)),
        }
    }
    let Some(base) = base else { return Places::Lost };
    let [rows, columns] = [0, 1].map(|axis| {
        let tape = Tape::<f64>::new();
        let leaf = |(at, shape): &(Vec<[f64; 2]>, &[usize])| {
            let values: Vec<f64> = at.iter().map(|place| place[axis]).collect();
            tape.leaf(Tensor::new([&[1], *shape].concat(), values))
        };
        let run = Run {
            inputs: each.iter().map(leaf).collect(),
            parameters: &[],
            stored: &[],
            mode: Mode::Evaluation,
            share: Share::Apart,
            layer: 0,
            statistics: &mut Vec::new(),
        };
        f64::record(&node.layer, run).value().clone()
    });
    let at = rows.as_slice().iter().zip(columns.as_slice()).map(|(&row, &column)| [row, column]).collect();
    Places::each(base, &node.output_shape, at, 1)
}

/// Values of several inputs, aligned at the channels, each at its place.
fn same(inputs: &[(&Places, &[usize])], output: &[usize], here: Source) -> Places {
    let positions = |shape: &[usize]| shape[..shape.len().saturating_sub(1)].to_vec();
    let whole: Vec<&(&Places, &[usize])> = inputs
        .iter()
        .filter(|(places, shape)| positions(shape) == positions(output) && !matches!(places, Places::Lost))
        .collect();
    let Some(&&(first, shape)) = whole.first() else { return Places::Lost };
    if let Places::Lattice { base, origin, step } = first {
        let is_like = |(places, _): &&(&Places, &[usize])| match places {
            Places::Lattice { base: other, origin: from, step: by } => (other, from, by) == (base, origin, step),
            _ => true,
        };
        return if whole.iter().all(is_like) { first.clone() } else { Places::of_own(here) };
    }
    if let Some((lattice, _)) = whole.iter().find(|(places, _)| matches!(places, Places::Lattice { .. })) {
        return (*lattice).clone();
    }
    if shape == output { first.clone() } else { by_position(first, shape, output) }
}

/// A product of matrices: row i of the output is where row i of the first stands, or column j where column j of the second does.
fn product(node: &ModelNode, inputs: &[(&Places, &[usize])]) -> Places {
    let output = &node.output_shape[..];
    let Layer::MatMul(layer) = &node.layer else { return Places::Lost };
    let channels = |shape: &[usize]| shape[shape.len() - 1];
    let ((a, a_shape), (b, b_shape)) = (inputs[0], inputs[1]);
    if let Places::Each { base, run, at } = a
        && *run == channels(a_shape)
    {
        return Places::each(*base, output, at.clone(), channels(output));
    }
    if let (Places::Lattice { .. }, Some((base, at))) = (a, a.of_positions(a_shape)) {
        return Places::each(base, output, at, channels(output));
    }
    let Some((base, at)) = b.of_values(b_shape) else { return Places::Lost };
    let ([rows, columns], [m, l]) =
        ([b_shape[b_shape.len() - 2], channels(b_shape)], [output[output.len() - 2], channels(output)]);
    let mut all = Vec::with_capacity(output.iter().product());
    for matrix in at.chunks_exact(rows * columns) {
        let value =
            |k: usize, j: usize| if layer.transposed { matrix[j * columns + k] } else { matrix[k * columns + j] };
        let inner = if layer.transposed { columns } else { rows };
        let line: Vec<[f64; 2]> = (0..l)
            .map(|j| if (1..inner).all(|k| is_same(value(k, j), value(0, j))) { value(0, j) } else { NOWHERE })
            .collect();
        (0..m).for_each(|_| all.extend(&line));
    }
    Places::each(base, output, all, 1)
}
