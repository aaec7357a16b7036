//! Convolution on the tape.

use super::Conv2d;
use crate::geometry::{ConvGeometry, Convolution};
use crate::layers::affine::{gradients, written};
use crate::layers::prelude::*;

/// With input x `[N, H, W, Cin]`, kernel w `[Kh, Kw, Cin/groups, Cout]`, bias b `[Cout]`, stride s, dilation d, padding p
/// (one group; with more, o and c run within a group):
///
/// ```text
/// y[n,i,j,o] = b[o] + Σ_{u,v,c} w[u,v,c,o] · x[n, i·s + u·d − p, j·s + v·d − p, c]
/// ```
///
/// where x is zero outside the picture. y is linear in x and in w, so each gradient is the same sum read for the other
/// factor: every product w·x in `y[n,i,j,o]` hands `∂y[n,i,j,o]·w` to its x, and `∂y[n,i,j,o]·x` to its w:
///
/// ```text
/// ∂x[n,a,b,c]   = Σ ∂y[n,i,j,o] · w[u,v,c,o]      over i, j, u, v, o with i·s + u·d − p = a, j·s + v·d − p = b
/// ∂w[u,v,c,o]   = Σ_{n,i,j} ∂y[n,i,j,o] · x[n, i·s + u·d − p, j·s + v·d − p, c]
/// ∂b[o]         = Σ_{n,i,j} ∂y[n,i,j,o]
/// ```
impl<T: Real> Op<T> for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, w) = (node.input(0), node.input(1));
        let (g, dy) = (geometry(*self, x.shape(), w.shape()), upstream.as_slice());
        let input = |dx: &mut [T]| T::conv2d_input_gradient(&g, dy, w, dx);
        gradients(node, &upstream, wanted, input, |dw| T::conv2d_weight_gradient(&g, x.as_slice(), dy, dw))
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn nature(&self) -> Nature {
        Nature::Affine { bias: Some(2) }
    }
}

fn geometry(conv: Convolution, x: &[usize], w: &[usize]) -> ConvGeometry {
    conv.geometry(x, w).expect("a layer's weight fits its input")
}

impl Record for Conv2d {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, w, bias) = (run.input(), run.parameter(0), run.optional_parameter(1));
        let g = geometry(self.conv, x.shape(), w.shape());
        let inputs: Vec<&Var<T>> = [&x, w].into_iter().chain(bias).collect();
        let [x, w] = [&x, w].map(Var::to_value);
        let bias = bias.map(Var::to_value);
        run.share.record(self.conv, &inputs, g.output_shape(), move |finish| {
            let bias = bias.as_ref().map(|bias| bias.get().as_slice());
            written(g.output_shape(), |y| T::conv2d_finished(&g, x.get().as_slice(), w.get(), bias, finish, y))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::*;
    use proptest::prelude::*;

    /// The definition above, literally.
    fn literal(x: &Tensor<f64>, w: &Tensor<f64>, bias: &Tensor<f64>, conv: Convolution) -> Tensor<f64> {
        let g = conv.geometry(x.shape(), w.shape()).unwrap();
        let mut y = ndarray::ArrayD::<f64>::zeros(g.output_shape().to_vec());
        let (xs, ws) = (x.view(), w.view());
        for (index, y) in y.indexed_iter_mut() {
            let (n, i, j, o) = (index[0], index[1], index[2], index[3]);
            *y = bias.as_slice()[o];
            for u in 0..g.kernel[0] {
                for v in 0..g.kernel[1] {
                    let a = (i * conv.stride[0] + u * conv.dilation[0]).wrapping_sub(conv.padding.top);
                    let b = (j * conv.stride[1] + v * conv.dilation[1]).wrapping_sub(conv.padding.left);
                    if a < g.input[0] && b < g.input[1] {
                        for c in 0..g.group_in() {
                            let channel = o / g.group_out() * g.group_in() + c;
                            *y += ws[[u, v, c, o]] * xs[[n, a, b, channel]];
                        }
                    }
                }
            }
        }
        Tensor::from(y)
    }

    prop_compose! {
        fn problem()(
            batch in 1_usize..3, size in [3_usize..7, 3_usize..7], kernel in [1_usize..4, 1_usize..4],
            stride in [1_usize..4, 1_usize..4], dilation in [1_usize..3, 1_usize..3],
            padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3],
            groups in 1_usize..4, group_in in 1_usize..3, group_out in 1_usize..3,
        ) -> (Vec<usize>, Vec<usize>, Convolution) {
            let [top, bottom, left, right] = padding;
            let conv = Convolution { stride, dilation, groups, padding: crate::Padding { top, bottom, left, right } };
            (vec![batch, size[0], size[1], groups * group_in], vec![kernel[0], kernel[1], group_in, groups * group_out], conv)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, kernel, conv) in problem()) {
            prop_assume!(conv.geometry(&input, &kernel).is_ok());
            let (x, w, b) = (random(&*input, 1), random(&*kernel, 2), random([kernel[3]], 3));
            let layer = Conv2d::of(&kernel, conv).with_bias();
            let tape = Tape::new();
            let y = tape.leaf(x.clone()).apply_with(layer, &[&tape.leaf(w.clone()), &tape.leaf(b.clone())]);
            approx::assert_abs_diff_eq!(y.value(), &literal(&x, &w, &b, conv), epsilon = 1e-12);
            let checked = gradcheck(&[x, w, b], |v| v[0].apply_with(layer, &[&v[1], &v[2]]));
            // Everything is linear: a kink would be an error of the check.
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
