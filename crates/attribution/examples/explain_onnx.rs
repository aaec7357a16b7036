//! Explains what a network in an ONNX file says of a picture, and draws the map over it. The file holds the normalization and the
//! classes if `glassbox export` wrote them; else they are given here.
//!
//! ```sh
//! cargo run --release --example explain_onnx -- resnet18.onnx cat.jpg cat.map.png
//! ```

use std::error::Error;

use attribution::methods::GradCam;
use attribution::nn::data::Normalization;
use attribution::nn::{Model, ModelInfo};
use attribution::{Pass, Photo};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [network, picture, drawing] = &arguments[..] else {
        return Err("expected an ONNX file, a picture, and the file of the drawing".into());
    };
    let mut model = Model::load_onnx(network)?;
    if model.info().normalization.is_none() {
        // ImageNet's, which most published networks were trained with.
        let normalization = Normalization::new(vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225])?;
        let info = ModelInfo { normalization: Some(normalization), ..model.info().clone() };
        model = model.with_info(info)?;
    }

    let photo = Photo::open(picture)?;
    let pass = Pass::new(&model, &photo)?;
    for prediction in pass.top(3) {
        println!("{} {:.3}", prediction.name, prediction.value);
    }
    let map = pass.why(pass.top(1)[0].class).explain(&GradCam)?;
    println!("{}", map.verdict());
    map.over(&photo).save(drawing)?;
    Ok(())
}
