//! The rectifier whose slope is learned.

use tensor::blocks::zip_by_channel;
use tensor::channel_sums;
use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = x where x > 0 and w·x elsewhere, with input x `[…, C]` and a slope w `[C]` for each channel (He, Zhang, Ren and Sun,
/// *Delving deep into rectifiers*, 2015).
///
/// ```text
/// ∂x = ∂y where x > 0, w·∂y elsewhere       ∂w = Σ ∂y·x over the places with x ≤ 0
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PRelu;

impl<T: Real> Op<T> for PRelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, wanted: Wanted<'_>) -> Grads<T> {
        let (x, slopes) = (node.input(0), node.input(1).as_slice());
        let dw = wanted.then(1, || {
            let terms = |[g, x]: [T; 2], _| [if x > T::zero() { T::zero() } else { g * x }];
            let [sums] = channel_sums([upstream.as_slice(), x.as_slice()], slopes, terms);
            Tensor::new([slopes.len()], sums)
        });
        let dx = wanted.then(0, || {
            let mut dx = upstream;
            zip_by_channel(&mut dx, x, [slopes], |g, x, [w]| if x > T::zero() { g } else { w * g });
            dx
        });
        Grads::new([dx, dw])
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// x where x > 0 and w·x elsewhere, for x `[…, C]` and slopes w `[C]`.
///
/// # Panics
/// Where the slopes have another shape.
#[must_use]
pub fn prelu<T: Real>(x: &Var<T>, slopes: &Var<T>) -> Var<T> {
    let channels = *x.shape().last().expect("prelu: expected […, C], found a scalar");
    assert_eq!(&**slopes.shape(), &[channels], "prelu: slopes for an input {}", x.shape());
    let mut y = Tensor::scratch(*x.shape());
    zip_by_channel(&mut y, x.value(), [slopes.value().as_slice()], |_, x, [w]| if x > T::zero() { x } else { w * x });
    x.tape().record(PRelu, &[x, slopes], y)
}

#[cfg(test)]
mod tests {
    use super::prelu;
    use crate::ops::NetworkOps;
    use crate::ops::testing::random;
    use tensor::{Tape, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([2, 3, 4, 5], 1), random([5], 2)], |v| prelu(&v[0], &v[1])).within(1e-7).unwrap();
    }

    #[test]
    fn it_is_the_rectified_part_and_slopes_times_the_rest() {
        let tape = Tape::new();
        let [x, slopes] = [tape.leaf(random([2, 4, 5], 1)), tape.leaf(random([5], 2))];
        let literal = x.relu().sub(&x.neg().relu().mul(&slopes));
        approx::assert_abs_diff_eq!(prelu(&x, &slopes).value(), literal.value(), epsilon = 1e-16);
    }
}
