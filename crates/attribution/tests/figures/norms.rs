//! Chapter 6: what is normalised together, and what remains of the gradient.

use ndarray::Array2;
use nn::layers::{Apply, GroupNorm, LayerNorm, LocalResponseNorm, batch_norm_training, dropout};
use tensor::{Exact, Tape, Tensor, Var};

use super::cells::{cells, vector};
use super::drawing::{FIRST, column, leads_to, row, words};
use super::plot::{plot, series};
use super::{Figure, figure, table, wave};

pub(crate) fn all() -> Vec<Figure> {
    vec![training(), sets(), neighbours(), mask()]
}

/// Eight values of a channel, and what batch norm leaves of them and of their gradient.
fn training() -> Figure {
    let tape = Tape::<f64>::new();
    let values = vec![3.1, 4.0, 2.2, 5.3, 3.9, 2.8, 4.6, 3.3];
    let x = tape.leaf(Tensor::new([8, 1, 1, 1], values.clone()));
    let [gamma, beta] = [1.0, 0.0].map(|value| tape.leaf(Tensor::full([1], value)));
    let (y, _) = batch_norm_training(&x, &gamma, &beta, 1e-5);
    // An upstream gradient with a mean and a part along x̂.
    let upstream = Tensor::from_fn([8, 1, 1, 1], |i| 0.6 + 0.5 * y.value().as_slice()[i] + (i as f64 * 2.1).cos());
    let g = tape.backward_from(&y, upstream.clone(), &Exact, [&x]).unwrap();
    let (hat, left) = (y.value().as_slice(), g[&x].as_slice());
    let sums = |v: &[f64]| [v.iter().sum::<f64>() / 8.0, v.iter().zip(hat).map(|(v, h)| v * h).sum::<f64>() / 8.0];
    let [before, after] = [sums(upstream.as_slice()), sums(left)];
    assert!(after.iter().all(|part| part.abs() < 1e-4));
    let of = |v: &[f64]| series(v.iter().copied());
    let drawing = row([
        plot([0.0, 7.0], [-2.0, 6.0], "value", "").curve("x", of(&values)).curve("y = x̂", of(hat)).draw(),
        plot([0.0, 7.0], [-2.0, 3.0], "value", "").curve("ȳ", of(upstream.as_slice())).curve("x̄", of(left)).draw(),
    ]);
    let about = format!(
        "Left, eight values of a channel between 2 and 6, and the same ones shifted and scaled to mean 0 and variance 1. Right, an \
         upstream gradient with mean {:.2} and mean product {:.2} with the normalised values, and the gradient passed on, for which \
         both are zero.",
        before[0], before[1]
    );
    figure("batch-norm", "Batch norm, and the two directions that its gradient loses", about, drawing)
}

/// Which values of [N, HW, C] have a mean in common.
fn sets() -> Figure {
    // Two images of three pixels with four channels. The first output depends on all values of its set, and on no other.
    type Normalised<'a> = &'a dyn Fn(&Var<f64>, [&Var<f64>; 2]) -> Var<f64>;
    let set = |normalised: Normalised<'_>, name: &str| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(wave(&[2, 3, 1, 4], 0.7));
        let [gamma, beta] = [1.0, 0.0].map(|value| tape.leaf(Tensor::full([4], value)));
        let y = normalised(&x, [&gamma, &beta]);
        let seed = Tensor::from_fn([2, 3, 1, 4], |i| if i == 0 { 1.0 } else { 0.0 });
        let gradient = tape.backward_from(&y, seed, &Exact, [&x]).unwrap()[&x].clone();
        let members = table(&gradient.map(|g| if g == 0.0 { 0.0 } else { 1.0 }), 6);
        cells(members.view()).sized(22.0).without_numbers().marked([0, 0, 3, 4], FIRST).draw().titled(name)
    };
    let group = |groups: usize| {
        move |x: &Var<f64>, parameters: [&Var<f64>; 2]| x.apply_with(GroupNorm { groups, epsilon: 1e-5 }, &parameters)
    };
    let batch = |x: &Var<f64>, [gamma, beta]: [&Var<f64>; 2]| batch_norm_training(x, gamma, beta, 1e-5).0;
    let layer = |x: &Var<f64>, parameters: [&Var<f64>; 2]| x.apply_with(LayerNorm { epsilon: 1e-5 }, &parameters);
    let drawing = column([
        row([
            set(&batch, "batch norm"),
            set(&layer, "layer norm"),
            set(&group(2), "group norm, G = 2"),
            set(&group(4), "instance norm"),
        ]),
        words("rows: three positions of one image (outlined), then of another; columns: channels"),
    ]);
    let about = "Two images with three positions and four channels. The values that share a mean and a deviation are coloured: for \
                 batch norm a channel of all images, for layer norm the channels of one position, for group norm two channels of one \
                 image, for instance norm one channel of one image.";
    figure("normalised-sets", "Which values are normalised together", about, drawing)
}

/// Which channels take part in the divisor of a channel.
fn neighbours() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(wave(&[1, 1, 1, 7], 0.7));
    let y = x.apply(LocalResponseNorm { size: 3, alpha: 3.0, beta: 0.75, k: 1.0 });
    let row_of = |c: usize| {
        let seed = Tensor::from_fn([1, 1, 1, 7], |i| if i == c { 1.0 } else { 0.0 });
        tape.backward_from(&y, seed, &Exact, [&x]).unwrap()[&x].as_slice().to_vec()
    };
    let jacobian = Array2::from_shape_vec((7, 7), (0..7).flat_map(row_of).collect()).unwrap();
    let drawing = row([
        column([
            vector(x.value().as_slice()).sized(38.0).draw().titled("x [7]"),
            vector(y.value().as_slice()).sized(38.0).draw().titled("y [7]"),
        ]),
        leads_to("∂y/∂x"),
        cells(jacobian.view())
            .sized(26.0)
            .without_numbers()
            .marked([3, 2, 1, 3], FIRST)
            .draw()
            .titled("rows: y, columns: x"),
    ]);
    let about = "Local response norm over windows of three of seven channels, and its Jacobian: a band of three numbers in each row. The \
                 diagonal is a channel's own share, the neighbours enter through the divisor.";
    figure("channel-window", "A window over channels", about, drawing)
}

fn mask() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::full([24], 1.0));
    let y = dropout(x.clone(), 0.25, 7);
    let g = tape.backward(&y, &Exact, [&x]).unwrap();
    assert_eq!(&g[&x], y.value());
    let drawing = row([
        cells(table(x.value(), 3).view()).sized(34.0).draw().titled("x"),
        leads_to("B / (1 − p)"),
        cells(table(y.value(), 3).view()).sized(34.0).draw().titled("y, and x̄ where ȳ = 1"),
    ]);
    let zeros = y.value().as_slice().iter().filter(|&&y| y == 0.0).count();
    let about = format!(
        "Twenty-four ones under dropout with p = 0.25: {zeros} become zero, the others 1.33. The same mask multiplies the gradient."
    );
    figure("dropout", "A mask of dropout", about, drawing)
}
