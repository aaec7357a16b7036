//! Chapter 1: Jacobians, products with them, and paths that meet.

use tensor::{Exact, Tape, Tensor};

use super::cells::{array, cells, vector};
use super::drawing::{column, leads_to, lines, number, row, sheet, words};
use super::{Figure, figure};

pub(crate) fn all() -> Vec<Figure> {
    vec![from_which_end(), product(), paths()]
}

/// Three Jacobians, and how many products each order of multiplication takes.
fn from_which_end() -> Figure {
    let extents = [1, 4, 5, 6];
    let blank =
        |rows: usize, columns: usize| cells(array(rows, columns, |_, _| 0.0).view()).sized(14.0).without_numbers();
    let jacobian = |step: usize| {
        let [rows, columns] = [extents[step - 1], extents[step]];
        blank(rows, columns).draw().titled(&format!("J{} [{rows}, {columns}]", 4 - step))
    };
    let cost = |a: usize, b: usize, c: usize| extents[a] * extents[b] * extents[c];
    let (left, right) = (cost(0, 1, 2) + cost(0, 2, 3), cost(1, 2, 3) + cost(0, 1, 3));
    let ways = [
        format!("(J3 J2) J1, from the score: {left} products"),
        format!("J3 (J2 J1), from the input: {right} products"),
    ];
    let drawing = column([row((1..4).map(jacobian)), lines(ways.iter().map(String::as_str))]);
    let about = format!(
        "The Jacobians of three steps, of shapes [1, 4], [4, 5] and [5, 6]. Multiplied from the left, each result is a row, and \
         {left} numbers are multiplied in all; from the right each has six columns, and {right} are."
    );
    figure("from-which-end", "A product of Jacobians from either end", about, drawing)
}

/// The chapter's example: ȳᵀ J.
fn product() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([3, 1], vec![0.3, -0.2, 0.7]));
    let matrix = tape.leaf(Tensor::new([2, 3], vec![0.5, -1.0, 0.25, 1.5, 0.75, -0.5]));
    let y = matrix.matmul(&x).tanh();
    let read = |seed: [f64; 2]| {
        let seed = Tensor::new([2, 1], seed.to_vec());
        tape.backward_from(&y, seed, &Exact, [&x]).unwrap()[&x].as_slice().to_vec()
    };
    let jacobian = [read([1.0, 0.0]), read([0.0, 1.0])];
    let drawing = row([
        vector(&[2.0, -3.0]).sized(40.0).draw().titled("ȳᵀ [1, 2]"),
        words("·"),
        cells(array(2, 3, |i, j| jacobian[i][j]).view()).sized(40.0).draw().titled("J [2, 3]"),
        words("="),
        vector(&read([2.0, -3.0])).sized(40.0).draw().titled("x̄ᵀ [1, 3]"),
    ]);
    let about = "The row of two upstream gradients times the Jacobian of two rows and three columns is the row of three gradients. \
                 Each row of the Jacobian is itself such a product, with a one-hot upstream gradient.";
    figure("vector-jacobian", "A vector–Jacobian product", about, drawing)
}

/// S = eˣ·x²: two paths from x.
fn paths() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::scalar(0.8));
    let (a, b) = (x.exp(), &x * &x);
    let s = &a * &b;
    let g = tape.backward(&s, &Exact, [&x, &a, &b]).unwrap();
    let label = |name: &str, v: &tensor::Var<f64>| format!("{name} = {}", number(v.value().item()));
    let [of_x, of_a, of_b] = [&x, &a, &b].map(|v| g[v].item());
    let (through_a, through_b) = (of_a * a.value().item(), of_b * 2.0 * x.value().item());
    let [left, top, bottom, right] = [[70.0, 70.0], [230.0, 24.0], [230.0, 116.0], [390.0, 70.0]];
    let drawing = sheet(470.0, 140.0)
        .arrow([120.0, 62.0], [168.0, 34.0])
        .arrow([120.0, 78.0], [168.0, 106.0])
        .arrow([286.0, 34.0], [332.0, 58.0])
        .arrow([286.0, 106.0], [332.0, 82.0])
        .node(left, &label("x", &x))
        .node(top, &label("a = eˣ", &a))
        .node(bottom, &label("b = x²", &b))
        .node(right, &label("S = a b", &s))
        .text([330.0, 34.0], format!("ā = {}", number(of_a)))
        .text([332.0, 108.0], format!("b̄ = {}", number(of_b)))
        .text([116.0, 34.0], number(through_a))
        .text([116.0, 108.0], number(through_b))
        .text([70.0, 98.0], format!("x̄ = {}", number(of_x)));
    let sum = format!("x̄ = eˣ ā + 2x b̄ = {} + {} = {}", number(through_a), number(through_b), number(of_x));
    let drawing = column([drawing, row([leads_to("values"), words(format!("gradients go back: {sum}"))])]);
    let about = format!(
        "The value x is used by a = eˣ and by b = x², whose product is S. Backwards, two gradients arrive at x: {sum}."
    );
    figure("paths-add", "Where paths meet, gradients add", about, drawing)
}
