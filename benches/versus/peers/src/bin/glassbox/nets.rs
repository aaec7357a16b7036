//! Whole networks, from ONNX files.

use std::path::PathBuf;

use attribution::Method;
use attribution::methods::{GradCam, Gradient, GuidedBackprop};
use nn::optim::Sgd;
use nn::{Model, train};
use peers::{Net, Whole, Work};
use tensor::Tensor;

/// The work of a case, unless Glassbox can't read the network or can't do this with it.
pub fn prepare(net: &Whole) -> Result<Box<dyn Work>, String> {
    let images = Tensor::new(net.shape(), net.images());
    if net.pass == "load" {
        return Ok(Box::new(Loading { path: net.prediction.clone() }));
    }
    let path = if net.pass == "step" { &net.training } else { &net.prediction };
    let model = Model::load_onnx(path).map_err(|error| error.to_string())?;
    Ok(match &net.pass[..] {
        "fwd" => Box::new(Predicting { model, images }),
        "step" => {
            let optimizer = Sgd::new(Net::LEARNING_RATE, Net::MOMENTUM);
            Box::new(Training { model, optimizer, images, labels: net.labels() })
        }
        _ => Box::new(Explaining::new(model, images, &net.pass)?),
    })
}

struct Loading {
    path: PathBuf,
}

impl Work for Loading {
    fn run(&mut self) {
        Model::load_onnx(&self.path).expect("a network that can be read");
    }

    fn result(&mut self) -> Vec<f32> {
        Vec::new()
    }
}

struct Predicting {
    model: Model,
    images: Tensor<f32>,
}

impl Work for Predicting {
    fn run(&mut self) {
        scores(&self.model, &self.images);
    }

    fn result(&mut self) -> Vec<f32> {
        scores(&self.model, &self.images).as_slice().to_vec()
    }
}

fn scores(model: &Model, images: &Tensor<f32>) -> Tensor<f32> {
    model.predict(images.clone()).expect("images that fit")
}

struct Training {
    model: Model,
    optimizer: Sgd,
    images: Tensor<f32>,
    labels: Vec<usize>,
}

impl Work for Training {
    fn run(&mut self) {
        let images = self.images.clone();
        train::train_step(&mut self.model, &mut self.optimizer, images, &self.labels, 0.0, 0).expect("images that fit");
    }

    /// What the steps change of the scores.
    fn result(&mut self) -> Vec<f32> {
        let before = scores(&self.model, &self.images);
        for _ in 0..Net::CHECKED_STEPS {
            self.run();
        }
        let after = scores(&self.model, &self.images);
        after.as_slice().iter().zip(before.as_slice()).map(|(after, before)| after - before).collect()
    }
}

/// An explanation of class 0, the forward pass included.
struct Explaining {
    model: Model,
    images: Tensor<f32>,
    method: &'static dyn Method<f32>,
    /// The last layer whose output has rows and columns: what is pooled after it may be reshaped to one of them.
    layer: usize,
    /// Whether negative values count as zeros.
    positive: bool,
}

impl Explaining {
    fn new(model: Model, images: Tensor<f32>, pass: &str) -> Result<Self, String> {
        let method: &dyn Method<f32> = match pass {
            "grad-cam" => &GradCam,
            "guided" => &GuidedBackprop,
            _ => &Gradient,
        };
        let layer =
            model.layers().iter().rposition(|node| matches!(node.output_shape[..], [h, w, _] if h > 1 && w > 1));
        let layer = layer.ok_or("no layer has positions")?;
        let explaining = Self { model, images, method, layer, positive: pass == "grad-cam" };
        explaining.compute().map_err(|error| error.to_string())?;
        Ok(explaining)
    }

    fn compute(&self) -> Result<Vec<f32>, attribution::ExplainError> {
        let pass = attribution::Pass::new(&self.model, &self.images)?;
        let maps = pass.why(0).at(self.layer).explain_each(self.method)?;
        let least = if self.positive { 0.0 } else { f32::NEG_INFINITY };
        Ok(maps.iter().flat_map(|map| map.raw().iter().map(|value| value.max(least)).collect::<Vec<_>>()).collect())
    }
}

impl Work for Explaining {
    fn run(&mut self) {
        self.compute().expect("as when it was prepared");
    }

    fn result(&mut self) -> Vec<f32> {
        self.compute().expect("as when it was prepared")
    }
}
