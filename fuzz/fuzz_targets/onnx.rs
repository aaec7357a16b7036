//! ONNX files: what is accepted is written in both formats and read back, and run if it is small.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::{Layer, Model};
use tensor::Tensor;

/// Models with more work or memory in them than this are read, but not run.
const MOST_WORK: u64 = 1 << 20;

fuzz_target!(|file: &[u8]| {
    let Ok(model) = Model::from_onnx(file) else { return };
    let bytes = model.to_bytes().expect("what was read can be written");
    assert!(Model::from_bytes(&bytes).expect("what was written can be read") == model);
    let _ = Model::from_onnx(&model.to_onnx().expect("what was read can be written"));
    let values: usize = model.layers().iter().map(|node| node.output_shape.iter().product::<usize>()).sum();
    // Windows are walked tap by tap, also where there is nothing to multiply.
    let taps = |node: &nn::ModelNode| match &node.layer {
        Layer::MaxPool(pool) | Layer::AvgPool { pool, .. } => {
            (pool.kernel.iter().product::<usize>().min(values) * node.output_shape.iter().product::<usize>()) as u64
        }
        _ => node.inputs.len() as u64,
    };
    let work = model.summary().multiply_adds.saturating_add(model.layers().iter().map(taps).sum());
    let [height, width, channels] = model.input_shape();
    if values + height * width * channels > MOST_WORK as usize || work > MOST_WORK {
        return;
    }
    let image = Tensor::from_fn([1, height, width, channels], |i| (i as f32 * 0.7).sin());
    let _ = model.predict(image).expect("a picture of the model's shape");
});
