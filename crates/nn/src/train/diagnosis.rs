//! Where a number that is none came from.

use tensor::{Keep, Tape, Tensor};

use super::step::Lesson;
use crate::model::{Mode, Model, Source};

/// A place, in words, and what to do about it.
pub(super) struct Diagnosis {
    pub(super) place: String,
    pub(super) advice: &'static str,
}

const SMALLER_STEPS: &str = "try a smaller learning rate, a longer warm-up, or gradients clipped to a norm such as 1";

fn finite(values: &Tensor<f32>) -> bool {
    values.as_slice().iter().all(|x| x.is_finite())
}

/// Why the loss isn't finite, of the images or of what the trunk gives for them: the forward pass is made again, with
/// everything kept, and looked through in the order of the computation.
pub(super) fn of_loss(model: &Model<f32>, trunk: Source, values: &Tensor<f32>, seed: u64) -> Diagnosis {
    let (first, given) = match trunk {
        Source::Image => (0, "the images themselves".to_string()),
        Source::Layer(layer) => (layer + 1, format!("what frozen layers up to `{}` give", model.layers()[layer].name)),
    };
    if !finite(values) {
        return Diagnosis { place: given, advice: "look at the data and their normalization" };
    }
    let forward = model.forward_from(&Tape::keeping(Keep::All), trunk, values.clone(), Mode::Training { seed });
    for (index, layer) in model.layers().iter().enumerate().skip(first) {
        if let Some(broken) = model.parameters()[layer.parameters.clone()].iter().find(|p| !finite(&p.value)) {
            let place = format!("the weights `{}`, which the step before had changed", broken.name);
            return Diagnosis { place, advice: SMALLER_STEPS };
        }
        if !finite(forward.activation(index).value()) {
            let place = format!("the output of layer `{}` ({})", layer.name, layer.layer);
            return Diagnosis { place, advice: SMALLER_STEPS };
        }
    }
    Diagnosis { place: "the loss itself, of finite scores".into(), advice: "look at the loss" }
}

/// Where gradients first stopped being finite, on their way from the loss back to the image.
pub(super) fn of_gradients(model: &Model<f32>, lesson: &Lesson<f32>) -> Diagnosis {
    let broken = lesson.gradients.iter().rev().find(|(_, gradient)| !finite(gradient));
    let place = match broken {
        Some((place, _)) => format!("the gradient of `{}`", model.parameters()[*place].name),
        None => "the norm of all gradients together".into(),
    };
    Diagnosis { place, advice: SMALLER_STEPS }
}
