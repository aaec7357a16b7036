//! Chapter 18: tokens that look at one another.

use attribution::Pass;
use attribution::methods::{AttentionRollout, GradientAttention, Lrp, Preset};
use attribution::question::Method;
use ndarray::Array2;
use nn::layers::{
    Add, Apply, Concat, Conv2d, Flatten, LayerNorm, Learned, Linear, MatMul, Rearrange, Scale, Select, Shift, Softmax,
};
use nn::{Convolution, Model};
use tensor::{Exact, Tape, Tensor};

use super::cells::cells;
use super::drawing::{FIRST, SECOND, column, leads_to, number, row, words};
use super::picture::heat;
use super::plot::bars;
use super::{Figure, figure, table, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![tokens(), gradient(), rollout(), by_gradient(), relevance()]
}

fn tokens() -> Figure {
    let image = table(&wave(&[6, 6, 1], 0.7), 6);
    let patches = (0..9).fold(cells(image.view()).sized(20.0).without_numbers(), |drawn, patch| {
        drawn.marked([patch / 3 * 2, patch % 3 * 2, 2, 2], if patch == 4 { SECOND } else { FIRST })
    });
    let matrix = Array2::from_shape_fn((9, 4), |(patch, at)| image[[patch / 3 * 2 + at / 2, patch % 3 * 2 + at % 2]]);
    let drawing = row([
        patches.draw().titled("nine patches of 2 × 2"),
        leads_to("one row each"),
        cells(matrix.view()).sized(15.0).without_numbers().marked([4, 0, 1, 4], SECOND).draw().titled("[9, 4]"),
        leads_to("· W + position"),
        words("tokens [9, C]"),
    ]);
    let about = "A picture of 6 × 6 pixels, cut into nine patches of 2 × 2. Each is a row of four numbers, the middle one the fifth row; a \
                 matrix turns the rows into tokens.";
    figure("tokens", "A picture becomes tokens", about, drawing)
}

fn gradient() -> Figure {
    let tape = Tape::<f64>::new();
    let [q, k, v] =
        [1.0, 2.0, 3.0].map(|phase| tape.leaf(Tensor::from_fn([1, 3, 2], |i| 2.0 * (i as f64 * 1.7 + phase).sin())));
    let e = q.apply_to(MatMul { transposed: true }, &[&k]).mul_scalar(1.0 / 2.0_f64.sqrt());
    let a = e.apply(Softmax);
    let o = a.apply_to(MatMul { transposed: false }, &[&v]);
    // The upstream gradient asks for the first token's first channel.
    let seed = Tensor::from_fn([1, 3, 2], |i| if i == 0 { 1.0 } else { 0.0 });
    let found = tape.backward_from(&o, seed, &Exact, [&a, &e]).unwrap();
    let part = |tensor: &Tensor<f64>, name: &str| cells(table(tensor, 3).view()).sized(42.0).draw().titled(name);
    let drawing = column([
        row([part(e.value(), "E [3, 3]"), leads_to("softmax"), part(a.value(), "A [3, 3]"), words("· V")]),
        row([part(&found[&e], "Ē"), words("←"), part(&found[&a], "Ā")]),
    ]);
    let about = "Scores and proportions of attention of three tokens, rows for those that look and columns for those that are looked at. Each row \
                 of proportions sums to one. Below, the gradients where the first token's first channel is asked for: only its row isn't zero, and \
                 the row of the scores' gradient sums to zero.";
    figure("attention-gradient", "Attention and its gradient", about, drawing)
}

/// The chapter's network of one block with a class token.
fn network() -> Model<f64> {
    let conv = Convolution::default().stride(2).padding(0);
    let patches = Conv2d { out_channels: 4, kernel: [2, 2], conv, bias: true };
    let mut model = Model::builder([6, 6, 1])
        .layer("patches", patches)
        .layer("tokens", Rearrange { extents: vec![9, 4], axes: vec![0, 1], shape: vec![9, 4] })
        .layer_from("class", Learned { shape: vec![1, 4] }, &["input"])
        .layer_from("all", Concat::along(0), &["class", "tokens"])
        .layer("position", Shift { shape: vec![10, 4] })
        .layer("norm", LayerNorm { epsilon: 1e-6 })
        .layer_from("q", Linear::new(4), &["norm"])
        .layer_from("k", Linear::new(4), &["norm"])
        .layer_from("v", Linear::new(4), &["norm"])
        .layer_from("product", MatMul { transposed: true }, &["q", "k"])
        .layer("scores", Scale { shape: vec![1] })
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "v"])
        .layer_from("sum", Add, &["position", "taken"])
        .layer("token", Select { axis: 0, indices: vec![0] })
        .layer("flat", Flatten)
        .layer("fc", Linear::new(2))
        .build(3)
        .unwrap();
    model.set_parameter("position.bias", Tensor::from_fn([10, 4], |i| (i as f32 * 0.9).sin())).unwrap();
    model.cast()
}

fn map(pass: &Pass<'_, f64>, class: usize, method: &dyn Method<f64>) -> Array2<f64> {
    pass.why(class).explain(method).unwrap().per_cell()
}

fn rollout() -> Figure {
    let (model, image) = (network(), wave(&[6, 6, 1], 0.7));
    let pass = Pass::new(&model, &image).unwrap();
    let attention = table(pass.forward().activation(model.layer_index("attention").unwrap()).value(), 10);
    let mixed = Array2::from_shape_fn((10, 10), |(i, j)| (attention[[i, j]] + f64::from(u8::from(i == j))) / 2.0);
    let map = map(&pass, 0, &AttentionRollout::default());
    let matrix =
        |values: &Array2<f64>| cells(values.view()).sized(15.0).without_numbers().marked([0, 1, 1, 9], FIRST).draw();
    let drawing = row([
        matrix(&attention).titled("A [10, 10]"),
        leads_to("½ A + ½ I"),
        matrix(&mixed).titled("the class token's row: outlined"),
        leads_to("its patches"),
        cells(map.view()).sized(44.0).draw().titled("rollout [3, 3]"),
    ]);
    let about = "The proportions of attention of a class token and nine patches. Half of them and half of a diagonal of ones, for the skip \
                 connection, make the second matrix. The map is the class token's row of it, without its own column, as 3 × 3 patches.";
    figure("attention-rollout", "Attention rollout at one block", about, drawing)
}

fn by_gradient() -> Figure {
    let (model, image) = (network(), wave(&[6, 6, 1], 0.7));
    let pass = Pass::new(&model, &image).unwrap();
    let part = |map: &Array2<f64>, name: &str| {
        let most = map.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        cells((map / most).view()).sized(40.0).draw().titled(name)
    };
    let maps = [
        ("rollout, any class", map(&pass, 0, &AttentionRollout::default())),
        ("by gradient, class 0", map(&pass, 0, &GradientAttention)),
        ("by gradient, class 1", map(&pass, 1, &GradientAttention)),
    ];
    let drawing = row(maps.each_ref().map(|(name, map)| part(map, name)));
    let zeros = |map: &Array2<f64>| map.iter().filter(|value| **value == 0.0).count();
    let about = format!(
        "Three maps of 3 × 3 patches, each divided by its maximum: rollout, the same for all classes, and attention times its gradient for two \
         classes. These have {} and {} patches of zero, where more attention would lower the score.",
        zeros(&maps[1].1),
        zeros(&maps[2].1)
    );
    figure("gradient-attention", "Attention weighted by its gradient", about, drawing)
}

fn relevance() -> Figure {
    let (model, image) = (network(), wave(&[6, 6, 1], 0.7));
    let pass = Pass::new(&model, &image).unwrap();
    let relevance = pass.why(0).explain(&Lrp { preset: Preset::Epsilon }).unwrap();
    let pixels = relevance.raw().index_axis(ndarray::Axis(2), 0).to_owned();
    let (score, arrived) = (pass.scores(0).unwrap()[0], pixels.sum());
    let drawing = row([
        heat(table(&image, 6).view(), 18.0).titled("the picture"),
        heat(pixels.view(), 18.0).titled("relevance of its pixels"),
        bars(&[("score", score), ("pixels", arrived), ("kept on the way", score - arrived)]),
    ]);
    let about = format!(
        "A picture of 6 × 6 pixels and the relevance of each under LRP with ε. The pixels get {} of a score of {}; biases, the class token, the \
         positions, the norm and the softmax keep {}.",
        number(arrived),
        number(score),
        number(score - arrived)
    );
    figure("attention-relevance", "Relevance through attention", about, drawing)
}
