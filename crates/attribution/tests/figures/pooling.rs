//! Chapter 5: what windows pass on, forward and backward.

use ndarray::Array2;
use nn::layers::{Apply, AvgPool, ChannelMax, GlobalAvgPool, MaxPool};
use tensor::{Exact, Tape, Tensor, Var};

use super::cells::{cells, vector};
use super::drawing::{FIRST, SECOND, column, leads_to, row};
use super::{Figure, figure, table};

pub(crate) fn all() -> Vec<Figure> {
    vec![means(), global(), maxima(), channels()]
}

/// A pooled picture, and the gradients that arrive where the outputs have these.
fn pooled(x: &[f64], shape: [usize; 4], layer: impl Fn(&Var<f64>) -> Var<f64>, upstream: &[f64]) -> [Array2<f64>; 2] {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new(shape, x.to_vec()));
    let y = layer(&x);
    let seed = Tensor::new(y.shape().to_vec(), upstream.to_vec());
    let g = tape.backward_from(&y, seed, &Exact, [&x]).unwrap();
    let rows = if y.shape().len() == 4 { y.shape()[1] } else { 1 };
    [table(y.value(), rows), table(&g[&x], shape[1])]
}

fn means() -> Figure {
    let pool = |count_padding: bool| {
        let layer = AvgPool { count_padding, ..AvgPool::new(3).stride(2).padding(1) };
        let [_, shares] = pooled(&[0.0; 25], [1, 5, 5, 1], |x| x.apply(layer), &[1.0; 9]);
        let title = if count_padding { "padding counts" } else { "pixels inside count" };
        cells(shares.view()).sized(36.0).draw().titled(title)
    };
    let about = "What each of 5 × 5 pixels receives if every output of a mean over 3 × 3 windows at stride 2 with padding 1 has the \
                 gradient 1. If only pixels inside the picture count, a window at the corner divides by 4 and passes on quarters; if \
                 padding counts, all divide by 9, and a part of the gradient goes to the padding.";
    figure("mean-pooling", "The shares of a mean's gradient", about, row([pool(false), pool(true)]))
}

fn global() -> Figure {
    let x: Vec<f64> = (0..6).map(f64::from).collect();
    let [y, gradient] = pooled(&x, [1, 2, 3, 1], |x| x.apply(GlobalAvgPool), &[6.0]);
    let features = Array2::from_shape_vec((2, 3), x).unwrap();
    let drawing = column([
        row([cells(features.view()).draw().titled("f [2, 3]"), leads_to("mean"), cells(y.view()).draw().titled("F")]),
        row([
            vector(&[6.0]).draw().titled("F̄"),
            leads_to("1/Z to each"),
            cells(gradient.view()).draw().titled("f̄ [2, 3]"),
        ]),
    ]);
    let about = "Global average pooling turns a channel of 2 × 3 positions into its mean, 2.5. Its gradient of 6 goes back in six equal \
                 parts of 1: no position counts more than another.";
    figure("global-average", "Global average pooling, forward and backward", about, drawing)
}

fn maxima() -> Figure {
    let x = [1.0, 5.0, 2.0, 2.0, 3.0, 4.0, 0.0, 2.0];
    let [y, gradient] = pooled(&x, [1, 2, 4, 1], |x| x.apply(MaxPool::new(2)), &[10.0, 7.0]);
    let picture = Array2::from_shape_vec((2, 4), x.to_vec()).unwrap();
    let windows =
        |values: &Array2<f64>| cells(values.view()).marked([0, 0, 2, 2], FIRST).marked([0, 2, 2, 2], SECOND).draw();
    let outputs =
        |values: &Array2<f64>| cells(values.view()).marked([0, 0, 1, 1], FIRST).marked([0, 1, 1, 1], SECOND).draw();
    let upstream = Array2::from_shape_vec((1, 2), vec![10.0, 7.0]).unwrap();
    let drawing = column([
        row([windows(&picture).titled("x [2, 4]"), leads_to("max"), outputs(&y).titled("y [1, 2]")]),
        row([outputs(&upstream).titled("ȳ"), leads_to("to the first maximum"), windows(&gradient).titled("x̄ [2, 4]")]),
    ]);
    let about = "Two windows of 2 × 2 pixels with the maxima 5 and 2. The gradient 10 of the first goes to the pixel that holds 5. In \
                 the second window three pixels hold 2; the gradient 7 goes to the first of them.";
    figure("max-pooling", "Where the gradient of a maximum goes", about, drawing)
}

fn channels() -> Figure {
    let x = [0.5, 2.0, 1.0, -1.0, -3.0, -1.0];
    let [y, gradient] = pooled(&x, [1, 2, 1, 3], |x| x.apply(ChannelMax), &[3.0, 4.0]);
    let values = Array2::from_shape_vec((2, 3), x.to_vec()).unwrap();
    let upstream = Array2::from_shape_vec((2, 1), vec![3.0, 4.0]).unwrap();
    let drawing = row([
        cells(values.view()).marked([0, 1, 1, 1], FIRST).marked([1, 0, 1, 1], SECOND).draw().titled("x [2, 3]"),
        leads_to("max"),
        cells(y.view()).draw().titled("y [2, 1]"),
        leads_to("backward"),
        cells(upstream.view()).draw().titled("ȳ"),
        leads_to("to the winner"),
        cells(gradient.view()).marked([0, 1, 1, 1], FIRST).marked([1, 0, 1, 1], SECOND).draw().titled("x̄ [2, 3]"),
    ]);
    let about = "Two pixels, as rows, with three channels each. The maxima over the channels are 2, in the second channel, and −1, in \
                 the first and the third. The gradients 3 and 4 go to the second channel and, of the two equal ones, to the first.";
    figure("channel-maximum", "The maximum over channels", about, drawing)
}
