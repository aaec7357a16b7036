//! Trains a network on a folder that has a folder of pictures for each class, and writes it.
//!
//! ```sh
//! cargo run --release --example train_on_a_folder -- pets pets.safetensors
//! ```

use std::error::Error;

use attribution::nn::data::{Dataset, FolderSettings, ImageFolder, Split, Subset, Unreadable};
use attribution::nn::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use attribution::nn::optim::Sgd;
use attribution::nn::train::{Trainer, Training, evaluate};
use attribution::nn::{Model, ModelInfo, data::Crop};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("expected a folder with a folder of pictures for each class, and the network's file".into());
    };
    let settings =
        FolderSettings { shape: [64, 64, 3], crop: Crop::default(), unreadable: Unreadable::Refuse, memory: 1 << 30 };
    let pictures = ImageFolder::open(folder, settings, |_, _| ())?;
    let parts = Split { validation: 0.0, test: 0.2, seed: 1 }.of(&pictures)?;
    let (training, test) = (Subset::new(&pictures, parts.training), Subset::new(&pictures, parts.test));

    let info = ModelInfo {
        classes: pictures.class_names().to_vec(),
        normalization: Some(training.statistics()?),
        ..ModelInfo::default()
    };
    let mut model = Model::builder(pictures.image_shape())
        .layer("conv1", Conv2d::new(16, 3))
        .layer("relu1", Relu)
        .layer("pool1", MaxPool::new(2))
        .layer("conv2", Conv2d::new(32, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(info.classes.len()))
        .info(info)
        .build(1)?;
    let settings = Training { epochs: 5, batch_size: 16, learning_rate: 0.05, seed: 1, ..Training::default() };
    Trainer::new(settings, Sgd::new(0.05, 0.9))
        .on_epoch(|epoch, _| {
            println!("epoch {}: loss {:.3}", epoch.epoch + 1, epoch.loss);
            std::ops::ControlFlow::Continue(())
        })
        .fit(&mut model, &training)?;
    println!("test: {:.3}", evaluate(&model, &test)?.score().value());
    model.save(file)?;
    Ok(())
}
