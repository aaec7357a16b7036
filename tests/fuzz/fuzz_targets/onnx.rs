//! ONNX files: what is accepted is written in both formats and read back, and run if it is small.
#![no_main]

use glassbox_fuzz::is_small;
use libfuzzer_sys::fuzz_target;
use nn::Model;
use tensor::Tensor;

fuzz_target!(|file: &[u8]| {
    let Ok(model) = Model::from_onnx(file) else { return };
    let bytes = model.to_bytes().expect("what was read can be written");
    assert!(Model::from_bytes(&bytes).expect("what was written can be read") == model);
    let _ = Model::from_onnx(&model.to_onnx());
    if !is_small(&model) {
        return;
    }
    let [height, width, channels] = model.input_shape();
    let image = Tensor::from_fn([1, height, width, channels], |i| (i as f32 * 0.7).sin());
    let _ = model.predict(image).expect("a picture of the model's shape");
});
