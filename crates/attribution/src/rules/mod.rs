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

use std::collections::BTreeMap;
use std::sync::Arc;

use nn::Real;
use nn::ops::{Clip, LeakyRelu, Relu};
use tensor::ops::Abs;
use tensor::{Coverage, Linearity, Node};

pub use deconv::Deconv;
pub use guided::Guided;

/// Whether a rule about ReLUs has a meaning for this path.
///
/// # Errors
/// Names the first activation that the rule has no reading for, or says that there is no ReLU.
fn check_rectifiers<T: Real>(path: &[Arc<Node<T>>]) -> Result<(), String> {
    let mut rectifiers = 0;
    for node in path {
        let other = node.any_op().linearity() == Linearity::Nonlinear
            || node.op::<LeakyRelu>().is_some()
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
