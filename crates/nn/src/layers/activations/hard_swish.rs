//! The SiLU made of lines and a parabola.

use super::HardSigmoid;
use crate::layers::prelude::*;

/// y = x·h(x), any shape, with the hard sigmoid h(x) = min(max(x/6 + ½, 0), 1) (Howard et al., *Searching for MobileNetV3*,
/// 2019, §5.2).
///
/// By the product rule dy/dx = h(x) + x·h′(x), where h′ = 1/6 for −3 < x < 3 and 0 elsewhere, both bounds included. y isn't
/// monotonic, so the input is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("hard swish")]
pub struct HardSwish;

impl HardSwish {
    /// h.
    pub(crate) const GATE: HardSigmoid = HardSigmoid { slope: 1.0 / 6.0, offset: 0.5 };
}

impl Function for HardSwish {
    #[inline(always)]
    fn f<L: Lanes>(self, x: L) -> L {
        x * Self::GATE.f(x)
    }
}

impl Differentiable for HardSwish {
    #[inline(always)]
    fn vjp<L: Lanes>(self, g: L, x: L) -> L {
        let gate = Self::GATE.f(x);
        g * gate + x * Self::GATE.vjp(g, gate)
    }
}

impl Pointwise for HardSwish {
    fn nature(&self) -> Nature {
        Nature::Smooth
    }
}

pointwise!(HardSwish, "hard swish", by input);

#[cfg(test)]
mod tests {
    use super::HardSwish;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_input_times_its_hard_sigmoid() {
        let tape = Tape::new();
        let x = tape.leaf(random([60], 1)).mul_scalar(6.0);
        assert_eq!(x.apply(HardSwish).value(), x.mul(&x.apply(HardSwish::GATE)).value());
    }

    #[test]
    fn gradients_agree_with_differences() {
        let checked = gradcheck(&[random([60], 2)], |v| v[0].mul_scalar(6.0).apply(HardSwish));
        assert_eq!(checked.skipped, 0);
        checked.within(1e-7).unwrap();
    }

    #[test]
    fn far_out_it_is_zero_or_the_input() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([4], vec![-1000.0_f32, -3.0, 3.0, 1000.0]));
        let y = x.apply(HardSwish);
        assert_eq!(y.value().as_slice(), &[0.0, 0.0, 3.0, 1000.0]);
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice(), &[0.0, 0.0, 1.0, 1.0]);
    }
}
