//! Files written by an earlier version: they are still read, give the same bits, and are written the same way.
//!
//! All weights, images and gradients are such that every sum is exact in single precision: the bits depend neither on the
//! instruction set nor on the order of the sums.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nn::data::{Augmentation, Batch, LabelledImages};
use nn::optim::{Adam, AdamSettings, Decay, Optimizer, Schedule, Sgd};
use nn::train::{LAST, Trainer, Training};
use nn::{Layer, Model, Naming, WeightLayout};
use safetensors::SafeTensors;
use tensor::{Tensor, Var};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn file(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn same_layer(json: &str) {
    let layer: Layer = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&layer).unwrap(), json);
}

/// Every kind of layer, with settings that aren't the defaults.
#[test]
fn every_kind_of_layer_is_read_and_written() {
    String::from_utf8(file("layers.jsonl")).unwrap().lines().for_each(same_layer);
    // Before padding had channels.
    let pad = |channels| {
        let json =
            format!(r#"{{"type":"pad","padding":{{"top":1,"bottom":2,"left":3,"right":4}},{channels}"value":-0.25}}"#);
        serde_json::from_str::<Layer>(&json).unwrap()
    };
    assert_eq!(pad(""), pad(r#""channels":[0,0],"#));
}

#[test]
fn a_model_gives_the_same_scores_in_either_precision() {
    let model = Model::load(path("model.safetensors")).unwrap();
    let images = Tensor::<f32>::from_fn([2, 8, 8, 3], |i| (i * i % 7) as f32 - 3.0);
    let expected: [f32; 10] = [
        -8.544189,
        1.2697754,
        0.8376465,
        -2.2526855,
        1.3939209,
        -7.866455,
        1.3181152,
        -0.17700195,
        -0.8088379,
        -0.6854248,
    ];
    let found = model.predict(images.clone()).unwrap();
    assert_eq!(found.as_slice(), expected);
    let found = model.cast::<f64>().predict(images.cast()).unwrap();
    assert_eq!(found.as_slice(), expected.map(f64::from));
    assert!(model.to_bytes().unwrap() == file("model.safetensors"));
}

#[test]
fn weights_in_the_layout_of_pytorch_are_read_and_written() {
    let layers = &[("conv1", "features.0"), ("bn1", "features.1"), ("fc2", "classifier")];
    let naming = Naming { layout: WeightLayout::PyTorch, layers };
    let model = Model::load(path("model.safetensors")).unwrap();
    let builder = model.cut_after("scores").unwrap().info(model.info().clone());
    assert_eq!(builder.load_weights(path("weights.safetensors"), &naming).unwrap(), model);
    assert!(model.weights_to_bytes(&naming).unwrap() == file("weights.safetensors"));
}

/// Half the sum of all scores, with weight −1 for an image's own class and ½ for the others: its gradient is exact.
fn loss(scores: &Var<f32>, batch: &Batch) -> Var<f32> {
    let weight = |&label: &usize| [0, 1, 2].map(|class| if class == label { -1.0 } else { 0.5 });
    let weights = Tensor::new([batch.labels().len(), 3], batch.labels().iter().flat_map(weight).collect::<Vec<f32>>());
    scores.mul(&scores.tape().leaf(weights)).sum().mul_scalar(0.5)
}

/// Resumes a training of two steps from a checkpoint written after the first, and gives the checkpoint at its end.
fn resumed(checkpoint: &str, model: &mut Model, optimizer: impl Optimizer<f32>) -> Vec<u8> {
    // In every image, half of each channel is 0 and half 255: its mean is 0 after normalization, its variance 1.
    let pixels = [
        [255, 0, 255, 255, 0, 0, 0, 255],
        [0, 255, 0, 0, 255, 0, 255, 255],
        [255, 255, 0, 0, 0, 255, 255, 0],
        [0, 255, 255, 0, 0, 0, 255, 255],
    ];
    let classes = model.info().classes.clone();
    let images = LabelledImages::new(pixels.concat(), [4, 2, 2, 2], vec![0, 2, 1, 0], classes).unwrap();
    let training = Training {
        epochs: 1,
        batch_size: 2,
        learning_rate: 0.125,
        schedule: Schedule { warmup: 0.0, decay: Decay::Constant },
        weight_average: Some(0.75),
        seed: 5,
        ..Training::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join(LAST);
    fs::copy(path(checkpoint), &last).unwrap();
    let trainer = Trainer::new(training, optimizer).loss(loss).checkpoints(folder.path()).resume();
    let trainer = trainer.augmentation(Augmentation { flip: true, ..Augmentation::default() });
    assert_eq!(trainer.fit(model, &images).unwrap().step, 2);
    fs::read(last).unwrap()
}

#[test]
fn a_training_by_sgd_is_resumed_from_its_checkpoint() {
    let mut model = Model::load(path("start.safetensors")).unwrap();
    assert!(resumed("sgd.checkpoint.safetensors", &mut model, Sgd::new(0.125, 0.5)) == file("sgd.end.safetensors"));
}

/// All but the last layer is frozen. Adam divides, so the second step's loss is rounded; it isn't compared.
#[test]
fn a_training_by_adam_is_resumed_from_its_checkpoint() {
    let mut model = Model::load(path("start.safetensors")).unwrap();
    model.freeze_up_to("flat").unwrap();
    let adam = Adam::with(AdamSettings { weight_decay: 0.25, ..AdamSettings::new(0.125) });
    let tensors = |file: &[u8]| {
        let tensors = SafeTensors::deserialize(file).unwrap().tensors();
        tensors.into_iter().map(|(name, view)| (name, view.data().to_vec())).collect::<BTreeMap<_, _>>()
    };
    let found = resumed("adam.checkpoint.safetensors", &mut model, adam);
    assert_eq!(tensors(&found), tensors(&file("adam.end.safetensors")));
}
