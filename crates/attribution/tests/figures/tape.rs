//! Chapter 2: tapes, read under two rules.

use attribution::rules::Guided;
use nn::layers::{Apply, Relu};
use tensor::{Exact, Rule, Tape, Tensor, Var};

use super::drawing::{Drawing, NEGATIVE, POSITIVE, column, number, row, sheet};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![list(), rules()]
}

/// The tape as a list from top to bottom, with a column for values and one for each list of gradients.
fn entries(tape: &Tape<f64>, gradients: &[(&str, Vec<f64>)]) -> Drawing {
    let nodes = tape.nodes();
    let (step, left) = (34.0, 110.0);
    let mut drawn = sheet(left + 260.0 + 90.0 * gradients.len() as f64, step * (nodes.len() + 1) as f64);
    drawn = drawn.text([left + 70.0, 14.0], "entry").text([left + 180.0, 14.0], "value");
    for (column, (name, _)) in gradients.iter().enumerate() {
        drawn = drawn.text([left + 270.0 + 90.0 * column as f64, 14.0], name);
    }
    for (at, node) in nodes.iter().enumerate() {
        let y = step * (at as f64 + 1.4);
        let inputs: Vec<usize> = node.input_ids().map(|id| nodes.iter().position(|n| n.id() == id).unwrap()).collect();
        let read = inputs.iter().map(|input| format!("%{input}")).collect::<Vec<_>>().join(", ");
        drawn = drawn.node([left + 70.0, y], format!("%{at} {} {read}", node.any_op().name()).trim_end());
        drawn = drawn.text([left + 180.0, y], number(node.output().item()));
        for (column, (_, values)) in gradients.iter().enumerate() {
            drawn = drawn.text([left + 270.0 + 90.0 * column as f64, y], number(values[at]));
        }
        for (turn, &input) in inputs.iter().enumerate() {
            // The way of the value, in a lane to the left.
            let (from, x) = (step * (input as f64 + 1.4) + 4.0, 88.0 - 14.0 * (at - input) as f64 - 6.0 * turn as f64);
            let to = y - 4.0 * turn as f64;
            drawn = drawn.line(&[[left, from], [x, from], [x, to]], "currentColor", "", 1.0).arrow([x, to], [left, to]);
        }
    }
    let bottom = drawn.height;
    let end = left + 315.0 + 90.0 * (gradients.len() as f64 - 1.0);
    drawn.coloured_arrow([left + 222.0, step], [left + 222.0, bottom - 6.0], POSITIVE, 2.0).coloured_arrow(
        [end + 8.0, bottom - 6.0],
        [end + 8.0, step],
        NEGATIVE,
        2.0,
    )
}

fn gradients(tape: &Tape<f64>, last: &Var<f64>, rule: &dyn Rule<f64>) -> Vec<f64> {
    let all: Vec<Var<f64>> = tape.nodes().iter().map(|node| tape.var(node.id()).unwrap()).collect();
    let found = tape.backward(last, rule, &all).unwrap();
    all.iter().map(|var| found[var].item()).collect()
}

/// S = exp(x·y) + x.
fn list() -> Figure {
    let tape = Tape::<f64>::new();
    let [x, y] = [0.5, -2.0].map(|value| tape.leaf(Tensor::scalar(value)));
    let s = (&x * &y).exp() + &x;
    let found = gradients(&tape, &s, &Exact);
    let about = format!(
        "Five entries: the leaves x = 0.5 and y = −2, their product, its exponential, and the sum with x. Values are computed \
         downwards. Gradients are computed upwards, from 1 at the sum to {} at x, where two arrive, and {} at y.",
        number(found[0]),
        number(found[1])
    );
    figure("tape", "A tape of five entries", about, entries(&tape, &[("gradient", found)]))
}

/// S = −3·relu(2x), under the chain rule and the guided rule.
fn rules() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1], vec![1.0]));
    let s = x.mul_scalar(2.0).apply(Relu).mul_scalar(-3.0);
    let [exact, guided] = [&Exact as &dyn Rule<f64>, &Guided].map(|rule| gradients(&tape, &s, rule));
    let about = format!(
        "A tape of a leaf x = 1, the double of it, a ReLU and the product with −3. Under the chain rule the gradient of x is {}. \
         Under the guided rule the ReLU drops the negative gradient, and it is {}.",
        number(exact[0]),
        number(guided[0])
    );
    let drawing = column([row([entries(&tape, &[("exact", exact), ("guided", guided)])])]);
    figure("tape-rules", "One tape under two rules", about, drawing)
}
