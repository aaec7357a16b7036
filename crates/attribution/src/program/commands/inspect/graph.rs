//! A drawing of the tape: `glassbox inspect --graph`.

use std::path::Path;

use attribution::Pass;
use attribution::methods::Preset;
use attribution::rules::{Deconv, Guided};
use clap::ValueEnum;
use nn::Model;
use tensor::{Exact, Rule, Tensor};

use crate::program::files::folder;
use crate::program::terminal::{Failure, say};

/// A backward rule.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Reading {
    /// The chain rule
    Exact,
    /// Guided backpropagation: replaces ReLUs
    Guided,
    /// The deconvolutional network: replaces ReLUs
    Deconvnet,
    /// Layer-wise relevance propagation: replaces convolutions and fully connected layers
    Lrp,
}

/// Draws the tape of one picture, and the path of the gradient from the scores to the output of layer `to`, or to the
/// image.
pub(crate) fn write(model: &Model, reading: Reading, to: Option<&str>, file: &Path) -> Result<(), Failure> {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["svg", "dot"].contains(&ending) {
        return Err(format!("{}: expected a file that ends in .svg or .dot", file.display()).into());
    }
    let to = to.map(|layer| model.layer_index(layer)).transpose()?;
    folder::prepare_for(file)?;
    // The values don't matter: the drawing depends only on the layers.
    let pass = Pass::new(model, Tensor::zeros(model.input_shape()))?;
    let (tape, forward) = (pass.tape(), pass.forward());
    let lrp;
    let rule: &dyn Rule<f32> = match reading {
        Reading::Exact => &Exact,
        Reading::Guided => &Guided,
        Reading::Deconvnet => &Deconv,
        Reading::Lrp => {
            lrp = Preset::default().composite(model).on(tape, forward.input())?;
            &lrp
        }
    };
    let wanted = to.map_or(forward.input(), |layer| forward.activation(layer));
    let graph = tape.graph().with_gradients(&tape.backward(forward.logits(), rule, [wanted])?);
    let drawing = if ending == "svg" { graph.to_svg() } else { graph.to_dot() };
    folder::write(file, &drawing)?;
    say!("\nThe tape is drawn in {}", file.display());
    Ok(())
}
