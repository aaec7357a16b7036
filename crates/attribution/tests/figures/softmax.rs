//! Chapter 7: probabilities, losses and their gradients.

use ndarray::Array2;
use nn::layers::{Apply, Softmax};
use nn::losses::{cross_entropy, huber_error, mean_squared_error};
use tensor::{Exact, Tape, Tensor, Var};

use super::cells::{cells, vector};
use super::drawing::{leads_to, row};
use super::plot::{bars, plot, sampled};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![jacobian(), difference(), fading(), errors()]
}

fn jacobian() -> Figure {
    let tape = Tape::<f64>::new();
    let s = tape.leaf(Tensor::new([1, 3], vec![2.0, -1.0, 0.5]));
    let p = s.apply(Softmax);
    let row_of = |k: usize| {
        let seed = Tensor::from_fn([1, 3], |i| if i == k { 1.0 } else { 0.0 });
        tape.backward_from(&p, seed, &Exact, [&s]).unwrap()[&s].as_slice().to_vec()
    };
    let matrix = Array2::from_shape_vec((3, 3), (0..3).flat_map(row_of).collect()).unwrap();
    let drawing = row([
        vector(s.value().as_slice()).sized(38.0).draw().titled("S [3]"),
        leads_to("softmax"),
        vector(p.value().as_slice()).sized(38.0).draw().titled("P [3]"),
        cells(matrix.view()).sized(44.0).draw().titled("∂P/∂S [3, 3]"),
    ]);
    let about = "Three scores, 2, −1 and 0.5, their probabilities, and the Jacobian. It is positive on the diagonal and negative beside \
                 it, and each row and each column sums to zero: a class gains only what others lose.";
    figure("softmax-jacobian", "Softmax and its Jacobian", about, drawing)
}

fn difference() -> Figure {
    let tape = Tape::<f64>::new();
    let s = tape.leaf(Tensor::new([1, 3], vec![2.0, -1.0, 0.5]));
    let loss = cross_entropy(&s, &[2], 0.0);
    let g = tape.backward(&loss, &Exact, [&s]).unwrap();
    let p = s.apply(Softmax);
    let part = |values: &[f64], title: &str| {
        let named: Vec<(&str, f64)> =
            ["class 0", "class 1", "class 2"].into_iter().zip(values.iter().copied()).collect();
        bars(&named).titled(title)
    };
    let drawing = row([part(p.value().as_slice(), "P"), part(g[&s].as_slice(), "gradient P − q")]);
    let about = "The probabilities of three classes, and the gradient of the cross-entropy where class 2 is true: the same numbers, less \
                 1 at the true class. A step against the gradient raises the score of class 2 and lowers the others in proportion to \
                 their probabilities.";
    figure("probability-minus-target", "The gradient of the cross-entropy", about, drawing)
}

/// The gradients of score and probability for weights that grow.
fn fading() -> Figure {
    let largest = |sharpness: f64, of_probability: bool| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::new([1, 2], vec![1.0, 1.0]));
        let w = tape.leaf(Tensor::new([2, 2], vec![1.0, -1.0, 0.5, 0.0]).map(|w| sharpness * w));
        let scores = x.matmul(&w);
        let target = if of_probability { scores.apply(Softmax).pick(0) } else { scores.pick(0) };
        let g = tape.backward(&target, &Exact, [&x]).unwrap();
        g[&x].as_slice().iter().fold(0.0, |most: f64, g| most.max(g.abs()))
    };
    let drawing = plot([0.0, 4.0], [0.0, 4.0], "factor of the weights", "largest derivative at the input")
        .curve("of the score", sampled([0.0, 4.0], |sharpness| largest(sharpness, false)))
        .curve("of the probability", sampled([0.0, 4.0], |sharpness| largest(sharpness, true)))
        .draw();
    let about = "As the weights of a network of one layer are multiplied by a factor from 0 to 4, the derivative of the score grows \
                 along a line. That of the probability first rises a little, then falls towards zero: the more certain the network, \
                 the less it says.";
    figure("score-or-probability", "Derivatives of a score and of its probability", about, drawing)
}

fn errors() -> Figure {
    let slope = |e: f64, loss: fn(&Var<f64>, &Tensor<f64>) -> Var<f64>| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::new([1, 1], vec![e]));
        let loss = loss(&x, &Tensor::zeros([1, 1]));
        (loss.value().item(), tape.backward(&loss, &Exact, [&x]).unwrap()[&x].item())
    };
    type Loss = fn(&Var<f64>, &Tensor<f64>) -> Var<f64>;
    let [squared, huber]: [Loss; 2] = [mean_squared_error, |x, t| huber_error(x, t, 1.0)];
    let range = [-3.0, 3.0];
    let drawing = row([
        plot(range, [0.0, 9.0], "error e", "loss")
            .curve("squared", sampled(range, |e| slope(e, squared).0))
            .curve("Huber, δ = 1", sampled(range, |e| slope(e, huber).0))
            .draw(),
        plot(range, [-6.0, 6.0], "error e", "derivative")
            .curve("squared", sampled(range, |e| slope(e, squared).1))
            .curve("Huber, δ = 1", sampled(range, |e| slope(e, huber).1))
            .draw(),
    ]);
    let about = "The squared error is a parabola, and its derivative grows without bound. Huber's error is a parabola between −1 and 1 \
                 and straight beyond, where its derivative stays at −1 or 1.";
    figure("errors-of-values", "The squared error and Huber's", about, drawing)
}
