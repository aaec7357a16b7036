//! A small network that learns while it is watched.

use std::ops::ControlFlow::{Break, Continue};

use attribution::methods::GradCam;
use attribution::{Pass, Photo};
use ndarray::ArrayView3;
use nn::data::LabelledImages;
use nn::layers::{BatchNorm, Conv2d, Flatten, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::optim::{Adam, Decay, Optimizer, Schedule, Sgd};
use nn::train::{Bookmark, Trainer, Training, evaluate};
use nn::{Model, ModelInfo};
use serde::Deserialize;
use serde_json::{Value, json};
use tensor::Tensor;

use crate::message::{Reply, said};
use crate::palettes::colours;
use crate::terminal::Failure;

/// Height and width of the pictures.
const SIDE: usize = 28;
/// Limit on a block's channels and on the number of blocks, so that a step stays quick.
const MAX_CHANNELS: usize = 128;
const MAX_BLOCKS: usize = 8;
/// The pictures that are watched.
const WATCHED: usize = 10;
/// More than anybody waits for.
const EPOCHS: usize = 100_000;

/// The settings of a training.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    blocks: Vec<Block>,
    /// Whether the features are averaged before the last layer, so that CAM applies; or else flattened.
    average: bool,
    optimizer: Kind,
    batch: usize,
    seed: u64,
    pictures: Pictures,
}

/// A convolution, 3×3, then ReLU.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    channels: usize,
    /// Whether there is a batch norm before the ReLU.
    norm: bool,
    /// Whether the maximum of 2×2 positions is taken after it.
    pool: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Gradient descent with momentum 0.9.
    Sgd,
    Adam,
}

/// Grey pictures, whose pixels are the bytes of the message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pictures {
    classes: Vec<String>,
    /// The class of each picture.
    labels: Vec<usize>,
    /// Number of pictures at the end that the network doesn't learn from, but is tried on.
    tried: usize,
}

/// A training.
pub(crate) struct Learn {
    training: Training,
    images: LabelledImages,
    /// Pictures that it doesn't learn from, unless there are no others.
    tried: LabelledImages,
    /// Of them, the first of each class.
    watched: LabelledImages,
    model: Model,
    optimizer: Box<dyn Optimizer<f32>>,
    bookmark: Bookmark,
}

impl Learn {
    /// A network with random weights.
    pub(crate) fn new(settings: &Settings, bytes: &[u8]) -> Result<Self, Failure> {
        let Settings { blocks, optimizer, batch, seed, pictures, .. } = settings;
        let Pictures { classes, labels, tried } = pictures;
        let all = LabelledImages::new(bytes.to_vec(), [labels.len(), SIDE, SIDE, 1], labels.clone(), classes.clone())?;
        let learnt = labels.len().saturating_sub(*tried);
        let part = |indices: std::ops::Range<usize>| all.subset(&indices.collect::<Vec<_>>());
        let (images, tried) = match tried {
            0 => (all.clone(), all),
            _ => (part(0..learnt), part(learnt..labels.len())),
        };
        if images.class_names().len() < 2 || images.is_empty() {
            return Err("a network learns to tell classes apart: it needs pictures of at least two".into());
        }
        if blocks.len() > MAX_BLOCKS || blocks.iter().any(|block| !(1..=MAX_CHANNELS).contains(&block.channels)) {
            return Err(format!("expected up to {MAX_BLOCKS} blocks of 1 to {MAX_CHANNELS} channels").into());
        }
        let first = |class| tried.labels().iter().position(|&label| label == class);
        let watched: Vec<usize> = (0..images.class_names().len()).filter_map(first).take(WATCHED).collect();
        let info = ModelInfo {
            classes: images.class_names().to_vec(),
            normalization: Some(images.statistics()),
            ..ModelInfo::default()
        };
        let model = settings.network(images.class_names().len()).info(info).build(*seed)?;
        let schedule = Schedule { warmup: 0.0, decay: Decay::Constant };
        let training = Training {
            epochs: EPOCHS,
            batch_size: (*batch).clamp(1, 512),
            schedule,
            seed: *seed,
            ..Training::default()
        };
        let optimizer: Box<dyn Optimizer<f32>> = match optimizer {
            Kind::Sgd => Box::new(Sgd::new(training.learning_rate, 0.9)),
            Kind::Adam => Box::new(Adam::new(training.learning_rate)),
        };
        let watched = tried.subset(&watched);
        Ok(Self { training, images, tried, watched, model, optimizer, bookmark: Bookmark::default() })
    }

    /// The network as a table, and the pictures that are watched.
    pub(crate) fn begun(&self) -> Reply {
        let summary = self.model.summary();
        let layers = summary.layers.iter().map(|layer| {
            json!({ "name": layer.name, "kind": layer.kind, "output": layer.output, "parameters": layer.parameters })
        });
        let mut reply = said(json!({
            "layers": layers.collect::<Vec<_>>(),
            "parameters": summary.parameters,
            "classes": self.images.class_names(),
            "images": self.images.len(),
            "labels": self.watched.labels(),
            "colours": colours(),
            "each": self.images.len().div_ceil(self.training.batch_size),
        }));
        reply.json["pictures"] = reply.bytes(self.watched.pixels().iter().copied());
        reply
    }

    /// Takes up to `steps` steps.
    pub(crate) fn train(&mut self, steps: usize, learning_rate: f64) -> Result<Reply, Failure> {
        let training = Training { learning_rate, ..self.training };
        let mut taken: Vec<Value> = Vec::new();
        let trainer =
            Trainer::new(training, &mut self.optimizer).bookmark(&mut self.bookmark).on_step(|progress, _| {
                taken.push(json!([progress.step, progress.loss, progress.score.value()]));
                if taken.len() >= steps { Break(()) } else { Continue(()) }
            });
        trainer.fit(&mut self.model, &self.images)?;
        Ok(said(json!({ "steps": taken })))
    }

    /// What the network says now: of the pictures it is tried on, and, with maps, of those that are watched.
    pub(crate) fn look(&self) -> Result<Reply, Failure> {
        let evaluation = evaluate(&self.model, &self.tried)?;
        let classes = self.images.class_names().len();
        let confusion = evaluation.confusion().map(|confusion| {
            let row = |truth| (0..classes).map(|class| confusion.count(truth, class)).collect::<Vec<_>>();
            (0..classes).map(row).collect::<Vec<_>>()
        });
        let mut reply = said(json!({
            "loss": evaluation.loss,
            "accuracy": evaluation.score().value(),
            "confusion": confusion,
            "maps": [],
        }));
        for index in 0..self.watched.len() {
            let map = self.seen(&mut reply, self.watched.image(index), Some(self.watched.labels()[index]))?;
            reply.json["maps"].as_array_mut().expect("it is a list").push(map);
        }
        Ok(reply)
    }

    /// What the network says of a picture that the user drew.
    pub(crate) fn guess(&self, pixels: &[u8]) -> Result<Reply, Failure> {
        let mut reply = Reply::default();
        reply.json = self.seen(&mut reply, pixels, None)?;
        Ok(reply)
    }

    /// The likeliest classes of a picture, and where the network looks for a class, by Grad-CAM: the likeliest, unless one is named.
    fn seen(&self, reply: &mut Reply, pixels: &[u8], class: Option<usize>) -> Result<Value, Failure> {
        let pass = Pass::new(&self.model, &photo(pixels)?)?;
        let top = pass.top(3);
        let class = class.unwrap_or(top[0].class);
        let map = pass.why(class).explain(&GradCam)?;
        let values = map.over_input();
        Ok(json!({
            "top": top.iter().map(|said| json!([said.class, said.value])).collect::<Vec<_>>(),
            "class": class,
            "share": pass.prediction(0, class).value,
            "verdict": map.verdict().to_string(),
            "evidence": map.verdict().is_evidence(),
            "values": reply.floats(values),
        }))
    }

    /// The network as a file of the program, or as ONNX.
    pub(crate) fn save(&self, onnx: bool) -> Result<Reply, Failure> {
        let mut reply = Reply::default();
        let file = if onnx { self.model.to_onnx() } else { self.model.to_bytes()? };
        reply.json = json!({ "file": reply.bytes(file) });
        Ok(reply)
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// A picture that is watched, as the network takes it: `[1, H, W, 1]`.
    pub(crate) fn input(&self, picture: usize) -> Result<(Tensor<f32>, usize), Failure> {
        if picture >= self.watched.len() {
            return Err("there is no such picture".into());
        }
        let mut values = Vec::new();
        let normalization = self.model.info().normalization.as_ref().ok_or("the network has no normalization")?;
        self.watched.gather(&[picture], normalization, &mut values);
        Ok((Tensor::new([1, SIDE, SIDE, 1], values), self.watched.labels()[picture]))
    }
}

impl Settings {
    /// The network's layers, named as `glassbox train` names them.
    fn network(&self, classes: usize) -> nn::ModelBuilder {
        let mut builder = Model::builder([SIDE, SIDE, 1]);
        for (number, block) in (1..).zip(&self.blocks) {
            let conv = Conv2d::new(block.channels, 3);
            builder = builder.layer(format!("conv{number}"), if block.norm { conv.without_bias() } else { conv });
            if block.norm {
                builder = builder.layer(format!("bn{number}"), BatchNorm::new());
            }
            builder = builder.layer(format!("relu{number}"), Relu);
            if block.pool {
                builder = builder.layer(format!("pool{number}"), MaxPool::new(2));
            }
        }
        let builder = match self.average {
            true => builder.layer("gap", GlobalAvgPool),
            false => builder.layer("flatten", Flatten),
        };
        builder.layer("fc", Linear::new(classes))
    }
}

/// A picture of the training's size.
fn photo(pixels: &[u8]) -> Result<Photo, Failure> {
    Ok(Photo::from_pixels(ArrayView3::from_shape((SIDE, SIDE, 1), pixels)?))
}
