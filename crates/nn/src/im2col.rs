//! Convolution as a matrix product: the reference path.
//!
//! *im2col* writes the window under each output pixel as a row of a matrix. With `R = Ho·Wo` output pixels and
//! `K = Kh·Kw·Cin` taps, one image's forward pass is
//!
//! ```text
//! Y [R, Cout] = col(x) [R, K] · W [K, Cout]
//! ```
//!
//! and both gradients are the gradients of that product. `col` copies elements, so it is linear; its transpose, *col2im*,
//! adds each copy's gradient back to the pixel that it came from:
//!
//! ```text
//! ∂x = col2im( ∂Y [R, Cout] · Wᵀ [Cout, K] )        ∂W [K, Cout] = col(x)ᵀ [K, R] · ∂Y [R, Cout]
//! ```
//!
//! With the layouts used here `[Ho, Wo, Cout]` already is `[R, Cout]` and `[Kh, Kw, Cin, Cout]` is `[K, Cout]`: neither is
//! copied. The product is `matrixmultiply`'s, in `f64`. Each image is computed by itself, in parallel with the others.

use ndarray::{ArrayView2, ArrayViewMut2, s};
use rayon::prelude::*;

use crate::geometry::ConvGeometry;
use crate::kernels::reference::product;

/// Calls `visit(row, start of the taps in the row, pixel's offset in the image)` for each tap of each window that
/// lies inside the picture, a tap being the `Cin / groups` channels that one kernel position reads.
fn for_each_tap(g: &ConvGeometry, mut visit: impl FnMut(usize, usize, usize)) {
    let [stride, dilation, padding] = [g.conv.stride, g.conv.dilation, [g.conv.padding.top, g.conv.padding.left]];
    let inside = |out: usize, tap: usize, d: usize| {
        (out * stride[d] + tap * dilation[d]).checked_sub(padding[d]).filter(|&i| i < g.input[d])
    };
    for oy in 0..g.output[0] {
        for ky in 0..g.kernel[0] {
            let Some(iy) = inside(oy, ky, 0) else { continue };
            for ox in 0..g.output[1] {
                for kx in 0..g.kernel[1] {
                    let Some(ix) = inside(ox, kx, 1) else { continue };
                    let row = oy * g.output[1] + ox;
                    let tap = (ky * g.kernel[1] + kx) * g.group_in();
                    visit(row, tap, (iy * g.input[1] + ix) * g.in_channels);
                }
            }
        }
    }
}

/// Rows R and columns K of an image's im2col matrix.
fn extent(g: &ConvGeometry) -> (usize, usize) {
    (g.output[0] * g.output[1], g.kernel[0] * g.kernel[1] * g.group_in())
}

/// The im2col matrix `[R, K]` of one image `[H, W, Cin]`, for the channels of one group; taps in the padding are zero.
fn im2col(g: &ConvGeometry, group: usize, image: &[f64], col: &mut [f64]) {
    let (_, k) = extent(g);
    let channels = g.group_in();
    col.fill(0.0);
    for_each_tap(g, |row, tap, pixel| {
        let from = pixel + group * channels;
        col[row * k + tap..][..channels].copy_from_slice(&image[from..][..channels]);
    });
}

/// The transpose of [`im2col`]: adds each element of the matrix `[R, K]` to the pixel that it is a copy of.
fn col2im(g: &ConvGeometry, group: usize, col: &[f64], image: &mut [f64]) {
    let (_, k) = extent(g);
    let channels = g.group_in();
    for_each_tap(g, |row, tap, pixel| {
        let to = &mut image[pixel + group * channels..][..channels];
        to.iter_mut().zip(&col[row * k + tap..]).for_each(|(x, &c)| *x += c);
    });
}

fn matrix(rows: usize, columns: usize, data: &[f64]) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((rows, columns), data).expect("the slice has the matrix's size")
}

/// y = x ∗ w + b.
///
/// # Panics
/// If a slice doesn't have the size that the geometry requires.
pub fn forward(g: &ConvGeometry, x: &[f64], w: &[f64], bias: Option<&[f64]>, y: &mut [f64]) {
    let (r, k) = extent(g);
    let image = x.len() / g.batch.max(1);
    let images = y.par_chunks_exact_mut((r * g.out_channels).max(1)).zip(x.par_chunks_exact(image.max(1)));
    images.for_each_init(
        || vec![0.0; r * k],
        |col, (y, x)| {
            for group in 0..g.conv.groups {
                im2col(g, group, x, col);
                let columns = s![.., group * g.group_out()..(group + 1) * g.group_out()];
                let mut out = ArrayViewMut2::from_shape((r, g.out_channels), y).expect("one image's output");
                let weights = matrix(k, g.out_channels, w);
                let (weights, out) = (weights.slice(columns), out.slice_mut(columns));
                product(matrix(r, k, col), weights, out);
            }
            if let Some(bias) = bias {
                y.chunks_exact_mut(bias.len()).for_each(|pixel| pixel.iter_mut().zip(bias).for_each(|(y, &b)| *y += b));
            }
        },
    );
}

/// ∂x from ∂y.
///
/// # Panics
/// If a slice doesn't have the size that the geometry requires.
pub fn input_gradient(g: &ConvGeometry, dy: &[f64], w: &[f64], dx: &mut [f64]) {
    let (r, k) = extent(g);
    let image = dx.len() / g.batch.max(1);
    let images = dx.par_chunks_exact_mut(image.max(1)).zip(dy.par_chunks_exact((r * g.out_channels).max(1)));
    images.for_each_init(
        || vec![0.0; r * k],
        |col, (dx, dy)| {
            dx.fill(0.0);
            for group in 0..g.conv.groups {
                let columns = s![.., group * g.group_out()..(group + 1) * g.group_out()];
                let (upstream, weights) = (matrix(r, g.out_channels, dy), matrix(k, g.out_channels, w));
                let out = ArrayViewMut2::from_shape((r, k), &mut *col).expect("one image's windows");
                product(upstream.slice(columns), weights.slice(columns).reversed_axes(), out);
                col2im(g, group, col, dx);
            }
        },
    );
}

/// ∂w from x and ∂y. Images are summed pairwise, in an order that depends on their number alone.
///
/// # Panics
/// If a slice doesn't have the size that the geometry requires.
pub fn weight_gradient(g: &ConvGeometry, x: &[f64], dy: &[f64], dw: &mut [f64]) {
    if g.batch == 0 {
        dw.fill(0.0);
    } else {
        dw.copy_from_slice(&summed_weight_gradient(g, x, dy, 0, g.batch));
    }
}

fn summed_weight_gradient(g: &ConvGeometry, x: &[f64], dy: &[f64], from: usize, images: usize) -> Vec<f64> {
    if images > 1 {
        let half = images.next_power_of_two() / 2;
        let (mut a, b) = rayon::join(
            || summed_weight_gradient(g, x, dy, from, half),
            || summed_weight_gradient(g, x, dy, from + half, images - half),
        );
        a.iter_mut().zip(&b).for_each(|(a, &b)| *a += b);
        return a;
    }
    let (r, k) = extent(g);
    let image = g.input[0] * g.input[1] * g.in_channels;
    let (x, dy) = (&x[from * image..][..image], &dy[from * r * g.out_channels..][..r * g.out_channels]);
    let mut col = vec![0.0; r * k];
    let mut dw = vec![0.0; k * g.out_channels];
    for group in 0..g.conv.groups {
        im2col(g, group, x, &mut col);
        let columns = s![.., group * g.group_out()..(group + 1) * g.group_out()];
        let upstream = matrix(r, g.out_channels, dy);
        let mut out = ArrayViewMut2::from_shape((k, g.out_channels), &mut dw).expect("the kernel's size");
        product(matrix(r, k, &col).reversed_axes(), upstream.slice(columns), out.slice_mut(columns));
    }
    dw
}
