//! Transposed convolution on the tape.

use super::ConvTranspose2d;
use crate::geometry::{ConvGeometry, TransposedConvolution};
use crate::layers::affine::{gradients, written};
use crate::layers::prelude::*;

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
impl<T: Real> Op<T> for TransposedConvolution {
    fn name(&self) -> &'static str {
        "transposed conv2d"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (node.input(0), node.input(1));
        let g = geometry(*self, x, w);
        let input = |dx: &mut [T]| T::conv2d(&g, upstream.as_slice(), w, None, dx);
        let weight = |dw: &mut [T]| T::conv2d_weight_gradient(&g, upstream.as_slice(), x.as_slice(), dw);
        gradients(node, &upstream, wanted, input, weight)
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn nature(&self) -> Nature {
        Nature::Affine { bias: Some(2) }
    }
}

/// The convolution that this is the transpose of.
fn geometry<T: Real>(transposed: TransposedConvolution, x: &Tensor<T>, w: &Tensor<T>) -> ConvGeometry {
    transposed.geometry(x.shape(), w.shape()).expect("a layer's weight fits its input")
}

impl Record for ConvTranspose2d {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, w, bias) = (run.input(), run.parameter(0), run.optional_parameter(1));
        let g = geometry(self.transposed, x.value(), w.value());
        let y = written(g.input_shape(), |y| {
            T::conv2d_input_gradient(&g, x.value().as_slice(), w.value(), y);
            let Some(bias) = bias else { return };
            for pixel in y.chunks_exact_mut(g.in_channels) {
                pixel.iter_mut().zip(bias.value().as_slice()).for_each(|(y, &b)| *y += b);
            }
        });
        x.tape().record(self.transposed, &[&x, w].into_iter().chain(bias).collect::<Vec<_>>(), y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Convolution, Padding};
    use crate::layers::testing::*;
    use proptest::prelude::*;

    /// Hands every input pixel out, literally.
    fn literal(x: &Tensor<f64>, w: &Tensor<f64>, bias: &Tensor<f64>, transposed: TransposedConvolution) -> Tensor<f64> {
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
        ) -> (Vec<usize>, Vec<usize>, TransposedConvolution) {
            let [top, bottom, left, right] = padding;
            let conv = Convolution { stride, dilation, groups, padding: Padding { top, bottom, left, right } };
            let output_padding = [0, 1].map(|axis| output_padding[axis] % stride[axis]);
            let input = vec![batch, size[0], size[1], groups * group_in];
            (input, vec![kernel[0], kernel[1], group_out, groups * group_in], TransposedConvolution { conv, output_padding })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, kernel, transposed) in problem()) {
            let geometry = transposed.geometry(&input, &kernel);
            prop_assume!(geometry.is_ok());
            let out_channels = geometry.unwrap().in_channels;
            let (x, w, b) = (random(&*input, 1), random(&*kernel, 2), random([out_channels], 3));
            let layer = ConvTranspose2d { out_channels, kernel: [kernel[0], kernel[1]], transposed, bias: true };
            let expected = literal(&x, &w, &b, transposed);
            fn value<T: Real>(inputs: [&Tensor<f64>; 3], layer: ConvTranspose2d) -> Tensor<f64> {
                let tape = Tape::<T>::new();
                let [x, w, b] = inputs.map(|tensor| tape.leaf(tensor.cast()));
                x.apply_with(layer, &[&w, &b]).value().cast()
            }
            approx::assert_abs_diff_eq!(&value::<f64>([&x, &w, &b], layer), &expected, epsilon = 1e-12);
            approx::assert_abs_diff_eq!(&value::<f32>([&x, &w, &b], layer), &expected, epsilon = 1e-5);
            let checked = gradcheck(&[x, w, b], |v| v[0].apply_with(layer, &[&v[1], &v[2]]));
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
