//! Transfer learning: a cut model keeps its weights, and caching the outputs of frozen layers doesn't change a bit.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use nn::data::{Augmentation, DataError, Dataset, LabelledImages, fashion_mnist};
use nn::layers::{Add, BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, Relu};
use nn::optim::{Adam, Sgd};
use nn::train::{LAST, TrainError, Trained, Trainer, Training, evaluate};
use nn::{Model, ModelBuilder, ModelInfo};

fn images(count: usize) -> LabelledImages {
    fashion_mnist::train().subset(&(0..count).collect::<Vec<_>>())
}

/// Convolution, batch norm and ReLU twice, the second time with a shortcut.
fn trunk() -> ModelBuilder {
    Model::builder([28, 28, 1])
        .layer("conv1", Conv2d::new(6, 3).stride(2).without_bias())
        .layer("bn1", BatchNorm::new())
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(6, 3))
        .layer("bn2", BatchNorm::new())
        .layer_from("add", Add, &["bn2", "relu1"])
        .layer("relu2", Relu)
}

/// A model trained on a hundred images for two epochs.
fn learnt() -> Model {
    let info = ModelInfo {
        classes: fashion_mnist::classes(),
        normalization: Some(images(100).statistics()),
        ..ModelInfo::default()
    };
    let head = trunk().layer("gap", GlobalAvgPool).layer("fc", Linear::new(10));
    let mut model = head.info(info).build(5).unwrap();
    let training = Training { epochs: 2, batch_size: 20, ..Training::default() };
    Trainer::new(training, Sgd::new(0.1, 0.9)).fit(&mut model, &images(100)).unwrap();
    model
}

/// The trained model's trunk, frozen, with a new head.
fn transferred() -> Model {
    let builder = learnt().cut_after("gap").unwrap();
    let head = builder.layer("dropout", Dropout { probability: 0.2 }).layer("fc", Linear::new(10));
    let mut model = head.build(7).unwrap();
    model.freeze_up_to("gap").unwrap();
    model
}

fn training() -> Training {
    Training { epochs: 3, batch_size: 16, learning_rate: 0.05, weight_average: Some(0.9), ..Training::default() }
}

/// A dataset that counts how often its images are read.
struct Counted(LabelledImages, AtomicUsize);

impl Counted {
    fn new(images: LabelledImages) -> Self {
        Self(images, AtomicUsize::new(0))
    }

    fn reads(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }
}

impl Dataset for Counted {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        Dataset::image_shape(&self.0)
    }

    fn class_names(&self) -> &[String] {
        self.0.class_names()
    }

    fn label(&self, index: usize) -> usize {
        self.0.label(index)
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(index, pixels)
    }
}

#[test]
fn a_cut_model_keeps_the_weights_of_its_layers() {
    let (learnt, model) = (learnt(), transferred());
    for parameter in model.parameters() {
        let kept = learnt.parameter(&parameter.name) == Some(&parameter.value);
        assert_eq!(kept, !parameter.name.starts_with("fc."), "{}", parameter.name);
    }
    assert_eq!(model.info().normalization, learnt.info().normalization);
    assert!(model.info().classes.is_empty() && model.gap_head().is_some());
    // The builder has only the layer and those that it depends on; an added layer reads it.
    let middle = learnt.cut_after("conv2").unwrap().layer("gap", GlobalAvgPool).build(1).unwrap();
    let names: Vec<&str> = middle.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "bn1", "relu1", "conv2", "gap"]);
    let branch = trunk().layer_from("branch", Conv2d::new(2, 1), &["relu1"]).layer("gap", GlobalAvgPool);
    let branch = branch.build(1).unwrap();
    let cut = branch.cut_after("branch").unwrap().layer("gap", GlobalAvgPool).build(2).unwrap();
    assert_eq!(cut.parameter("branch.weight"), branch.parameter("branch.weight"));
    assert!(cut.parameter("conv2.weight").is_none());
}

#[test]
fn the_cache_changes_no_bit() {
    let (images, validation) = (images(90), fashion_mnist::test().subset(&(0..30).collect::<Vec<_>>()));
    let train = |memory: Option<usize>| {
        let (mut model, images) = (transferred(), Counted::new(images.clone()));
        let validation = Counted::new(validation.clone());
        let trainer = Trainer::new(training(), Adam::new(0.05)).validation(&validation);
        let trainer = trainer.class_weights(images.class_weights());
        let trainer = if let Some(memory) = memory { trainer.keep_features(memory) } else { trainer };
        let trained = trainer.fit(&mut model, &images).unwrap();
        (model, trained, images.reads(), validation.reads())
    };
    let (plain, trained, reads, validated) = train(None);
    assert_eq!((reads, validated), (3 * 90, 3 * 30));
    // Six values of four bytes for each image: room for all images, for half of the training images, for the training images
    // and a third of the others, for none.
    for (memory, expected) in
        [(1 << 20, (90, 30)), (45 * 24, (90 + 2 * 45, 3 * 30)), (100 * 24, (90, 30 + 2 * 20)), (0, (3 * 90, 3 * 30))]
    {
        let (model, course, reads, validated) = train(Some(memory));
        assert_eq!((reads, validated), expected, "{memory} bytes");
        assert!(model == plain && course == trained, "{memory} bytes");
    }
    let before = transferred();
    for (index, parameter) in plain.parameters().iter().enumerate() {
        assert_eq!(parameter.value == before.parameters()[index].value, !parameter.name.starts_with("fc."));
    }
    assert_eq!(evaluate(&plain, &validation).unwrap().scores(), trained.history[2].validation.unwrap());
}

/// If the layers are frozen up to the middle of a block, the trunk ends before the block. The frozen layers after it run in each
/// step.
#[test]
fn a_trunk_may_end_in_the_middle_of_a_block() {
    let images = images(40);
    let train = |keep: bool| {
        let mut model = learnt();
        model.freeze_up_to("conv2").unwrap();
        let (before, images) = (model.clone(), Counted::new(images.clone()));
        let trainer = Trainer::new(training(), Sgd::new(0.1, 0.9));
        let trainer = if keep { trainer.keep_features(1 << 20) } else { trainer };
        trainer.fit(&mut model, &images).unwrap();
        assert_eq!(model.parameter("conv2.weight"), before.parameter("conv2.weight"));
        assert_ne!(model.parameter("bn2.running_mean"), before.parameter("bn2.running_mean"));
        (model, images.reads())
    };
    let [(plain, reads), (kept, fewer)] = [false, true].map(train);
    assert!(plain == kept);
    assert_eq!((reads, fewer), (120, 40));
}

#[test]
fn outputs_for_changing_images_are_not_cached() {
    let images = images(40);
    let flip = Augmentation { flip: true, ..Augmentation::default() };
    let train = |augmentation: &Augmentation, keep: bool, epochs: &dyn Fn(Trainer<'_>, &mut Model) -> Trained| {
        let mut model = transferred();
        let trainer = Trainer::new(training(), Sgd::new(0.1, 0.9)).augmentation(augmentation.clone());
        epochs(if keep { trainer.keep_features(1 << 20) } else { trainer }, &mut model);
        model
    };
    let same = |trainer: Trainer<'_>, model: &mut Model| trainer.fit(model, &images).unwrap();
    assert!(train(&flip, true, &same) == train(&flip, false, &same));
    assert!(train(&flip, true, &same) != train(&Augmentation::default(), true, &same));
    let asked = Cell::new(0);
    let other = |trainer: Trainer<'_>, model: &mut Model| {
        let epoch = |epoch: usize| {
            asked.set(asked.get() + 1);
            Ok(Box::new(fashion_mnist::test().subset(&(epoch * 40..epoch * 40 + 40).collect::<Vec<_>>())) as _)
        };
        trainer.fit_epochs(model, epoch).unwrap()
    };
    assert!(train(&Augmentation::default(), true, &other) == train(&Augmentation::default(), false, &other));
    assert_eq!(asked.get(), 6);
}

#[test]
fn a_training_is_resumed_only_with_the_same_layers_frozen() {
    let (images, folder) = (images(40), tempfile::tempdir().unwrap());
    let resume = |model: &mut Model, stop: usize| {
        let stopped = move |step| if step == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let trainer = Trainer::new(training(), Adam::new(0.05)).checkpoints(folder.path()).resume();
        trainer.on_step(move |progress, _| stopped(progress.step)).fit(model, &images)
    };
    let mut whole = transferred();
    Trainer::new(training(), Adam::new(0.05)).fit(&mut whole, &images).unwrap();
    resume(&mut transferred(), 4).unwrap();

    let frozen_up_to = |layers: &[&str]| {
        let mut model = learnt().cut_after("gap").unwrap();
        model = model.layer("dropout", Dropout { probability: 0.2 }).layer("fc", Linear::new(10));
        let mut model = model.build(7).unwrap();
        layers.iter().for_each(|layer| model.freeze_up_to(layer).unwrap());
        model
    };
    let refused = |layers: &[&str]| {
        let mut model = frozen_up_to(layers);
        let before = model.clone();
        let error = resume(&mut model, 0).unwrap_err().to_string();
        assert!(error.contains(LAST) && model == before, "{error}");
        error
    };
    let another = "a checkpoint of another training: frozen layers: expected";
    let error = refused(&["bn1"]);
    assert!(
        error.ends_with(&format!(
            "{another} `conv2` trained, found `conv2` frozen; start the training again, or restore what has changed"
        )),
        "{error}"
    );
    assert!(refused(&[]).contains("expected `conv1` trained, found `conv1` frozen"));
    assert!(refused(&["dropout"]).contains("expected `dropout` frozen, found `dropout` trained"));
    // Layers without weights need not be frozen: they never change.
    let mut parts = frozen_up_to(&["bn2"]);
    resume(&mut parts, 0).unwrap();
    assert!(parts.parameters() == whole.parameters());
}

#[test]
fn layers_that_cannot_be_cut_frozen_or_cached_are_named() {
    let mut model = learnt();
    let error = model.cut_after("gpa").unwrap_err().to_string();
    assert!(error.contains("no layer `gpa` (did you mean `gap`?)"), "{error}");
    assert!(model.freeze_up_to("conv3").unwrap_err().to_string().contains("`conv3` (did you mean `conv1`?)"));
    let error = learnt().cut_after("gap").unwrap().layer("conv1", Linear::new(2)).build(1).unwrap_err().to_string();
    assert_eq!(error, "the name `conv1` is taken");
    let keep = |model: &mut Model| {
        Trainer::new(training(), Sgd::new(0.1, 0.9)).keep_features(1 << 20).fit(model, &images(20)).unwrap_err()
    };
    let error = keep(&mut model);
    assert!(matches!(&error, TrainError::NoTrunk { changing } if changing == "conv1"), "{error}");
    // Frozen layers after a trained one aren't part of the trunk.
    model.freeze(&["bn1", "relu1", "conv2"]).unwrap();
    assert!(keep(&mut model).to_string().contains("`conv1`, the first layer that isn't frozen"));
    model.freeze_up_to("fc").unwrap();
    assert!(matches!(keep(&mut model), TrainError::AllFrozen));
}
