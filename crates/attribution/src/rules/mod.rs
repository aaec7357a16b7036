//! Backward rules: they read the same tape, but replace the vector–Jacobian products of certain operations.
//!
//! ```text
//! exact       (x > 0) · g
//! deconvnet            (g > 0) · g
//! guided      (x > 0) · (g > 0) · g
//! ```
//!
//! for a ReLU with input x and upstream gradient g; all comparisons are strict.

mod coverage;
mod deconv;
mod guided;
mod lrp;
#[cfg(test)]
mod natures;
mod refusal;
mod rescale;

use std::sync::Arc;

use nn::Real;
use tensor::{Nature, Node};

pub use coverage::Coverage;
pub use deconv::Deconv;
pub use guided::Guided;
pub(crate) use lrp::Reading;
pub use lrp::{
    AlphaBeta, Composite, Epsilon, Flat, Gamma, Inputs, Layers, LrpOnTape, LrpRule, Part, Products, WSquare, ZBox,
};
pub use refusal::{Operation, Refusal};
pub(crate) use rescale::Multiplier;
pub use rescale::Rescale;

/// Checks that a rule for ReLUs applies to this path.
///
/// # Errors
/// If the path has an operation that the rule can't handle, or no ReLU.
fn check_rectifiers<T: Real>(path: &[Arc<Node<T>>]) -> Result<(), Refusal> {
    let mut rectifiers = 0;
    for node in path {
        match node.any_op().nature() {
            Nature::Rectifier { .. } => rectifiers += 1,
            Nature::Moves | Nature::Chooses | Nature::Linear | Nature::Multilinear | Nature::Affine { .. } => {}
            Nature::Bends | Nature::Smooth | Nature::Other => {
                return Err(Refusal::NotRectifier(Operation::of(node)));
            }
        }
    }
    if rectifiers > 0 { Ok(()) } else { Err(Refusal::NoRectifier) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;
    use nn::layers::{
        Apply, Clip, Conv2d, Elu, Erf, Gelu, GlobalAvgPool, HardSigmoid, HardSwish, LayerNorm, LeakyRelu, PRelu, Power,
        Relu, Sigmoid, Silu, Softplus,
    };
    use nn::{Mode, Model};
    use tensor::{BackwardError, Keep, Rule, Tape, Tensor, Var};

    /// x `[60]`, the gradient at f(x), with values of both signs, and the gradient at x.
    fn through(f: impl Fn(&Var<f64>) -> Var<f64>, rule: &dyn Rule<f64>) -> (Tensor<f64>, Tensor<f64>, Tensor<f64>) {
        let tape = Tape::new();
        // Zeros and the bounds of the clip are included, since the comparisons are strict.
        let mut x = wave::<f64>([60], 0.3);
        x.make_mut()[..4].copy_from_slice(&[0.0, -0.0, 0.5, -0.25]);
        let (x, g) = (tape.leaf(x), tape.leaf(wave([60], 5.0)));
        let y = f(&x).mul(&g).sum();
        let gradient = tape.backward(&y, rule, [&x]).unwrap().take(&x).unwrap();
        (x.value().clone(), g.value().clone(), gradient)
    }

    fn check(f: impl Fn(&Var<f64>) -> Var<f64>, rule: &dyn Rule<f64>, formula: impl Fn(f64, f64) -> f64) {
        let (x, g, found) = through(f, rule);
        for ((&x, &g), &found) in x.as_slice().iter().zip(g.as_slice()).zip(found.as_slice()) {
            assert_eq!(found, formula(x, g), "{} at x = {x}, g = {g}", rule.name());
        }
    }

    fn on(condition: bool) -> f64 {
        f64::from(u8::from(condition))
    }

    #[test]
    fn the_rules_are_their_formulas() {
        check(|x| x.apply(Relu), &Guided, |x, g| on(x > 0.0) * on(g > 0.0) * g);
        check(|x| x.apply(Relu), &Deconv, |_, g| on(g > 0.0) * g);
        let (min, max) = (-0.25, 0.5);
        check(|x| x.apply(Clip { min, max }), &Guided, |x, g| on(min < x && x < max) * on(g > 0.0) * g);
        check(|x| x.apply(Clip { min, max }), &Deconv, |_, g| on(g > 0.0) * g);
    }

    #[test]
    fn coverage_is_described() {
        let coverage = |f: fn(&Var<f64>) -> Var<f64>| {
            let tape = Tape::new();
            let x = tape.leaf(wave([5], 0.0));
            Coverage::of(tape.backward(&f(&x), &Guided, [&x]).unwrap().coverage()).to_string()
        };
        assert_eq!(coverage(|x| x.apply(Relu)), "1 of 1 ReLU");
        assert_eq!(coverage(|x| x.apply(Relu).neg().apply(Relu)), "2 of 2 ReLUs");
        assert_eq!(coverage(|x| x.apply(Relu).apply(Clip::RELU6)), "2 of 2 ReLUs, ReLU6 included");
    }

    /// A convolution and its ReLU are computed together, and are two operations on the tape: the rules miss no ReLU.
    #[test]
    fn a_relu_that_is_computed_with_the_layer_before_is_covered() {
        let model = Model::builder([5, 5, 2]).layer("conv", Conv2d::new(2, 3)).layer("relu1", Relu);
        let model = model.layer("gap", GlobalAvgPool).layer("relu2", Relu).build(1).unwrap().cast();
        for (keep, mode) in [(Keep::Needed, Mode::Training { seed: 1 }), (Keep::All, Mode::Evaluation)] {
            let tape = Tape::<f64>::keeping(keep);
            let forward = model.forward(&tape, wave([1, 5, 5, 2], 0.0), mode).unwrap();
            for rule in [&Guided as &dyn Rule<f64>, &Deconv] {
                let gradients = tape.backward(&forward.logits, rule, [&forward.input]).unwrap();
                assert_eq!(Coverage::of(gradients.coverage()).to_string(), "2 of 2 ReLUs");
            }
        }
    }

    #[test]
    fn what_has_no_reading_is_refused_by_name() {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(wave([1, 5], 0.0));
        let message = |y: Var<f64>| tape.backward(&y, &Guided, [&x]).unwrap_err().to_string();
        fn ones(x: &Var<f64>) -> Var<f64> {
            x.tape().leaf(Tensor::full([5], 1.0))
        }
        type Function = fn(&Var<f64>) -> Var<f64>;
        let others: [(&str, Function); 14] = [
            ("sigmoid", |x| x.apply(Sigmoid)),
            ("hard sigmoid", |x| x.apply(HardSigmoid { slope: 0.2, offset: 0.5 })),
            ("silu", |x| x.apply(Silu)),
            ("hard swish", |x| x.apply(HardSwish)),
            ("tanh", |x| x.tanh()),
            ("elu", |x| x.apply(Elu { alpha: 1.0 })),
            ("gelu", |x| x.apply(Gelu { tanh: false })),
            ("softplus", |x| x.apply(Softplus)),
            ("leaky relu", |x| x.apply(LeakyRelu { slope: 0.1 })),
            ("prelu", |x| x.apply_with(PRelu, &[&ones(x)])),
            ("erf", |x| x.apply(Erf)),
            ("power", |x| x.apply(Power { exponent: 2.0 })),
            ("layer norm", |x| x.apply_with(LayerNorm { epsilon: 1e-5 }, &[&ones(x), &ones(x)])),
            ("abs", |x| x.abs()),
        ];
        for (name, f) in others {
            let found = message(f(&x.apply(Relu)).labelled("act7"));
            assert!(found.contains(&format!("not defined for the {name} of layer `act7`")), "{found}");
        }
        assert!(message(x.neg()).contains("there is no ReLU"));
        let refused = tape.backward(&x.abs().labelled("act7"), &Guided, [&x]).unwrap_err();
        let BackwardError::Refused { reason, .. } = &refused else { panic!("{refused}") };
        let abs = Operation { name: "abs", layer: Some("act7".into()) };
        assert_eq!(reason.downcast_ref(), Some(&Refusal::NotRectifier(abs)));
    }
}
