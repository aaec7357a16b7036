//! Chapter 19: what a unit looks for.

use attribution::methods::{Deconvnet, GuidedBackprop};
use attribution::question::Method;
use attribution::units::{Maximisation, Strongest};
use attribution::{Pass, Target, Unit};
use image::GrayImage;
use ndarray::Array2;
use nn::data::Normalization;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{Model, ModelInfo};
use tensor::Tensor;

use super::cells::cells;
use super::drawing::{FIRST, SECOND, column, number, row, words};
use super::picture::{heat, picture};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![strongest(), of_a_unit(), made()]
}

const EDGE: [f32; 3] = [-1.0, 0.0, 1.0];

/// A network whose first layer is an edge detector: dark on the left, bright on the right.
fn detector(side: usize) -> Model {
    let info =
        ModelInfo { normalization: Some(Normalization::new(vec![0.5], vec![0.5]).unwrap()), ..ModelInfo::default() };
    let layers = Model::builder([side, side, 1]).layer("conv", Conv2d::new(1, 3)).layer("relu", Relu);
    let mut model = layers.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).info(info).build(3).unwrap();
    model.set_parameter("conv.weight", Tensor::new([3, 3, 1, 1], EDGE.repeat(3))).unwrap();
    model
}

/// The pixels of a tensor with one channel.
fn pixels(values: &[f32], side: usize) -> Array2<f64> {
    Array2::from_shape_fn((side, side), |(y, x)| f64::from(values[y * side + x]))
}

fn strongest() -> Figure {
    let model = detector(8);
    let mut found = Strongest::new("relu", 1);
    let edges =
        [0.3_f32, 0.9, 0.6].map(|contrast| Tensor::from_fn([8, 8, 1], |i| if i % 8 < 4 { 0.0 } else { contrast }));
    for edge in &edges {
        found.add(&Pass::new(&model, edge).unwrap()).unwrap();
    }
    let best = found.channels()[0][0];
    let pass = Pass::new(&model, &edges[best.picture]).unwrap();
    let seen = pass.cells("relu").unwrap().unwrap().visible_part(best.cell, [8, 8]);
    let drawn = |(number, edge): (usize, &Tensor<f32>)| {
        let grey = |x: u32, y: u32| [(255.0 * edge.as_slice()[(y * 8 + x) as usize]).round() as u8].into();
        let drawn = picture(GrayImage::from_fn(8, 8, grey), 11.0);
        let [corner, extent] =
            [[seen.left, seen.top], [seen.width, seen.height]].map(|pair| pair.map(|at| at as f64 * 11.0));
        if number == best.picture { drawn.outlined(corner, extent, SECOND, 2.4) } else { drawn }
    };
    let filter = Array2::from_shape_fn((3, 3), |(_, x)| f64::from(EDGE[x]));
    let pictures =
        row(edges.iter().enumerate().map(drawn)).titled("three pictures, and what the cell sees of the best");
    let drawing = row([cells(filter.view()).sized(30.0).draw().titled("the filter"), pictures]);
    let about = format!(
        "A filter of 3 × 3 weights, −1 on the left and 1 on the right, and three pictures that are dark on the left and bright on the right, with \
         contrasts of 0.3, 0.9 and 0.6. The second activates the filter most, {}, at the cell whose receptive field of 3 × 3 pixels is outlined at \
         the edge.",
        number(f64::from(best.value))
    );
    figure("strongest-picture", "The picture that activates a channel most", about, drawing)
}

fn of_a_unit() -> Figure {
    let side = 16;
    let layers = Model::builder([side, side, 1]).layer("conv1", Conv2d::new(6, 3)).layer("relu1", Relu);
    let layers = layers.layer("pool", MaxPool::new(2)).layer("conv2", Conv2d::new(6, 3)).layer("relu2", Relu);
    let model = layers.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(5).unwrap();
    let image = Tensor::from_fn([side, side, 1], |i| {
        let [y, x] = [i / side, i % side].map(|at| at as f32 - 7.5);
        if (y * y + x * x).sqrt() < 5.0 { 1.0 } else { 0.1 * ((i * 7) as f32).sin() }
    });
    let pass = Pass::new(&model, &image).unwrap();
    let strength = |channel: usize| pass.scores(Target::unit(Unit::new("relu2", channel).at([3, 2]))).unwrap()[0];
    let channel = (0..6).max_by(|&a, &b| strength(a).total_cmp(&strength(b))).unwrap();
    let unit = Unit::new("relu2", channel).at([3, 2]);
    let seen = pass.cells("relu2").unwrap().unwrap().visible_part([3, 2], [side, side]);
    let outlined = |values: Array2<f64>, name: &str| {
        let corner = [seen.left, seen.top].map(|at| at as f64 * 7.0);
        let extent = [seen.width, seen.height].map(|at| at as f64 * 7.0);
        heat(values.view(), 7.0).outlined(corner, extent, FIRST, 2.0).titled(name)
    };
    let of = |method: &dyn Method, name: &str| {
        let map = pass.why(Target::unit(unit.clone())).explain(method).unwrap();
        outlined(map.per_cell().mapv(f64::from), name)
    };
    let drawing = row([
        outlined(pixels(image.as_slice(), side), "the picture"),
        of(&GuidedBackprop, "guided backpropagation"),
        of(&Deconvnet, "deconvnet"),
    ]);
    let about = format!(
        "A disc, and what one unit of the second layer, with the value {}, reacts to in it, by guided backpropagation and by the deconvnet. Its \
         receptive field of {} × {} pixels is outlined: outside, both maps are zero.",
        number(f64::from(strength(channel))),
        seen.height,
        seen.width
    );
    figure("of-a-unit", "What a unit reacts to", about, drawing)
}

fn made() -> Figure {
    let model = detector(24);
    let unit = || Target::unit(Unit::new("conv", 0).at([12, 12]));
    let run = |falloff: f64, jitter: f64| {
        Maximisation { falloff, jitter, steps: 100, ..Maximisation::default() }.run(&model, unit(), None).unwrap()
    };
    let drawn = |(found, name): (attribution::units::Maximised<f32>, &str)| {
        let pixels = found.picture.pixels();
        let grey = GrayImage::from_fn(24, 24, |x, y| [pixels[[y as usize, x as usize, 0]]].into());
        let score = words(format!("S = {}", number(f64::from(found.after))));
        column([picture(grey, 5.0).titled(name), score])
    };
    let [plain, prior, jittered] = [run(0.0, 0.0), run(1.0, 0.0), run(1.0, 1.0 / 16.0)];
    let about = format!(
        "Three pictures made for one cell of the edge detector. Without a frequency prior, only its window changes and the rest is noise; the \
         score is {}. With it, a broad edge, {}. With jitter as well, the edge is broader still, {}.",
        number(f64::from(plain.after)),
        number(f64::from(prior.after)),
        number(f64::from(jittered.after))
    );
    let named = [(plain, "no prior"), (prior, "frequency prior"), (jittered, "and jitter")];
    figure("made-for-a-unit", "Pictures made to activate a unit", about, row(named.map(drawn)))
}
