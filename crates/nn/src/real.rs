//! The two precisions, and the kernels behind the operations in each.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2};
use tensor::{Element, Tensor};

use crate::geometry::ConvGeometry;
use crate::im2col;
use crate::kernels::conv::{self as kernels, Pass, Prepared};
use crate::kernels::reference;

/// `f32`, on the SIMD kernels, or `f64`, on the plain reference path that gradients are checked with.
///
/// Slices hold arrays in row-major order: activations `[N, H, W, C]`, kernels `[Kh, Kw, Cin / groups, Cout]`. A weight
/// comes as a tensor, so that what is derived from it (packed panels, say) can be kept with it.
pub trait Real: Element {
    /// y = x ∗ w + b, the convolution's forward pass, followed by max(y, 0) if `relu`.
    fn conv2d(g: &ConvGeometry, x: &[Self], w: &Tensor<Self>, bias: Option<&[Self]>, relu: bool, y: &mut [Self]);

    /// ∂x from ∂y.
    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]);

    /// ∂w from x and ∂y, summed over the batch.
    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]);

    /// C = A·B on the reference path: `[m, k]·[k, n]` → `[m, n]`, in any layout.
    ///
    /// # Panics
    /// Where the shapes don't fit together.
    fn product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>);
}

impl Real for f64 {
    fn conv2d(g: &ConvGeometry, x: &[Self], w: &Tensor<Self>, bias: Option<&[Self]>, relu: bool, y: &mut [Self]) {
        im2col::forward(g, x, w.as_slice(), bias, relu, y);
    }

    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        im2col::input_gradient(g, dy, w.as_slice(), dx);
    }

    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        im2col::weight_gradient(g, x, dy, dw);
    }

    fn product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>) {
        reference::product_f64(a, b, c);
    }
}

impl Real for f32 {
    fn conv2d(g: &ConvGeometry, x: &[Self], w: &Tensor<Self>, bias: Option<&[Self]>, relu: bool, y: &mut [Self]) {
        prepared(g, Pass::Forward, w).forward(x, bias, relu, y);
    }

    fn conv2d_input_gradient(g: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        prepared(g, Pass::InputGradient, w).input_gradient(dy, dx);
    }

    fn conv2d_weight_gradient(g: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        let algorithm = kernels::choose(g, Pass::WeightGradient);
        kernels::weight_gradient(g, algorithm, x, dy, dw);
    }

    fn product(a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>) {
        reference::product_f32(a, b, c);
    }
}

/// The weights in the form that the kernels want, kept with them from call to call.
fn prepared(g: &ConvGeometry, pass: Pass, w: &Tensor<f32>) -> Arc<Prepared> {
    let algorithm = kernels::choose(g, pass);
    w.derived(
        |prepared: &Prepared| prepared.is_for(g, pass, algorithm),
        || Prepared::new(g, pass, algorithm, w.as_slice()),
        |prepared| prepared.update(w.as_slice()),
    )
}
