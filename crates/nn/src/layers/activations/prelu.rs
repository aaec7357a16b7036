//! The rectifier whose slope is learned.

use tensor::blocks::zip_by_channel;
use tensor::channel_sums;

use crate::layers::parameter::channels;
use crate::layers::prelude::*;

/// y = x where x > 0 and w·x elsewhere, with input x `[…, C]` and a slope w `[C]` for each channel (He, Zhang, Ren and Sun,
/// *Delving deep into rectifiers*, 2015).
///
/// ```text
/// ∂x = ∂y where x > 0, w·∂y elsewhere       ∂w = Σ ∂y·x over the places with x ≤ 0
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("PReLU")]
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

    fn nature(&self) -> Nature {
        Nature::Bends
    }
}

impl SameShape for PRelu {
    fn parameters(&self, input: &[usize]) -> Vec<ParameterSpec> {
        // As in the paper and in PyTorch, slopes start from ¼.
        vec![ParameterSpec::trained("weight", [channels(input)], Init::Constant(0.25)).over_input(0)]
    }
}

impl Record for PRelu {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let (x, slopes) = (run.input(), run.parameter(0));
        let mut y = Tensor::scratch(*x.shape());
        let slope = |_, x, [w]: [T; 1]| if x > T::zero() { x } else { w * x };
        zip_by_channel(&mut y, x.value(), [slopes.value().as_slice()], slope);
        x.tape().record(PRelu, &[&x, slopes], y)
    }
}

#[cfg(test)]
mod tests {
    use super::PRelu;
    use crate::layers::Relu;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_rectified_part_and_slopes_times_the_rest() {
        let tape = Tape::new();
        let [x, slopes] = [tape.leaf(random([2, 4, 5], 1)), tape.leaf(random([5], 2))];
        let literal = x.apply(Relu).sub(&x.neg().apply(Relu).mul(&slopes));
        approx::assert_abs_diff_eq!(x.apply_with(PRelu, &[&slopes]).value(), literal.value(), epsilon = 1e-16);
    }
}
