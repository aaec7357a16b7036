//! Chapter 4: windows, and the matrices that they are rows of.

use ndarray::{Array2, Axis, concatenate};
use nn::layers::{Apply, Conv2d, ConvTranspose2d};
use nn::{Convolution, Padding, TransposedConvolution};
use tensor::{Exact, Tape, Tensor};

use super::cells::{array, cells, vector};
use super::drawing::{FIRST, SECOND, column, leads_to, number, row, words};
use super::{Figure, figure, table};

pub(crate) fn all() -> Vec<Figure> {
    vec![
        one_dimension(),
        two_dimensions(),
        groups(),
        transposed(),
        im2col(),
        tile(),
        input_gradient(),
        weight_gradient(),
    ]
}

/// The row of the chapter's first example, padded, its kernel and its three outputs.
struct Row {
    padded: Vec<f64>,
    kernel: Vec<f64>,
    output: Vec<f64>,
    upstream: Vec<f64>,
    of_kernel: Vec<f64>,
}

fn example() -> Row {
    let (x, kernel, upstream) = (vec![0.5, -1.0, 2.0, 1.5, -0.5], vec![0.2, 0.7, -0.4], vec![1.0, -2.0, 3.0]);
    let tape = Tape::<f64>::new();
    let row = tape.leaf(Tensor::new([1, 1, 5, 1], x.clone()));
    let w = tape.leaf(Tensor::new([1, 3, 1, 1], kernel.clone()));
    let padding = Padding { left: 1, right: 1, ..Padding::default() };
    let conv = Convolution { stride: [1, 2], padding, ..Convolution::default() };
    let y = row.apply_with(Conv2d::of(w.shape(), conv), &[&w]);
    let seed = Tensor::new([1, 1, 3, 1], upstream.clone());
    let g = tape.backward_from(&y, seed, &Exact, [&w]).unwrap();
    let padded = [vec![0.0], x, vec![0.0]].concat();
    Row { padded, kernel, output: y.value().as_slice().to_vec(), upstream, of_kernel: g[&w].as_slice().to_vec() }
}

fn one_dimension() -> Figure {
    let Row { padded, kernel, output, .. } = example();
    let window = |i: usize| {
        let row_of = vector(&padded).sized(34.0).padded([0, 1]).marked([0, 2 * i, 1, 3], FIRST).draw();
        row([row_of, leads_to("· w"), vector(&output).sized(40.0).marked([0, i, 1, 1], FIRST).draw()])
    };
    let kernel = row([words("w ="), vector(&kernel).sized(34.0).draw(), words("stride 2, padding 1: grey")]);
    let about = "A row of five numbers with a zero before and behind it. Three windows of three cells begin at cells 0, 2 and 4 of \
                 the padded row. Each gives one of three outputs.";
    let drawing = column([kernel, window(0), window(1), window(2)]);
    figure("convolution-window", "A convolution's windows in one dimension", about, drawing)
}

fn two_dimensions() -> Figure {
    let conv = Convolution::default().stride(2).padding(1).dilation(2);
    let g = conv.geometry(&[1, 7, 6, 1], &[3, 2, 1, 1]).unwrap();
    let [_, rows, columns, _] = g.output_shape();
    // Which inputs an output reads: the gradient of that output.
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::zeros([1, 7, 6, 1]));
    let w = tape.leaf(Tensor::full([3, 2, 1, 1], 1.0));
    let y = x.apply_with(Conv2d::of(w.shape(), conv), &[&w]);
    let read = |i: usize, j: usize| {
        let seed = Tensor::from_fn([1, rows, columns, 1], |at| if at == i * columns + j { 1.0 } else { 0.0 });
        let read = table(&tape.backward_from(&y, seed, &Exact, [&x]).unwrap()[&x], 7);
        let padded = array(9, 8, |a, b| read.get((a.wrapping_sub(1), b.wrapping_sub(1))).copied().unwrap_or(0.0));
        let picture = cells(padded.view()).sized(18.0).without_numbers().padded([1, 1]);
        let outputs = cells(array(rows, columns, |_, _| 0.0).view()).sized(18.0).without_numbers();
        let whole = picture.marked([2 * i, 2 * j, 5, 3], FIRST).draw();
        row([whole, outputs.marked([i, j, 1, 1], FIRST).draw()]).titled(&format!("output ({i}, {j})"))
    };
    let about = format!(
        "A picture of 7 × 6 pixels with one row and column of padding round it. The kernel has 3 × 2 taps, two pixels apart, so its \
         window covers 5 × 3 pixels. The windows of two of the {rows} × {columns} outputs are outlined, and the pixels under their \
         taps coloured; the second lies two rows lower and two columns further right. Where a tap lies on the padding nothing is read."
    );
    figure("dilated-window", "Stride, padding and dilation in two dimensions", about, row([read(0, 0), read(1, 1)]))
}

/// The Jacobian of a 1 × 1 convolution: which output channel reads which input channel.
fn groups() -> Figure {
    let jacobian = |groups: usize| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::full([1, 1, 1, 4], 1.0));
        let w = tape.leaf(Tensor::full([1, 1, 4 / groups, 4], 1.0));
        let y = x.apply_with(Conv2d::new(4, 1).groups(groups).without_bias(), &[&w]);
        let row_of = |o: usize| {
            let seed = Tensor::from_fn([1, 1, 1, 4], |i| if i == o { 1.0 } else { 0.0 });
            table(&tape.backward_from(&y, seed, &Exact, [&x]).unwrap()[&x], 1)
        };
        let rows: Vec<_> = (0..4).map(row_of).collect();
        let views: Vec<_> = rows.iter().map(|row| row.view()).collect();
        let matrix = concatenate(Axis(0), &views).unwrap();
        cells(matrix.view()).sized(24.0).draw().titled(&format!("G = {groups}"))
    };
    let about = "Which of four output channels, as rows, reads which of four input channels, as columns. With one group all read all. \
                 With two groups there are two blocks on the diagonal. With four each reads one: a depthwise convolution.";
    let drawing = column([row([1, 2, 4].map(jacobian)), words("rows: output channels, columns: input channels")]);
    figure("groups", "Channels that read one another, by groups", about, drawing)
}

fn transposed() -> Figure {
    let tape = Tape::<f64>::new();
    let x = tape.leaf(Tensor::new([1, 2, 2, 1], vec![1.0, 2.0, 3.0, 4.0]));
    let w = tape.leaf(Tensor::full([3, 3, 1, 1], 1.0));
    let conv = Convolution::default().stride(2);
    let layer = ConvTranspose2d::new(1, 3, TransposedConvolution { conv, output_padding: [0, 0] }).without_bias();
    let y = x.apply_with(layer, &[&w]);
    let result = table(y.value(), 5);
    let drawing = row([
        cells(table(x.value(), 2).view())
            .marked([0, 0, 1, 1], FIRST)
            .marked([0, 1, 1, 1], SECOND)
            .draw()
            .titled("x [2, 2]"),
        leads_to("Aᵀ, stride 2"),
        cells(result.view()).marked([0, 0, 3, 3], FIRST).marked([0, 2, 3, 3], SECOND).draw().titled("y [5, 5]"),
    ]);
    let about = format!(
        "Each of 2 × 2 inputs is spread over a window of 3 × 3 outputs, with a kernel of ones. Windows begin two pixels apart and \
         overlap in one row or column, where they add: the middle output is the sum of all four inputs, {}.",
        number(result[[2, 2]])
    );
    figure("transposed-convolution", "A transposed convolution spreads its inputs", about, drawing)
}

/// A picture of 4 × 4, the matrix of its windows of 3 × 3, and both times a kernel.
fn windows() -> (Array2<f64>, Array2<f64>, Array2<f64>) {
    let x = array(4, 4, |i, j| (4 * i + j) as f64);
    let matrix = array(4, 9, |at, tap| x[[at / 2 + tap / 3, at % 2 + tap % 3]]);
    let tape = Tape::<f64>::new();
    let picture = tape.leaf(Tensor::from(x.clone()).reshape([1, 4, 4, 1]));
    let weights = array(9, 2, |tap, o| if o == 0 { 1.0 / 9.0 } else { f64::from(u8::from(tap == 4)) });
    let w = tape.leaf(Tensor::from(weights.clone()).reshape([3, 3, 1, 2]));
    let y = picture.apply_with(Conv2d::new(2, 3).padding(0).without_bias(), &[&w]);
    // What is drawn as a product is what the layer computes.
    let outputs = table(y.value(), 4);
    assert!((&matrix.dot(&weights) - &outputs).iter().all(|difference| difference.abs() < 1e-12));
    (x, matrix, weights)
}

fn im2col() -> Figure {
    let (x, matrix, _) = windows();
    let drawing = row([
        cells(x.view()).marked([0, 0, 3, 3], FIRST).marked([1, 1, 3, 3], SECOND).draw().titled("x [4, 4]"),
        leads_to("col"),
        cells(matrix.view())
            .sized(26.0)
            .marked([0, 0, 1, 9], FIRST)
            .marked([3, 0, 1, 9], SECOND)
            .draw()
            .titled("col(x) [4, 9]"),
    ]);
    let about = "A picture of 4 × 4 pixels, numbered from 0 to 15, has four windows of 3 × 3. Each is a row of nine numbers in the \
                 matrix col(x): the first, outlined, holds 0, 1, 2, 4, 5, 6, 8, 9 and 10, the last 5 to 15. The pixel 5 occurs in \
                 all four rows.";
    figure("im2col", "Windows as the rows of a matrix", about, drawing)
}

fn tile() -> Figure {
    let (_, matrix, weights) = windows();
    let y = matrix.dot(&weights);
    let drawing = row([
        cells(matrix.view()).sized(22.0).marked([2, 0, 2, 9], FIRST).draw().titled("col(x) [4, 9]"),
        words("·"),
        cells(weights.view()).sized(32.0).marked([0, 0, 9, 2], SECOND).draw().titled("W [9, 2]"),
        words("="),
        cells(y.view()).sized(30.0).marked([2, 0, 2, 2], FIRST).draw().titled("Y [4, 2]"),
    ]);
    let about = "The matrix of windows times the matrix of weights, one column for each of two output channels: a mean and the middle \
                 pixel. A tile of 2 × 2 outputs needs two rows of the first and two columns of the second; a fast product keeps such \
                 a tile in registers.";
    figure("gemm-tile", "A convolution as a matrix product, and one tile of it", about, drawing)
}

fn input_gradient() -> Figure {
    let count = |kernel: usize| {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::zeros([1, 7, 7, 1]));
        let w = tape.leaf(Tensor::full([kernel, kernel, 1, 1], 1.0));
        let y = x.apply_with(Conv2d::of(w.shape(), Convolution::default().stride(2)), &[&w]);
        let gradient = table(&tape.backward(&y, &Exact, [&x]).unwrap()[&x], 7);
        cells(gradient.view()).sized(24.0).draw().titled(&format!("kernel {kernel} × {kernel}, stride 2"))
    };
    let about = "The gradient of 7 × 7 inputs where kernel and upstream gradient are one everywhere: the number of windows that hold \
                 each pixel. With a kernel of 3 at stride 2 it is 1, 2 or 4, a checkerboard. With a kernel of 2 it is 1, and 0 in the \
                 last row and column, which no window reaches.";
    figure("input-gradient", "How many windows pass a gradient to each input", about, row([count(3), count(2)]))
}

fn weight_gradient() -> Figure {
    let Row { padded, upstream, of_kernel, .. } = example();
    let tap = |u: usize| {
        let marked = (0..3)
            .fold(vector(&padded).sized(34.0).padded([0, 1]), |cells, i| cells.marked([0, 2 * i + u, 1, 1], FIRST));
        let products = (0..3).map(|i| format!("{} · {}", number(upstream[i]), number(padded[2 * i + u])));
        let sum = format!("w̄{u} = {} = {}", products.collect::<Vec<_>>().join(" + "), number(of_kernel[u]));
        row([marked.draw(), words(sum)])
    };
    let upstream = row([words("ȳ ="), vector(&upstream).draw()]);
    let about = "The inputs that each of three taps meets, outlined: every second cell of the padded row, beginning at the tap. \
                 Multiplied by the upstream gradients of the three outputs and summed they are the gradient of the tap.";
    let drawing = column([upstream, tap(0), tap(1), tap(2)]);
    figure("weight-gradient", "The inputs under each tap, in steps of the stride", about, drawing)
}
