//! Convolution.

use tensor::channel_sums;
use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use super::relu::masked;
use crate::geometry::{Conv2d, ConvGeometry};
use crate::real::Real;

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
impl<T: Real> Op<T> for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        conv2d_vjp(*self, node, &upstream, wanted)
    }

    fn needs(&self) -> Needs {
        Needs::NONE.input(0).input(1)
    }

    fn linearity(&self) -> Linearity {
        Linearity::Affine
    }
}

/// A convolution and the ReLU behind it as one operation, y = max(x ∗ w + b, 0), for training: the value between them is
/// never written. Bit for bit what the two give apart.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dRelu(pub Conv2d);

impl<T: Real> Op<T> for Conv2dRelu {
    fn name(&self) -> &'static str {
        "conv2d + relu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        conv2d_vjp(self.0, node, &masked(upstream, node.output()), wanted)
    }

    fn needs(&self) -> Needs {
        Needs::OUTPUT.input(0).input(1)
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// The gradients of a recorded convolution's input, kernel and bias (if it has one).
pub(crate) fn conv2d_vjp<T: Real>(conv: Conv2d, node: &Node<T>, upstream: &Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
    let mut grads = input_and_weight_gradients(node.input(0), node.input(1), upstream, conv, wanted).to_vec();
    if node.input_count() == 3 {
        grads.push(wanted.then(2, || sum_over_pixels(upstream)));
    }
    Grads::new(grads)
}

/// ∂x and ∂w, where wanted.
fn input_and_weight_gradients<T: Real>(
    x: &Tensor<T>,
    w: &Tensor<T>,
    upstream: &Tensor<T>,
    conv: Conv2d,
    wanted: Wanted<'_>,
) -> [Option<Tensor<T>>; 2] {
    let g = geometry(x, w, conv);
    [
        wanted.then(0, || {
            let mut dx = Tensor::scratch(*x.shape());
            T::conv2d_input_gradient(&g, upstream.as_slice(), w, dx.make_mut());
            dx
        }),
        wanted.then(1, || {
            let mut dw = Tensor::scratch(*w.shape());
            T::conv2d_weight_gradient(&g, x.as_slice(), upstream.as_slice(), dw.make_mut());
            dw
        }),
    ]
}

/// The sum over all but the last dimension, pairwise: `[…, C]` → `[C]`.
pub(crate) fn sum_over_pixels<T: Real>(x: &Tensor<T>) -> Tensor<T> {
    let channels = *x.shape().last().expect("at least one dimension");
    let [sums] = channel_sums([x.as_slice()], &vec![T::zero(); channels], |[x], _| [x]);
    Tensor::new([channels], sums)
}

/// # Panics
/// Where the shapes don't fit together.
fn geometry<T: Real>(x: &Tensor<T>, w: &Tensor<T>, conv: Conv2d) -> ConvGeometry {
    conv.geometry(x.shape(), w.shape()).unwrap_or_else(|error| panic!("conv2d: {error}"))
}

/// The convolution's value.
///
/// # Panics
/// Where the shapes don't fit together.
fn conv2d_value<T: Real>(
    x: &Tensor<T>,
    w: &Tensor<T>,
    bias: Option<&Tensor<T>>,
    conv: Conv2d,
    relu: bool,
) -> Tensor<T> {
    let g = geometry(x, w, conv);
    if let Some(bias) = bias {
        assert_eq!(&**bias.shape(), &[g.out_channels], "conv2d: expected a bias [Cout]");
    }
    let mut y = Tensor::scratch(g.output_shape());
    T::conv2d(&g, x.as_slice(), w, bias.map(Tensor::as_slice), relu, y.make_mut());
    y
}

/// y = x ∗ w + b: `[N, H, W, Cin]`, `[Kh, Kw, Cin / groups, Cout]`, `[Cout]` → `[N, Ho, Wo, Cout]`.
///
/// # Panics
/// Where the shapes don't fit together, or the variables stand on different tapes.
#[must_use]
pub fn conv2d<T: Real>(x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>, conv: Conv2d) -> Var<T> {
    record(conv, x, w, bias, conv, false)
}

/// max(x ∗ w + b, 0) as one operation; shapes as for [`conv2d`].
///
/// # Panics
/// Where the shapes don't fit together, or the variables stand on different tapes.
#[must_use]
pub fn conv2d_relu<T: Real>(x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>, conv: Conv2d) -> Var<T> {
    record(Conv2dRelu(conv), x, w, bias, conv, true)
}

fn record<T: Real>(op: impl Op<T>, x: &Var<T>, w: &Var<T>, bias: Option<&Var<T>>, conv: Conv2d, relu: bool) -> Var<T> {
    let y = conv2d_value(x.value(), w.value(), bias.map(Var::value), conv, relu);
    match bias {
        Some(bias) => x.tape().record(op, &[x, w, bias], y),
        None => x.tape().record(op, &[x, w], y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::random;
    use proptest::prelude::*;
    use tensor::gradcheck;

    /// The definition above, literally.
    fn literal(x: &Tensor<f64>, w: &Tensor<f64>, bias: &Tensor<f64>, conv: Conv2d) -> Tensor<f64> {
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
        pub(crate) fn problem()(
            batch in 1_usize..3, size in [3_usize..7, 3_usize..7], kernel in [1_usize..4, 1_usize..4],
            stride in [1_usize..4, 1_usize..4], dilation in [1_usize..3, 1_usize..3],
            padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3],
            groups in 1_usize..4, group_in in 1_usize..3, group_out in 1_usize..3,
        ) -> (Vec<usize>, Vec<usize>, Conv2d) {
            let [top, bottom, left, right] = padding;
            let conv = Conv2d { stride, dilation, groups, padding: crate::Padding { top, bottom, left, right } };
            (vec![batch, size[0], size[1], groups * group_in], vec![kernel[0], kernel[1], group_in, groups * group_out], conv)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn value_and_gradients_of_any_geometry((input, kernel, conv) in problem()) {
            prop_assume!(conv.geometry(&input, &kernel).is_ok());
            let (x, w, b) = (random(&*input, 1), random(&*kernel, 2), random([kernel[3]], 3));
            let tape = tensor::Tape::new();
            let y = conv2d(&tape.leaf(x.clone()), &tape.leaf(w.clone()), Some(&tape.leaf(b.clone())), conv);
            approx::assert_abs_diff_eq!(y.value(), &literal(&x, &w, &b, conv), epsilon = 1e-12);
            let checked = gradcheck(&[x, w, b], |v| conv2d(&v[0], &v[1], Some(&v[2]), conv));
            // Everything is linear: a kink would be an error of the check.
            prop_assert_eq!(checked.skipped, 0);
            if let Err(error) = checked.within(1e-6) { return Err(TestCaseError::fail(error.to_string())); }
        }
    }
}
