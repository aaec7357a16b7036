//! Backward rules: readings of the same tape that replace the vector–Jacobian product of chosen operations.
//!
//! ```text
//! exact       (x > 0) · g
//! deconvnet            (g > 0) · g
//! guided      (x > 0) · (g > 0) · g
//! ```
//!
//! for a ReLU with input x and upstream gradient g; all comparisons are strict.

mod deconv;
mod guided;
mod lrp;

use std::collections::BTreeMap;
use std::sync::Arc;

use nn::Real;
use nn::ops::{Clip, LeakyRelu, PRelu, Relu};
use tensor::ops::Abs;
use tensor::{Coverage, Linearity, Node};

pub use deconv::Deconv;
pub use guided::Guided;
pub use lrp::{AlphaBeta, Epsilon, Flat, Inputs, Layers, Lrp, LrpOnTape, LrpRule, Part, Products, ZBox};

/// Whether a rule about ReLUs has a meaning for this path.
///
/// # Errors
/// Names the first activation that the rule has no reading for, or says that there is no ReLU.
fn check_rectifiers<T: Real>(path: &[Arc<Node<T>>]) -> Result<(), String> {
    let mut rectifiers = 0;
    for node in path {
        let other = node.any_op().linearity() == Linearity::Nonlinear
            || node.op::<LeakyRelu>().is_some()
            || node.op::<PRelu>().is_some()
            || node.op::<Abs>().is_some();
        if other {
            let name = node.label().map(|label| format!(" of layer `{label}`")).unwrap_or_default();
            return Err(format!(
                "it reads ReLUs, and has no reading for the {}{name}; use gradient, input × gradient or integrated gradients",
                node.any_op().name()
            ));
        }
        rectifiers += usize::from(node.op::<Relu>().is_some() || node.op::<Clip>().is_some());
    }
    match rectifiers {
        0 => {
            Err("there is no ReLU on the way to the image, so the map would be the plain gradient; use gradient".into())
        }
        _ => Ok(()),
    }
}

/// What a rule replaced, in words: `7 of 7 ReLUs`, `12 of 12 ReLUs, ReLU6 included`.
#[must_use]
pub fn coverage_in_words(coverage: &BTreeMap<&'static str, Coverage>) -> String {
    let of = |name| coverage.get(name).copied().unwrap_or_default();
    let (relu, clip) = (of("relu"), of("clip"));
    let (replaced, total) = (relu.replaced + clip.replaced, relu.total + clip.total);
    let noun = if total == 1 { "ReLU" } else { "ReLUs" };
    let clipped = if clip.total > 0 { ", ReLU6 included" } else { "" };
    format!("{replaced} of {total} {noun}{clipped}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::wave;
    use nn::ops::{Gelu, NetworkOps, erf, layer_norm, power, prelu};
    use tensor::{Rule, Tape, Tensor, Var};

    /// f between two products, so that gradients of both signs arrive: x `[60]` and the gradient at x.
    fn through(f: impl Fn(&Var<f64>) -> Var<f64>, rule: &dyn Rule<f64>) -> (Tensor<f64>, Tensor<f64>, Tensor<f64>) {
        let tape = Tape::new();
        // Zeros and the clip's bounds are among them: the comparisons are strict.
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
        check(|x| x.relu(), &Guided, |x, g| on(x > 0.0) * on(g > 0.0) * g);
        check(|x| x.relu(), &Deconv, |_, g| on(g > 0.0) * g);
        let (min, max) = (-0.25, 0.5);
        check(|x| x.clip(Clip { min, max }), &Guided, |x, g| on(min < x && x < max) * on(g > 0.0) * g);
        check(|x| x.clip(Clip { min, max }), &Deconv, |_, g| on(g > 0.0) * g);
    }

    #[test]
    fn coverage_is_said_in_words() {
        let coverage = |f: fn(&Var<f64>) -> Var<f64>| {
            let tape = Tape::new();
            let x = tape.leaf(wave([5], 0.0));
            coverage_in_words(tape.backward(&f(&x), &Guided, [&x]).unwrap().coverage())
        };
        assert_eq!(coverage(|x| x.relu()), "1 of 1 ReLU");
        assert_eq!(coverage(|x| x.relu().neg().relu()), "2 of 2 ReLUs");
        assert_eq!(coverage(|x| x.relu().clip(Clip::RELU6)), "2 of 2 ReLUs, ReLU6 included");
    }

    #[test]
    fn what_has_no_reading_is_refused_by_name() {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(wave([5], 0.0));
        let message = |y: Var<f64>| tape.backward(&y, &Guided, [&x]).unwrap_err().to_string();
        fn ones(x: &Var<f64>) -> Var<f64> {
            x.tape().leaf(Tensor::full(x.shape(), 1.0))
        }
        type Function = fn(&Var<f64>) -> Var<f64>;
        let others: [(&str, Function); 12] = [
            ("sigmoid", |x| x.sigmoid()),
            ("silu", |x| x.silu()),
            ("tanh", |x| x.tanh()),
            ("elu", |x| x.elu(1.0)),
            ("gelu", |x| x.gelu(Gelu { tanh: false })),
            ("softplus", |x| x.softplus()),
            ("leaky relu", |x| x.leaky_relu(0.1)),
            ("prelu", |x| prelu(x, &ones(x))),
            ("erf", erf),
            ("power", |x| power(x, 2.0)),
            ("layer norm", |x| layer_norm(x, &ones(x), &ones(x), 1e-5)),
            ("abs", |x| x.abs()),
        ];
        for (name, f) in others {
            let found = message(f(&x.relu()).labelled("act7"));
            assert!(found.contains(&format!("no reading for the {name} of layer `act7`")), "{found}");
        }
        assert!(message(x.neg()).contains("there is no ReLU"));
    }
}
