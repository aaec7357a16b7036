//! Losses, gradients and trajectories of training against values computed with PyTorch.

use nn::losses::cross_entropy;
use nn::optim::{Adam, Optimizer, Sgd};
use nn::train::train_step;
use nn::{Mode, Model, Real};
use tensor::{Exact, Tape, Tensor};

use crate::support::{Stored, network, relative_error};

/// The batch of step `s`: rows 8·(s mod 4) to 8·(s mod 4) + 8.
fn batch<T: Real>(stored: &Stored, step: usize) -> (Tensor<T>, Vec<usize>) {
    let from = 8 * (step % 4);
    (stored.array("x").slice(0, from..from + 8).cast(), stored.integers("labels")[from..from + 8].to_vec())
}

fn check_gradients<T: Real>(name: &str, tolerance: f64) {
    let stored = Stored::open(&format!("small/{name}/train.safetensors"));
    let model = network(name).cast::<T>();
    let (images, labels) = batch::<T>(&stored, 0);
    let tape = Tape::new();
    let forward = model.forward(&tape, images, Mode::Training { seed: 0 }).unwrap();
    let loss = cross_entropy(&forward.logits, &labels, 0.0);
    let mut wanted: Vec<_> = forward.trained(&model).map(|(_, var)| var.clone()).collect();
    wanted.extend([forward.input.clone(), forward.logits.clone()]);
    let gradients = tape.backward(&loss, &Exact, &wanted).unwrap();

    let check = |what: &str, found: &Tensor<T>, stored: Tensor<f64>| {
        let error = relative_error(&found.cast(), &stored);
        assert!(error <= tolerance, "{name} {}: {what} is off by {error:e}", T::NAME);
    };
    check("loss", &loss.value().reshape([1]), stored.array("f64.loss"));
    check("logits", forward.logits.value(), stored.array("f64.logits"));
    check("∂logits", &gradients[&forward.logits], stored.array("f64.grad_logits"));
    // flatnet's digits lie on a flat background, where max pooling ties: which of the tied pixels gets the gradient hangs
    // on the last bit. Without padding a tie only moves it, so that each image's sum stays.
    let per_pixel = |gradient: Tensor<f64>| if name == "flatnet" { gradient.sum_to([8, 1, 1, 1]) } else { gradient };
    let found = per_pixel(gradients[&forward.input].cast());
    let error = relative_error(&found, &per_pixel(stored.array("f64.grad_input")));
    assert!(error <= tolerance, "{name} {}: ∂input is off by {error:e}", T::NAME);
    for (place, var) in forward.trained(&model) {
        let parameter = &model.parameters()[place].name;
        check(parameter, &gradients[var], stored.array(&format!("f64.hwio.{parameter}")));
    }
}

fn check_trajectory<T: Real>(
    name: &str,
    rule: &str,
    mut optimizer: impl Optimizer<T>,
    losses: f64,
    weights: Option<f64>,
) {
    let stored = Stored::open(&format!("small/{name}/train.safetensors"));
    let mut model: Model<T> = network(name).cast();
    let expected = stored.array(&format!("f64.{rule}.losses"));
    for (step, &expected) in expected.as_slice().iter().enumerate() {
        let (images, labels) = batch::<T>(&stored, step);
        let loss = train_step(&mut model, &mut optimizer, images, &labels, 0.0, 0).unwrap().as_f64();
        let error = (loss - expected).abs() / expected;
        assert!(error <= losses, "{name} {rule} {}, step {step}: {loss}, stored {expected}", T::NAME);
    }
    let Some(tolerance) = weights else { return };
    for parameter in model.parameters() {
        let stored = stored.array(&format!("f64.{rule}.final.hwio.{}", parameter.name));
        let error = relative_error(&parameter.value.cast(), &stored);
        assert!(error <= tolerance, "{name} {rule}: {} is off by {error:e}", parameter.name);
    }
}

#[test]
fn loss_and_gradients_of_a_batch_in_f64() {
    check_gradients::<f64>("gapnet", 1e-10);
    check_gradients::<f64>("flatnet", 1e-10);
}

/// PyTorch's own f32 run is off from its f64 run by 1.6e-6 (gapnet) and 4.1e-7 (flatnet) at worst.
#[test]
fn loss_and_gradients_of_a_batch_in_f32() {
    check_gradients::<f32>("gapnet", 1.6e-6);
    check_gradients::<f32>("flatnet", 1.6e-6);
}

#[test]
fn twenty_steps_of_sgd_and_adam_in_f64() {
    for name in ["gapnet", "flatnet"] {
        check_trajectory::<f64>(name, "sgd", Sgd::new(0.05, 0.9), 1e-9, Some(1e-9));
        check_trajectory::<f64>(name, "adam", Adam::new(0.01), 1e-9, Some(1e-8));
    }
}

/// PyTorch's own f32 losses are off from its f64 ones by up to 4.2e-7.
#[test]
fn twenty_steps_of_sgd_and_adam_in_f32() {
    for name in ["gapnet", "flatnet"] {
        check_trajectory::<f32>(name, "sgd", Sgd::new(0.05, 0.9), 2e-6, None);
        check_trajectory::<f32>(name, "adam", Adam::new(0.01), 2e-6, None);
    }
}
