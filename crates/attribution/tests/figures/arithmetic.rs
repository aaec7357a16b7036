//! Chapter 3: broadcasting, the matrix product, moved elements.

use nn::layers::{Apply, Linear};
use tensor::{Exact, Tape, Tensor};

use super::cells::{array, cells, vector};
use super::drawing::{FIRST, SECOND, column, leads_to, row, words};
use super::{Figure, figure, table};

pub(crate) fn all() -> Vec<Figure> {
    vec![broadcasting(), product(), moving()]
}

fn broadcasting() -> Figure {
    let tape = Tape::<f64>::new();
    let a = tape.leaf(Tensor::from_fn([2, 3], |i| i as f64));
    let b = tape.leaf(Tensor::new([3], vec![1.0, 2.0, 3.0]));
    let y = &a + &b;
    let upstream = Tensor::new([2, 3], vec![1.0, -2.0, 0.5, 3.0, 1.0, -1.5]);
    let g = tape.backward_from(&y, upstream.clone(), &Exact, [&b]).unwrap();
    let copies = array(2, 3, |_, j| b.value().as_slice()[j]);
    let forward = row([
        cells(table(a.value(), 2).view()).draw().titled("a [2, 3]"),
        words("+"),
        cells(copies.view()).marked([0, 0, 1, 3], FIRST).marked([1, 0, 1, 3], FIRST).draw().titled("E b: b twice"),
        words("="),
        cells(table(y.value(), 2).view()).draw().titled("y [2, 3]"),
    ]);
    let backward = row([
        cells(table(&upstream, 2).view()).marked([0, 1, 2, 1], FIRST).draw().titled("ȳ [2, 3]"),
        leads_to("sum of each column"),
        vector(g[&b].as_slice()).marked([0, 1, 1, 1], FIRST).draw().titled("b̄ = Eᵀ ȳ [3]"),
    ]);
    let about = "Forward, the row b is copied under itself and added to both rows of a. Backward, the gradient of b is the sum of \
                 each column of the upstream gradient: one term for each copy.";
    figure("broadcasting", "A bias is repeated, its gradient summed", about, column([forward, backward]))
}

fn product() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([2, 3], vec![1.0, 2.0, -1.0, 0.5, 0.0, 3.0]));
    let w = tape.leaf(Tensor::new([3, 2], vec![1.0, -1.0, 0.5, 2.0, -2.0, 1.0]));
    let b = tape.leaf(Tensor::zeros([2]));
    let y = x.apply_with(Linear::new(2), &[&w, &b]);
    let upstream = Tensor::new([2, 2], vec![1.0, 0.0, -1.0, 2.0]);
    let g = tape.backward_from(&y, upstream.clone(), &Exact, [&w]).unwrap();
    let (upstream, of_w) = (table(&upstream, 2), table(&g[&w], 3));
    let [x, w, y] = [(&x, 2), (&w, 3), (&y, 2)].map(|(var, rows)| table(var.value(), rows));
    let forward = row([
        cells(x.view()).marked([0, 0, 1, 3], FIRST).draw().titled("X [2, 3]"),
        words("·"),
        cells(w.view()).marked([0, 1, 3, 1], SECOND).draw().titled("W [3, 2]"),
        words("="),
        cells(y.view()).marked([0, 1, 1, 1], FIRST).draw().titled("Y [2, 2]"),
    ]);
    let backward = row([
        cells(x.t()).marked([1, 0, 1, 2], FIRST).draw().titled("Xᵀ [3, 2]"),
        words("·"),
        cells(upstream.view()).marked([0, 0, 2, 1], SECOND).draw().titled("Ȳ [2, 2]"),
        words("="),
        cells(of_w.view()).marked([1, 0, 1, 1], FIRST).draw().titled("W̄ [3, 2]"),
    ]);
    let about = "Above, an output of a fully connected layer is a row of X times a column of W. Below, the gradient of a weight is a \
                 row of the transposed X times a column of the upstream gradient.";
    figure("matrix-product", "A fully connected layer and its weight gradient", about, column([forward, backward]))
}

fn moving() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1, 5], vec![3.0, 1.0, 4.0, 1.0, 5.0]));
    let y = x.slice(1, 1..4);
    let upstream = vec![2.0, -1.0, 0.5];
    let g = tape.backward_from(&y, Tensor::new([1, 3], upstream.clone()), &Exact, [&x]).unwrap();
    let forward = row([
        vector(x.value().as_slice()).marked([0, 1, 1, 3], FIRST).draw().titled("x [5]"),
        leads_to("slice 1..4: Q"),
        vector(y.value().as_slice()).draw().titled("y [3]"),
    ]);
    let backward = row([
        vector(&upstream).draw().titled("ȳ [3]"),
        leads_to("pad with zeros: Qᵀ"),
        vector(g[&x].as_slice()).marked([0, 1, 1, 3], FIRST).draw().titled("x̄ [5]"),
    ]);
    let about = "A slice takes the three inner elements of five. Its transpose puts three gradients back to where the elements came \
                 from, between two zeros.";
    figure("slice-and-pad", "A slice and its transpose", about, column([forward, backward]))
}
