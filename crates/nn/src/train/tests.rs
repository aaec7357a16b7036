//! Trainings of labels, values and masks.

use super::*;
use crate::data::{Augmentation, DataError, Dataset, Truth};
use crate::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use crate::optim::Adam;
use crate::{Model, ModelBuilder, ModelInfo, Task};
use std::borrow::Cow;

/// Images `[8, 8, 1]` in which a bright bar of a width lies in the upper or the lower half.
struct Bars {
    task: Task,
    is_map: bool,
    names: Vec<String>,
    rows: Vec<Vec<f32>>,
    count: usize,
}

impl Bars {
    fn new(task: Task, is_map: bool, names: &[&str]) -> Self {
        let count = 96;
        let rows = (0..count).map(|index| match task {
            Task::Labels => vec![f32::from(u8::from(Self::is_low(index))), f32::from(u8::from(Self::width(index) > 3))],
            // Far from 0, with a large spread.
            _ => vec![1000.0 + 50.0 * Self::width(index) as f32],
        });
        Self { task, is_map, names: names.iter().map(|name| name.to_string()).collect(), rows: rows.collect(), count }
    }

    fn width(index: usize) -> usize {
        1 + index * 5 % 6
    }

    fn is_low(index: usize) -> bool {
        index * 7 % 5 < 2
    }

    fn is_bright(index: usize, at: usize) -> bool {
        let (y, x) = (at / 8, at % 8);
        x < Self::width(index) && (y >= 4) == Self::is_low(index)
    }
}

impl Dataset for Bars {
    fn len(&self) -> usize {
        self.count
    }

    fn image_shape(&self) -> [usize; 3] {
        [8, 8, 1]
    }

    fn task(&self) -> Task {
        self.task
    }

    fn is_map(&self) -> bool {
        self.is_map
    }

    fn class_names(&self) -> &[String] {
        &self.names
    }

    fn label(&self, _: usize) -> usize {
        panic!("bars have no classes")
    }

    fn truth(&self, index: usize) -> Result<Truth<'_>, DataError> {
        Ok(match (self.task, self.is_map) {
            (_, true) => Truth::Mask(Cow::Owned((0..64).map(|at| u8::from(Self::is_bright(index, at))).collect())),
            (Task::Labels, _) => Truth::Labels(&self.rows[index]),
            _ => Truth::Values(&self.rows[index]),
        })
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let noise = (index * 31 + at * 17) % 40;
            *pixel = if Self::is_bright(index, at) { 200 } else { 0 } + noise as u8;
        }
        Ok(())
    }
}

fn info(bars: &Bars) -> ModelInfo {
    ModelInfo {
        classes: bars.names.clone(),
        task: Some(bars.task),
        normalization: Some(bars.statistics().unwrap()),
        ..ModelInfo::default()
    }
}

fn convolved() -> ModelBuilder {
    Model::builder([8, 8, 1]).layer("conv", Conv2d::new(8, 3)).layer("relu", Relu)
}

fn pooled(bars: &Bars) -> Model<f32> {
    let builder = convolved().layer("conv2", Conv2d::new(8, 3).stride(2)).layer("relu2", Relu);
    let builder = builder.layer("flatten", crate::layers::Flatten).layer("fc", Linear::new(bars.names.len()));
    builder.info(info(bars)).build(1).unwrap()
}

fn mapped(bars: &Bars) -> Model<f32> {
    convolved().layer("scores", Conv2d::new(2, 3)).info(info(bars)).build(1).unwrap()
}

const TRAINING: Training = Training {
    epochs: 12,
    batch_size: 16,
    slot_size: None,
    learning_rate: 0.01,
    schedule: Schedule { warmup: 0.0, decay: Decay::Constant },
    label_smoothing: 0.0,
    clip_norm: None,
    weight_average: None,
    patience: None,
    seed: 3,
};

fn trainer<'a>() -> Trainer<'a> {
    Trainer::new(TRAINING, Adam::new(0.01))
}

#[test]
fn labels_are_learnt_and_scored() {
    let bars = Bars::new(Task::Labels, false, &["low", "wide"]);
    let mut model = pooled(&bars);
    let weights = positive_weights(&bars).unwrap();
    let low = (0..bars.count).filter(|&index| Bars::is_low(index)).count() as f64;
    assert_eq!(weights[0], (bars.count as f64 - low) / low);
    let trained = trainer().positive_weights(weights).validation(&bars).fit(&mut model, &bars).unwrap();
    let evaluation = evaluate(&model, &bars).unwrap();
    let Score::Auroc(auroc) = evaluation.score() else { panic!("{:?}", evaluation.score()) };
    assert!(auroc > 0.95, "{evaluation:?}");
    let Results::Labels(labels) = &evaluation.results else { panic!("{evaluation:?}") };
    assert_eq!((labels[0].name.as_str(), labels[0].present), ("low", low as usize));
    assert!(matches!(trained.history[0].score, Score::Accuracy(_)));
    let best = trained.best().unwrap().validation.unwrap().score.value();
    assert!(trained.history.iter().all(|epoch| epoch.validation.unwrap().score.value() <= best));
}

#[test]
fn values_are_learnt_in_any_unit_and_given_in_it() {
    let bars = Bars::new(Task::Values, false, &["length"]);
    let mut model = pooled(&bars);
    Standard::of(&bars).unwrap().apply(&mut model).unwrap();
    let trained = trainer().validation(&bars).fit(&mut model, &bars).unwrap();
    let evaluation = evaluate(&model, &bars).unwrap();
    let Results::Values(values) = &evaluation.results else { panic!("{evaluation:?}") };
    assert!(values[0].r_squared > 0.9 && values[0].mean_absolute_error < 30.0, "{evaluation:?}");
    let last = trained.history.last().unwrap();
    approx::assert_abs_diff_eq!(last.validation.unwrap().score.value(), values[0].r_squared, epsilon = 1e-4);
    // In standard deviations, the mean square is what is missing to 1.
    approx::assert_abs_diff_eq!(last.validation.unwrap().loss, 1.0 - values[0].r_squared, epsilon = 1e-4);
    approx::assert_abs_diff_eq!(last.loss, 1.0 - last.score.value(), epsilon = 1e-5);
}

#[test]
fn a_training_of_values_is_resumed_with_the_same_bits() {
    let bars = Bars::new(Task::Values, false, &["length"]);
    let folder = tempfile::tempdir().unwrap();
    let (mut whole, mut stopped) = (pooled(&bars), pooled(&bars));
    trainer().fit(&mut whole, &bars).unwrap();
    let stop = |epoch: &Epoch, _: &Model<f32>| match epoch.epoch {
        3 => std::ops::ControlFlow::Break(()),
        _ => std::ops::ControlFlow::Continue(()),
    };
    trainer().checkpoints(folder.path()).on_epoch(stop).fit(&mut stopped, &bars).unwrap();
    let best = Model::load(folder.path().join(BEST)).unwrap();
    assert!(evaluate(&best, &bars).unwrap().loss < 50_000.0, "the best model gives values in their unit");
    let mut resumed = pooled(&bars);
    trainer().checkpoints(folder.path()).resume().fit(&mut resumed, &bars).unwrap();
    assert_eq!(whole.parameters(), resumed.parameters());
}

#[test]
fn masks_are_learnt_and_move_with_their_images() {
    let bars = Bars::new(Task::Classes, true, &["dark", "bright"]);
    let mut model = mapped(&bars);
    let augmentation = Augmentation { flip: true, shift: 2, ..Augmentation::default() };
    trainer().augmentation(augmentation).validation(&bars).fit(&mut model, &bars).unwrap();
    let evaluation = evaluate(&model, &bars).unwrap();
    let Results::Map(confusion) = &evaluation.results else { panic!("{evaluation:?}") };
    assert_eq!(confusion.support(0) + confusion.support(1), 64 * bars.count);
    assert!(evaluation.score().value() > 0.95, "{:?}", evaluation.score());
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let (labels, values) = (Bars::new(Task::Labels, false, &["low", "wide"]), Bars::new(Task::Values, false, &["a"]));
    let masks = Bars::new(Task::Classes, true, &["dark", "bright"]);
    let message = |model: &Model<f32>, bars: &Bars| evaluate(model, bars).unwrap_err().to_string();
    assert!(message(&pooled(&labels), &values).starts_with("the images have values, the model gives labels"));
    assert!(message(&pooled(&labels), &masks).starts_with("the images have classes of pixels, the model gives labels"));
    let coarse = convolved().layer("scores", Conv2d::new(2, 3).stride(2)).info(info(&masks)).build(1).unwrap();
    assert_eq!(message(&coarse, &masks), "the masks are [8, 8] (height, width), the model's maps [4, 4]");
    let mixed = Augmentation { mixup: 0.2, ..Augmentation::default() };
    let error = trainer().augmentation(mixed).fit(&mut mapped(&masks), &masks).unwrap_err().to_string();
    assert!(error.contains("set mixup to 0"), "{error}");
    let error = trainer().class_weights(vec![1.0, 1.0]).fit(&mut pooled(&labels), &labels).unwrap_err().to_string();
    assert_eq!(error, "class weights are for images of classes, and the images have labels");
    let error = trainer().positive_weights(vec![1.0]).fit(&mut pooled(&labels), &labels).unwrap_err().to_string();
    assert_eq!(error, "positive weights are for each label, and the images have 2, not 1");
    let headless = convolved().layer("gap", GlobalAvgPool).layer("fc", Linear::new(1).without_bias());
    let error = trainer().fit(&mut headless.info(info(&values)).build(1).unwrap(), &values).unwrap_err().to_string();
    assert!(error.starts_with("the last layer, `fc` (linear, 1), isn't a fully connected one with a bias"), "{error}");
}

/// Log lines and checkpoints from before there were other tasks can be read, and those of classes are still written that way.
#[test]
fn scores_of_classes_are_written_as_before() {
    let line = r#"{"epoch":1,"step":20,"loss":0.5,"accuracy":0.75,"learning_rate":0.1,"validation":{"accuracy":0.7,"loss":0.625}}"#;
    let epoch: Epoch = serde_json::from_str(line).unwrap();
    assert_eq!(epoch.validation.unwrap().score, Score::Accuracy(0.7));
    assert_eq!(serde_json::to_string(&epoch).unwrap(), line);
    assert_eq!(serde_json::to_string(&Score::MeanIou(0.5)).unwrap(), r#"{"mean_iou":0.5}"#);
}
