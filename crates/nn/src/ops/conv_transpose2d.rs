//! Transposed convolution.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use super::conv2d::sum_over_pixels;
use crate::conv_transpose2d::ConvTranspose2d;
use crate::geometry::ConvGeometry;
use crate::real::Real;

/// With input x `[N, H, W, Cin]`, kernel w `[Kh, Kw, Cout/groups, Cin]`, bias b `[Cout]`, stride s, dilation d, padding p (one
/// group; with more, o and c run within a group), every input pixel is handed out to a window of the output:
///
/// ```text
/// y[n,a,b,o] = b[o] + Σ x[n,i,j,c] · w[u,v,o,c]      over i, j, u, v, c with i·s + u·d − p = a, j·s + v·d − p = b
/// ```
///
/// That is the input gradient of the convolution with the same kernel, which reads pictures `[N, Ho, Wo, Cout]` and gives
/// `[N, H, W, Cin]`. Its transpose is that convolution again, and each product x·w hands `∂y·x` to its w, as there:
///
/// ```text
/// ∂x[n,i,j,c]   = Σ_{u,v,o} w[u,v,o,c] · ∂y[n, i·s + u·d − p, j·s + v·d − p, o]
/// ∂w[u,v,o,c]   = Σ_{n,i,j} x[n,i,j,c] · ∂y[n, i·s + u·d − p, j·s + v·d − p, o]
/// ∂b[o]         = Σ_{n,a,b} ∂y[n,a,b,o]
/// ```
///
/// so the three kernels of a convolution serve here with their roles exchanged. (Zeiler, Krishnan, Taylor and Fergus,
/// *Deconvolutional networks*, 2010; Dumoulin and Visin, *A guide to convolution arithmetic for deep learning*, 2016, §4.)
impl<T: Real> Op<T> for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "transposed conv2d"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (node.input(0), node.input(1));
        let g = geometry(x, w, *self);
        let mut grads = vec![
            wanted.then(0, || {
                let mut dx = Tensor::scratch(*x.shape());
                T::conv2d(&g, upstream.as_slice(), w, None, false, dx.make_mut());
                dx
            }),
            wanted.then(1, || {
                let mut dw = Tensor::scratch(*w.shape());
                T::conv2d_weight_gradient(&g, upstream.as_slice(), x.as_slice(), dw.make_mut());
                dw
            }),
        ];
        if node.input_count() == 3 {
            grads.push(wanted.then(2, || sum_over_pixels(&upstream)));
        }
        Grads::new(grads)
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

/// The convolution that this is the transpose of.
///
/// # Panics
/// Where the shapes don't fit together.
fn geometry<T: Real>(x: &Tensor<T>, w: &Tensor<T>, transposed: ConvTranspose2d) -> ConvGeometry {
    transposed.geometry(x.shape(), w.shape()).unwrap_or_else(|error| panic!("transposed conv2d: {error}"))
}

/// The transposed convolution of x with w, plus b: `[N, H, W, Cin]`, `[Kh, Kw, Cout / groups, Cin]`, `[Cout]` →
/// `[N, Ho, Wo, Cout]`.
///
/// # Panics
/// Where the shapes don't fit together, or the variables stand on different tapes.
#[must_use]
pub fn conv_transpose2d<T: Real>(x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>, transposed: ConvTranspose2d) -> Var<T> {
    let g = geometry(x.value(), w.value(), transposed);
    let mut y = Tensor::scratch(g.input_shape());
    T::conv2d_input_gradient(&g, x.value().as_slice(), w.value(), y.make_mut());
    let Some(bias) = bias else { return x.tape().record(transposed, &[x, w], y) };
    let channels = g.in_channels;
    assert_eq!(&**bias.shape(), &[channels], "transposed conv2d: expected a bias [Cout]");
    for pixel in y.make_mut().chunks_exact_mut(channels) {
        pixel.iter_mut().zip(bias.value().as_slice()).for_each(|(y, &b)| *y += b);
    }
    x.tape().record(transposed, &[x, w, bias], y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::random;
    use crate::{Conv2d, Padding};
    use proptest::prelude::*;
    use tensor::{Tape, gradcheck};

    /// Hands every input pixel out, literally.
    fn literal(x: &Tensor<f64>, w: &Tensor<f64>, bias: &Tensor<f64>, transposed: ConvTranspose2d) -> Tensor<f64> {
        let geometry = transposed.geometry(x.shape(), w.shape()).unwrap();
        let conv = transposed.conv;
        let [_, rows, columns, _] = geometry.input_shape();
        let b = bias.as_slice();
        let mut y = ndarray::Array4::from_shape_fn(geometry.input_shape(), |(_, _, _, o)| b[o]);
        let (group_out, group_in) = (geometry.group_in(), geometry.group_out());
        for (at, &x) in x.view().indexed_iter() {
            let (n, i, j, c) = (at[0], at[1], at[2], at[3]);
            for (tap, &w) in w.view().indexed_iter().filter(|(tap, _)| tap[3] == c) {
                let a = (i * conv.stride[0] + tap[0] * conv.dilation[0]).wrapping_sub(conv.padding.top);
                let b = (j * conv.stride[1] + tap[1] * conv.dilation[1]).wrapping_sub(conv.padding.left);
                if a < rows && b < columns {
                    y[[n, a, b, c / group_in * group_out + tap[2]]] += w * x;
                }
            }
        }
        Tensor::from(y)
    }

    prop_compose! {
        fn problem()(
            batch in 1_usize..3, size in [1_usize..5, 1_usize..5], kernel in [1_usize..4, 1_usize..4],
            stride in [1_usize..4, 1_usize..4], dilation in [1_usize..3, 1_usize..3],
            padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3], output_padding in [0_usize..3, 0_usize..3],
            groups in 1_usize..4, group_in in 1_usize..3, group_out in 1_usize..3,
        ) -> (Vec<usize>, Vec<usize>, ConvTranspose2d) {
            let [top, bottom, left, right] = padding;
            let conv = Conv2d { stride, dilation, groups, padding: Padding { top, bottom, left, right } };
            let output_padding = [0, 1].map(|axis| output_padding[axis] % stride[axis]);
            let input = vec![batch, size[0], size[1], groups * group_in];
            (input, vec![kernel[0], kernel[1], group_out, groups * group_in], ConvTranspose2d { conv, output_padding })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, kernel, transposed) in problem()) {
            let geometry = transposed.geometry(&input, &kernel);
            prop_assume!(geometry.is_ok());
            let channels = geometry.unwrap().in_channels;
            let (x, w, b) = (random(&*input, 1), random(&*kernel, 2), random([channels], 3));
            let expected = literal(&x, &w, &b, transposed);
            fn value<T: Real>(inputs: [&Tensor<f64>; 3], transposed: ConvTranspose2d) -> Tensor<f64> {
                let tape = Tape::<T>::new();
                let [x, w, b] = inputs.map(|tensor| tape.leaf(tensor.cast()));
                conv_transpose2d(&x, &w, Some(&b), transposed).value().cast()
            }
            approx::assert_abs_diff_eq!(&value::<f64>([&x, &w, &b], transposed), &expected, epsilon = 1e-12);
            approx::assert_abs_diff_eq!(&value::<f32>([&x, &w, &b], transposed), &expected, epsilon = 1e-5);
            let checked = gradcheck(&[x, w, b], |v| conv_transpose2d(&v[0], &v[1], Some(&v[2]), transposed));
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
