//! Schedules and optimisers against values computed with PyTorch.

use std::fs;

use nn::Parameter;
use nn::optim::{Adam, AdamSettings, Optimizer, Schedule, Sgd, SgdSettings, clip_norm};
use serde_json::Value;
use tensor::Tensor;

use crate::support::reference;

fn stored() -> Value {
    serde_json::from_slice(&fs::read(reference("optimizers.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn schedules_agree() {
    let stored = stored();
    let cases = stored["schedules"].as_array().unwrap();
    assert_eq!(cases.len(), 19);
    for case in cases {
        let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).unwrap();
        let factors = numbers(&case["factors"]);
        for (step, expected) in factors.iter().enumerate() {
            let found = schedule.factor(step, factors.len());
            // `CosineAnnealingLR` computes each rate from the one before, which adds up roundings.
            assert!((found - expected).abs() < 1e-13, "{schedule:?}, step {step}: {found}, stored {expected}");
        }
    }
}

/// Six weights `[3, 2]` and two biases.
fn tensors(values: &[f64]) -> Vec<(usize, Tensor<f64>)> {
    vec![(0, Tensor::new([3, 2], values[..6].to_vec())), (1, Tensor::new([2], values[6..].to_vec()))]
}

fn check(name: &str, mut optimizer: impl Optimizer<f64>, clip: Option<f64>) {
    let stored = stored();
    let start = tensors(&numbers(&stored["start"])).into_iter();
    let mut parameters: Vec<Parameter<f64>> =
        start.map(|(index, value)| Parameter { name: index.to_string(), trainable: true, value }).collect();
    let expected = &stored["optimizers"][name];
    for (step, gradients) in stored["gradients"].as_array().unwrap().iter().enumerate() {
        let mut gradients = tensors(&numbers(gradients));
        if let Some(most) = clip {
            let norm = clip_norm(&mut gradients, most);
            assert!(
                (norm / expected["norms"][step].as_f64().unwrap() - 1.0).abs() < 1e-14,
                "{name}, step {step}: {norm}"
            );
        }
        optimizer.step(&mut parameters, &gradients);
        let found = parameters.iter().flat_map(|p| p.value.as_slice().to_vec());
        for (found, expected) in found.zip(numbers(&expected["weights"][step])) {
            let tolerance = if clip.is_some() { 1e-6 } else { 1e-13 };
            assert!((found - expected).abs() < tolerance, "{name}, step {step}: {found}, stored {expected}");
        }
    }
    assert_eq!(optimizer.state().steps, 10);
}

#[test]
fn optimizers_agree() {
    let sgd = SgdSettings { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: false };
    check("sgd", Sgd::with(sgd), None);
    check("nesterov", Sgd::with(SgdSettings { nesterov: true, ..sgd }), None);
    let adam = AdamSettings { weight_decay: 0.01, decoupled: false, ..AdamSettings::new(0.1) };
    check("adam", Adam::with(adam), None);
    let adamw = AdamSettings { weight_decay: 0.05, beta1: 0.8, beta2: 0.95, ..AdamSettings::new(0.1) };
    check("adamw", Adam::with(adamw), None);
}

/// PyTorch divides by the norm plus 10⁻⁶.
#[test]
fn clipped_gradients_agree() {
    check("clipped", Sgd::new(0.1, 0.0), Some(2.5));
}
