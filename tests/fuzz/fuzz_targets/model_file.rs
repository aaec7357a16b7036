//! Model files: safetensors with an architecture, architectures alone, and weights for a model that is built in Rust.
#![no_main]

use std::collections::HashMap;

use glassbox_fuzz::is_small;
use libfuzzer_sys::fuzz_target;
use nn::layers::{Conv2d, Flatten, Linear};
use nn::{Mode, Model, Naming, WeightLayout};
use safetensors::tensor::TensorView;
use tensor::{Exact, Tape, Tensor};

fuzz_target!(|file: &[u8]| {
    if let Ok(model) = Model::from_bytes(file) {
        look_at(&model);
    }
    // Behind the outer format's checks, where a fuzzer rarely comes: layers without weights.
    if let Ok(architecture) = str::from_utf8(file) {
        let metadata = HashMap::from([("glassbox".to_string(), architecture.to_string())]);
        let none: [(&str, TensorView<'_>); 0] = [];
        let file = safetensors::serialize(none, Some(metadata)).expect("text can be written");
        if let Ok(model) = Model::from_bytes(&file) {
            look_at(&model);
        }
    }
    for layout in [WeightLayout::ChannelsLast, WeightLayout::PyTorch] {
        let net = Model::builder([2, 2, 1])
            .layer("conv", Conv2d::new(2, 1))
            .layer("flatten", Flatten)
            .layer("fc", Linear::new(2));
        let _ = net.build_with(file, &Naming { layout, layers: &[] });
    }
});

fn look_at(model: &Model) {
    let bytes = model.to_bytes().expect("what was read can be written");
    assert_eq!(&Model::from_bytes(&bytes).expect("what was written can be read"), model);
    let _ = model.summary().to_string();
    if !is_small(model) {
        return;
    }
    let [height, width, channels] = model.input_shape();
    let images = Tensor::from_fn([1, height, width, channels], |i| (i as f32 * 0.7).sin());
    let tape = Tape::new();
    let forward = model.forward(&tape, images, Mode::Evaluation).expect("an image of the model's own shape");
    let _ = tape.backward(&forward.logits, &Exact, [&forward.input]).expect("the exact rule refuses nothing");
}
