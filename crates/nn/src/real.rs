//! The two precisions, and the kernels behind the operations in each.

use tensor::{Element, Tensor};

use crate::geometry::ConvGeometry;
use crate::im2col;

/// `f32`, on the SIMD kernels, or `f64`, on the plain reference path that gradients are checked with.
///
/// Slices hold arrays in row-major order: activations `[N, H, W, C]`, kernels `[Kh, Kw, Cin / groups, Cout]`. A weight
/// comes as a tensor, so that what is derived from it (packed panels, say) can be kept with it.
pub trait Real: Element {
    /// y = x ∗ w + b, the convolution's forward pass, followed by max(y, 0) if `relu`.
    fn conv2d(geometry: &ConvGeometry, x: &[Self], w: &Tensor<Self>, bias: Option<&[Self]>, relu: bool, y: &mut [Self]);

    /// ∂x from ∂y.
    fn conv2d_input_gradient(geometry: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]);

    /// ∂w from x and ∂y, summed over the batch.
    fn conv2d_weight_gradient(geometry: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]);
}

impl Real for f64 {
    fn conv2d(
        geometry: &ConvGeometry,
        x: &[Self],
        w: &Tensor<Self>,
        bias: Option<&[Self]>,
        relu: bool,
        y: &mut [Self],
    ) {
        im2col::forward(geometry, x, w.as_slice(), bias, relu, y);
    }

    fn conv2d_input_gradient(geometry: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        im2col::input_gradient(geometry, dy, w.as_slice(), dx);
    }

    fn conv2d_weight_gradient(geometry: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        im2col::weight_gradient(geometry, x, dy, dw);
    }
}

impl Real for f32 {
    fn conv2d(
        geometry: &ConvGeometry,
        x: &[Self],
        w: &Tensor<Self>,
        bias: Option<&[Self]>,
        relu: bool,
        y: &mut [Self],
    ) {
        im2col::forward(geometry, x, w.as_slice(), bias, relu, y);
    }

    fn conv2d_input_gradient(geometry: &ConvGeometry, dy: &[Self], w: &Tensor<Self>, dx: &mut [Self]) {
        im2col::input_gradient(geometry, dy, w.as_slice(), dx);
    }

    fn conv2d_weight_gradient(geometry: &ConvGeometry, x: &[Self], dy: &[Self], dw: &mut [Self]) {
        im2col::weight_gradient(geometry, x, dy, dw);
    }
}
