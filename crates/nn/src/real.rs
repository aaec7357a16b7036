//! The two precisions, and the kernels behind the operations in each.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};
use tensor::blocks::for_each_part;
use tensor::{Element, Shape, Tensor, Var};

use crate::geometry::{ConvGeometry, Convolution};
use crate::im2col;
use crate::kernels::bounds::Bounds;
use crate::kernels::conv::{self as kernels, Algorithm, Pass, Prepared};
use crate::kernels::finish::{Finish, Kept, Target};
use crate::kernels::function::{Curve, Slope};
use crate::kernels::{Matrix, Panels, gemm, reference, row_product};
use crate::layers::layer::Layer;
use crate::layers::parameter::Parameter;
use crate::layers::run::Run;

/// `f32`, on the SIMD kernels, or `f64`, on the plain reference path that gradients are checked with.
///
/// Slices hold arrays in row-major order: activations `[N, H, W, C]`, kernels `[Kh, Kw, Cin / groups, Cout]`. A weight
/// is a tensor, so that what is derived from it, packed panels for example, can be kept with it.
pub trait Real: Element {
    /// y = x ∗ w + b, the convolution's forward pass.
    fn conv2d(g: &ConvGeometry, x: &[Self], w: &Tensor<Self>, bias: Option<&[Self]>, y: &mut [Self]) {
        Self::conv2d_finished(g, x, w, bias, &Finish::NONE, y);
    }

    /// As [`conv2d`](Self::conv2d), followed by the steps of the layers after it.
    #[doc(hidden)]
    fn conv2d_finished(
        g: &ConvGeometry,
        x: &[Self],
        w: &Tensor<Self>,
        bias: Option<&[Self]>,
        finish: &Finish<'_, Self>,
        y: &mut [Self],
    );

    /// ∂x from ∂y.
    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]);

    /// ∂w from x and ∂y, summed over the batch.
    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]);

    /// y = x·w + b: `[N, in]·[in, out] + [out]` → `[N, out]`.
    fn linear(x: &Tensor<Self>, w: &Tensor<Self>, bias: Option<&[Self]>, y: &mut [Self]);

    /// ∂x = ∂y·wᵀ: `[N, out]·[out, in]` → `[N, in]`.
    fn linear_input_gradient(dy: &Tensor<Self>, w: &Tensor<Self>, dx: &mut [Self]);

    /// ∂w = xᵀ·∂y: `[in, N]·[N, out]` → `[in, out]`.
    fn linear_weight_gradient(x: &Tensor<Self>, dy: &Tensor<Self>, dw: &mut [Self]);

    /// yᵢ = aᵢ·bᵢ for each i: `[M, K]·[K, L]` → `[M, L]`, for as many matrices as `y` has room for.
    #[doc(hidden)]
    fn products(a: Operand<'_, Self>, b: Operand<'_, Self>, extents: [usize; 3], y: &mut [Self]);

    /// Applies the steps of the layers after it to a layer's outputs.
    #[doc(hidden)]
    fn finish(finish: &Finish<'_, Self>, y: &mut [Self]);

    /// Writes outputs `[…, width]` and applies the steps to them: `write(first, part)` gets the index of the first pixel of a part.
    #[doc(hidden)]
    fn write_finished(
        finish: &Finish<'_, Self>,
        width: usize,
        y: &mut [Self],
        write: impl Fn(usize, &mut [Self]) + Sync,
    );

    /// Where the values before a function are written while the steps are applied, if this precision can.
    #[doc(hidden)]
    fn kept(values: &mut [Self]) -> Option<Kept<'_>>;

    /// Writes what these steps make of `x` to `y`.
    #[doc(hidden)]
    fn finish_from(finish: &Finish<'_, Self>, x: &[Self], y: &mut [Self]);

    /// Computes a layer and records how. No default: written for each precision, it has every layer compiled in this crate and
    /// not again in each crate that runs a model.
    #[doc(hidden)]
    fn record(layer: &Layer, run: Run<'_, Self>) -> Var<Self>;

    /// Replaces a part of a layer's input, from the value of this index on, by that part of its output. No default, as for
    /// [`record`](Self::record).
    #[doc(hidden)]
    fn map_part(layer: &Layer, stored: &[Parameter<Self>], shape: &Shape, first: usize, part: &mut [Self]);

    /// `y[i] ← f(y[i])`.
    #[doc(hidden)]
    fn map(f: &dyn Curve, y: &mut [Self]);

    /// `g[i] ← g[i]·f′`, by the values that the derivative is computed from.
    #[doc(hidden)]
    fn vjp(f: &dyn Slope, g: &mut [Self], values: &[Self]);
}

/// Matrices of one shape, one behind the other. All are used as they are, or all transposed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) transposed: bool,
}

impl<'a, T> Operand<'a, T> {
    /// One of the matrices: its values in memory and their extents there, for those that are used.
    fn matrix(self, index: usize, [rows, columns]: [usize; 2]) -> (&'a [T], [usize; 2]) {
        let values = &self.values[index * rows * columns..][..rows * columns];
        (values, if self.transposed { [columns, rows] } else { [rows, columns] })
    }
}

/// Multiply–adds of small products that are one task.
pub(crate) const TASK: usize = 1 << 18;

/// Calls `product(i, yᵢ)` for each result `[M, L]` of products `[M, K]·[K, L]`, on several threads.
fn each_product<T: Send>([m, k, l]: [usize; 3], y: &mut [T], product: impl Fn(usize, &mut [T]) + Sync) {
    let values = (m * l).max(1);
    let each = TASK.div_ceil((values * k).max(1));
    for_each_part(y, each * values, |part, y| {
        y.chunks_exact_mut(values).enumerate().for_each(|(i, y)| product(part * each + i, y));
    });
}

impl Real for f64 {
    fn conv2d_finished(
        g: &ConvGeometry,
        x: &[Self],
        w: &Tensor<Self>,
        bias: Option<&[Self]>,
        finish: &Finish<'_, Self>,
        y: &mut [Self],
    ) {
        im2col::forward(g, x, w.as_slice(), bias, y);
        finish.apply(y);
    }

    fn finish(finish: &Finish<'_, Self>, y: &mut [Self]) {
        finish.apply(y);
    }

    fn write_finished(finish: &Finish<'_, Self>, _: usize, y: &mut [Self], write: impl Fn(usize, &mut [Self]) + Sync) {
        write(0, y);
        finish.apply(y);
    }

    fn kept(_: &mut [Self]) -> Option<Kept<'_>> {
        None
    }

    fn finish_from(finish: &Finish<'_, Self>, x: &[Self], y: &mut [Self]) {
        y.copy_from_slice(x);
        finish.apply(y);
    }

    fn record(layer: &Layer, run: Run<'_, Self>) -> Var<Self> {
        layer.record_as(run)
    }

    fn map_part(layer: &Layer, stored: &[Parameter<Self>], shape: &Shape, first: usize, part: &mut [Self]) {
        layer.map_part_as(stored, shape, first, part);
    }

    fn map(f: &dyn Curve, y: &mut [Self]) {
        f.map_f64(y);
    }

    fn vjp(f: &dyn Slope, g: &mut [Self], values: &[Self]) {
        f.vjp_f64(g, values);
    }

    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        im2col::input_gradient(g, dy, w.as_slice(), dx);
    }

    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        im2col::weight_gradient(g, x, dy, dw);
    }

    fn linear(x: &Tensor<Self>, w: &Tensor<Self>, bias: Option<&[Self]>, y: &mut [Self]) {
        product(view(x), view(w), y);
        if let Some(bias) = bias {
            y.chunks_exact_mut(bias.len().max(1)).flat_map(|row| row.iter_mut().zip(bias)).for_each(|(y, b)| *y += b);
        }
    }

    fn linear_input_gradient(dy: &Tensor<Self>, w: &Tensor<Self>, dx: &mut [Self]) {
        product(view(dy), view(w).reversed_axes(), dx);
    }

    fn linear_weight_gradient(x: &Tensor<Self>, dy: &Tensor<Self>, dw: &mut [Self]) {
        product(view(x).reversed_axes(), view(dy), dw);
    }

    fn products(a: Operand<'_, Self>, b: Operand<'_, Self>, extents: [usize; 3], y: &mut [Self]) {
        fn view<'a>(of: Operand<'a, f64>, index: usize, extents: [usize; 2]) -> ArrayView2<'a, f64> {
            let (values, stored) = of.matrix(index, extents);
            let view = ArrayView2::from_shape(stored, values).expect("a matrix has as many values");
            if of.transposed { view.reversed_axes() } else { view }
        }
        let [m, k, l] = extents;
        each_product(extents, y, |i, y| product(view(a, i, [m, k]), view(b, i, [k, l]), y));
    }
}

fn view(x: &Tensor<f64>) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape([x.shape()[0], x.shape()[1]], x.as_slice()).expect("a matrix has as many values")
}

fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, c: &mut [f64]) {
    let c = ArrayViewMut2::from_shape([a.nrows(), b.ncols()], c).expect("the result has the product's size");
    reference::product(a, b, c);
}

impl Real for f32 {
    fn conv2d_finished(
        g: &ConvGeometry,
        x: &[Self],
        w: &Tensor<Self>,
        bias: Option<&[Self]>,
        finish: &Finish<'_, Self>,
        y: &mut [Self],
    ) {
        prepared(g, Pass::Forward, w).forward_finished(g, x, bias, finish, y);
    }

    fn finish(finish: &Finish<'_, Self>, y: &mut [Self]) {
        if !finish.is_empty() {
            finish.apply(y);
        }
    }

    fn write_finished(
        finish: &Finish<'_, Self>,
        width: usize,
        y: &mut [Self],
        write: impl Fn(usize, &mut [Self]) + Sync,
    ) {
        finish.write(width, y, write);
    }

    fn kept(values: &mut [Self]) -> Option<Kept<'_>> {
        Some(Kept::new(values))
    }

    fn finish_from(finish: &Finish<'_, Self>, x: &[Self], y: &mut [Self]) {
        finish.apply_from(x, y);
    }

    fn record(layer: &Layer, run: Run<'_, Self>) -> Var<Self> {
        layer.record_as(run)
    }

    fn map_part(layer: &Layer, stored: &[Parameter<Self>], shape: &Shape, first: usize, part: &mut [Self]) {
        layer.map_part_as(stored, shape, first, part);
    }

    fn map(f: &dyn Curve, y: &mut [Self]) {
        f.map(y);
    }

    fn vjp(f: &dyn Slope, g: &mut [Self], values: &[Self]) {
        f.vjp(g, values);
    }

    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        prepared(g, Pass::InputGradient, w).input_gradient(g, dy, dx);
    }

    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        let algorithm = kernels::choose(g, Pass::WeightGradient);
        kernels::weight_gradient(g, algorithm, x, dy, dw);
    }

    fn linear(x: &Tensor<Self>, w: &Tensor<Self>, bias: Option<&[Self]>, y: &mut [Self]) {
        if x.shape()[0] == 1 {
            return row_product(x.as_slice(), w.as_slice(), bias, y);
        }
        packed(w, false).panels.multiply(matrix(x), bias, Bounds::None, Target::new(y));
    }

    fn linear_input_gradient(dy: &Tensor<Self>, w: &Tensor<Self>, dx: &mut [Self]) {
        packed(w, true).panels.multiply(matrix(dy), None, Bounds::None, Target::new(dx));
    }

    fn linear_weight_gradient(x: &Tensor<Self>, dy: &Tensor<Self>, dw: &mut [Self]) {
        // Each row is the one pixel of an image.
        let ([rows, inputs], outputs) = ([x.shape()[0], x.shape()[1]], dy.shape()[1]);
        let g = Convolution::default().geometry(&[rows, 1, 1, inputs], &[1, 1, inputs, outputs]);
        let g = g.expect("a 1×1 kernel fits any picture");
        kernels::weight_gradient(&g, Algorithm::Direct, x.as_slice(), dy.as_slice(), dw);
    }

    fn products(a: Operand<'_, Self>, b: Operand<'_, Self>, extents: [usize; 3], y: &mut [Self]) {
        fn matrix<'a>(of: Operand<'a, f32>, index: usize, extents: [usize; 2]) -> Matrix<'a> {
            let (values, stored) = of.matrix(index, extents);
            let matrix = Matrix::new(values, stored);
            if of.transposed { matrix.transposed() } else { matrix }
        }
        let [m, k, l] = extents;
        each_product(extents, y, |i, y| gemm(matrix(a, i, [m, k]), matrix(b, i, [k, l]), y));
    }
}

fn matrix(x: &Tensor<f32>) -> Matrix<'_> {
    Matrix::new(x.as_slice(), [x.shape()[0], x.shape()[1]])
}

/// The weights of a convolution in the form that the kernels read, kept with them from call to call: one copy for each pass
/// and algorithm, whatever the size of the pictures.
fn prepared(g: &ConvGeometry, pass: Pass, w: &Tensor<f32>) -> Arc<Prepared> {
    let algorithm = kernels::choose(g, pass);
    w.derived(
        |prepared: &Prepared| prepared.is_for(g, pass, algorithm),
        || Prepared::new(g, pass, algorithm, w.as_slice()),
        |prepared| prepared.update(w.as_slice()),
    )
}

/// A matrix of weights in panels.
struct Packed {
    transposed: bool,
    panels: Panels,
}

/// The weights of a fully connected layer in panels, kept with them from call to call.
fn packed(w: &Tensor<f32>, transposed: bool) -> Arc<Packed> {
    let matrix = || if transposed { matrix(w).transposed() } else { matrix(w) };
    w.derived(
        |packed: &Packed| packed.transposed == transposed,
        || Packed { transposed, panels: Panels::new(matrix()) },
        |packed| packed.panels.update(matrix()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Conv2d, GlobalAvgPool, Linear};
    use crate::{Convolution, Model};

    #[test]
    fn pictures_of_two_sizes_share_the_prepared_weights() {
        let model = Model::<f32>::builder([28, 28, 32])
            .layer("conv", Conv2d::new(32, 3))
            .layer("gap", GlobalAvgPool)
            .layer("fc", Linear::new(10))
            .build(1)
            .unwrap();
        let larger = model.with_size([56, 48]).unwrap();
        let geometry =
            |size: [usize; 2]| Convolution::same().geometry(&[1, size[0], size[1], 32], &[3, 3, 32, 32]).unwrap();
        for pass in [Pass::Forward, Pass::InputGradient] {
            let one = prepared(&geometry([28, 28]), pass, model.parameter("conv.weight").unwrap());
            let other = prepared(&geometry([56, 48]), pass, larger.parameter("conv.weight").unwrap());
            assert!(Arc::ptr_eq(&one, &other), "{pass:?}");
        }
        let [one, other] = [&model, &larger].map(|model| packed(model.parameter("fc.weight").unwrap(), false));
        assert!(Arc::ptr_eq(&one, &other));
    }
}
