//! A loss of your own: the focal loss, mean of −(1 − p)^γ · ln p of the true class (Lin et al. 2017), which weights down what the
//! network knows already. Written with operations that the tape has, it needs no derivative.
//!
//! ```sh
//! cargo run --release --example own_loss
//! ```

use std::error::Error;

use attribution::nn::data::{Batch, fashion_mnist};
use attribution::nn::layers::{Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use attribution::nn::losses::log_softmax;
use attribution::nn::optim::Sgd;
use attribution::nn::train::{Trainer, Training, evaluate};
use attribution::nn::{Model, ModelInfo};
use attribution::tensor::Var;

const GAMMA: i32 = 2;

/// The focal loss of logits `[N, K]`; a scalar.
fn focal_loss(logits: &Var<f32>, batch: &Batch) -> Var<f32> {
    let log_p = log_softmax(logits).pick_each(batch.labels()); // [N]
    let weight = log_p.exp().neg().add_scalar(1.0).powi(GAMMA);
    (&weight * &log_p).mean().neg()
}

fn main() -> Result<(), Box<dyn Error>> {
    let images = fashion_mnist::train().subset(&(0..1000).collect::<Vec<_>>());
    let test = fashion_mnist::test().subset(&(0..500).collect::<Vec<_>>());
    let mut model = Model::builder([28, 28, 1])
        .layer("conv1", Conv2d::new(16, 3))
        .layer("relu1", Relu)
        .layer("pool1", MaxPool::new(2))
        .layer("conv2", Conv2d::new(32, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10))
        .info(ModelInfo {
            classes: fashion_mnist::classes(),
            normalization: Some(images.statistics()),
            ..ModelInfo::default()
        })
        .build(1)?;
    let training = Training { epochs: 3, batch_size: 20, learning_rate: 0.1, seed: 1, ..Training::default() };
    Trainer::new(training, Sgd::new(0.1, 0.9)).loss(focal_loss).fit(&mut model, &images)?;
    let accuracy = evaluate(&model, &test)?.score().value();
    println!("accuracy on the test images: {accuracy:.3}");
    assert!(accuracy > 0.2, "better than chance, which is 0.1");
    Ok(())
}
