//! Trainings: freezing, early ends, custom losses, and resuming.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nn::data::{Augmentation, Dataset, LabelledImages, fashion_mnist};
use nn::layers::{BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, Relu};
use nn::losses::cross_entropy;
use nn::optim::{Adam, Sgd};
use nn::train::{BEST, Ended, LAST, TrainError, Trained, Trainer, Training, evaluate, range_test};
use nn::{Model, ModelInfo};
use tensor::Tensor;

fn images(count: usize) -> LabelledImages {
    fashion_mnist::train().subset(&(0..count).collect::<Vec<_>>())
}

fn model() -> Model {
    let info = ModelInfo {
        classes: fashion_mnist::classes(),
        normalization: Some(images(100).statistics()),
        ..ModelInfo::default()
    };
    Model::builder([28, 28, 1])
        .layer("conv1", Conv2d::new(6, 3).stride(2).without_bias())
        .layer("bn1", BatchNorm::new())
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(8, 3).stride(2))
        .layer("relu2", Relu)
        .layer("drop", Dropout { probability: 0.1 })
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10))
        .info(info)
        .build(3)
        .unwrap()
}

fn training() -> Training {
    Training { epochs: 3, batch_size: 16, learning_rate: 0.02, weight_average: Some(0.9), ..Training::default() }
}

#[test]
fn frozen_layers_stay_and_the_others_learn() {
    let (mut model, images) = (model(), images(64));
    model.freeze(&["conv1", "bn1"]).unwrap();
    let before = model.clone();
    let training = Training { weight_average: None, ..training() };
    Trainer::new(training, Sgd::new(0.1, 0.9)).fit(&mut model, &images).unwrap();
    for (after, before) in model.parameters().iter().zip(before.parameters()) {
        let frozen = ["conv1.", "bn1."].iter().any(|layer| after.name.starts_with(layer));
        assert_eq!(after.value == before.value, frozen, "{}", after.name);
    }
    assert!(model.freeze(&["covn1"]).unwrap_err().to_string().contains("did you mean `conv1`?"));
    model.freeze(&["conv2", "fc"]).unwrap();
    let error = Trainer::new(training, Sgd::new(0.1, 0.9)).fit(&mut model, &images).unwrap_err();
    assert!(matches!(error, TrainError::AllFrozen));
}

#[test]
fn settings_outside_their_range_are_named() {
    let images = images(4);
    let message = |training: Training| {
        let (mut model, mut sgd) = (model(), Sgd::new(0.1, 0.9));
        let before = model.clone();
        let error = range_test(&model, &mut sgd, &training, &images, [0.1, 1.0], 2).unwrap_err().to_string();
        assert_eq!(error, Trainer::new(training, sgd).fit(&mut model, &images).unwrap_err().to_string());
        assert_eq!(model, before);
        error
    };
    let settings = training();
    assert_eq!(message(Training { batch_size: 0, ..settings }), "batch_size: expected at least 1, found 0");
    let rate = message(Training { learning_rate: f64::NAN, ..settings });
    assert_eq!(rate, "learning_rate: expected a number of at least 0, found NaN");
    assert!(message(Training { label_smoothing: 1.5, ..settings }).starts_with("label_smoothing: expected a share"));
    assert!(message(Training { clip_norm: Some(0.0), ..settings }).ends_with("a norm above 0, found 0"));
    assert!(message(Training { weight_average: Some(1.0), ..settings }).ends_with("less than 1, found 1"));
    let none = images.subset(&[]);
    let error = Trainer::new(settings, Sgd::new(0.1, 0.9)).fit(&mut model(), &none).unwrap_err();
    assert!(error.to_string().starts_with("there are no images"), "{error}");
    // Without a limit of epochs; only the first is run.
    let endless = Training { epochs: usize::MAX, ..settings };
    let stop = |_: &_, _: &Model| ControlFlow::Break(());
    let trained = Trainer::new(endless, Sgd::new(0.1, 0.9)).on_epoch(stop).fit(&mut model(), &images).unwrap();
    assert_eq!((trained.ended, trained.step, trained.steps), (Ended::Stopped, 1, usize::MAX));
}

/// A model overfits four images, so that the validation on others stops improving.
#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let (mut model, images, validation) = (model(), images(4), fashion_mnist::test().subset(&[0, 1, 2, 3, 4, 5, 6, 7]));
    let training = Training { epochs: 200, patience: Some(3), weight_average: None, ..training() };
    let trained = Trainer::new(training, Adam::new(0.1)).validation(&validation).fit(&mut model, &images).unwrap();
    let best = trained.best().unwrap().epoch;
    assert_eq!((trained.ended, trained.history.len()), (Ended::Patience, best + 4));
    let score = |epoch: usize| {
        let scores = trained.history[epoch].validation.unwrap();
        (scores.score.value(), -scores.loss)
    };
    assert!((0..trained.history.len()).all(|epoch| score(epoch) <= score(best)));
    assert_eq!(evaluate(&model, &validation).unwrap().scores(), trained.history[best + 3].validation.unwrap());
}

#[test]
fn a_custom_loss_replaces_cross_entropy() {
    let images = images(64);
    let train = |trainer: Trainer<'_>| {
        let mut model = model();
        trainer.fit(&mut model, &images).unwrap();
        model
    };
    let plain = || Trainer::new(training(), Sgd::new(0.1, 0.9));
    let written_out = plain().loss(|logits, batch| cross_entropy(logits, batch.labels(), 0.0));
    let other =
        plain().loss(|logits, batch| cross_entropy(logits, batch.labels(), 0.0).add(&logits.mul(logits).mean()));
    let squares = |model: &Model| {
        let mut pixels = Vec::new();
        images.gather(&[0, 1, 2, 3], model.info().normalization.as_ref().unwrap(), &mut pixels);
        let logits = model.predict(Tensor::new([4, 28, 28, 1], pixels)).unwrap();
        logits.as_slice().iter().map(|x| x * x).sum::<f32>()
    };
    let (plain, written_out, other) = (train(plain()), train(written_out), train(other));
    assert_eq!(plain, written_out);
    assert!(squares(&other) < 0.8 * squares(&plain), "{} against {}", squares(&other), squares(&plain));
}

#[test]
fn a_value_that_is_not_finite_is_traced_to_its_layer() {
    let images = images(64);
    let message = |mut model: Model, training: Training| {
        let trained = Trainer::new(training, Sgd::new(0.1, 0.9)).fit(&mut model, &images);
        trained.unwrap_err().to_string()
    };
    let mut broken = model();
    broken.set_parameter("conv2.bias", Tensor::full([8], f32::NAN)).unwrap();
    let found = message(broken, training());
    assert!(found.contains("the loss became NaN in step 1 of epoch 1, first in the weights `conv2.bias`"), "{found}");

    let mut large = model();
    large.set_parameter("conv2.bias", Tensor::full([8], 1e36)).unwrap();
    large.set_parameter("fc.weight", Tensor::full([8, 10], 1e3)).unwrap();
    let found = message(large, training());
    assert!(found.contains("first in the output of layer `fc` (linear, 10)"), "{found}");

    let found = message(model(), Training { learning_rate: 1e30, ..training() });
    assert!(
        found.contains("try a smaller learning rate") && found.contains("1000000000000000000000000000000"),
        "{found}"
    );

    let mut model = model();
    let trainer = Trainer::new(training(), Sgd::new(0.1, 0.9));
    let trainer = trainer.loss(|logits, _| logits.sum().mul_scalar(0.0).ln().mul_scalar(0.0));
    let found = trainer.fit(&mut model, &images).unwrap_err().to_string();
    assert!(found.contains("the loss itself, of finite scores"), "{found}");
}

#[test]
fn the_range_test_sees_the_loss_fall_and_then_diverge() {
    let (model, images) = (model(), images(128));
    let before = model.clone();
    let found = range_test(&model, &mut Sgd::new(0.1, 0.9), &training(), &images, [1e-4, 1e2], 120).unwrap();
    assert_eq!(model, before, "it trains a copy");
    assert!(found.losses.len() < 120 && found.losses.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let suggestion = found.suggestion().unwrap();
    assert!((1e-3..30.0).contains(&suggestion), "{suggestion}");
}

const FOLDER: &str = "NN_TRAINING_TEST_FOLDER";

/// The training that is killed, with a checkpoint after each step.
fn train_in(folder: &Path) -> Result<(Model, Trained), TrainError> {
    let (mut model, images, validation) = (model(), images(96), fashion_mnist::test().subset(&[0, 1, 2, 3]));
    let augmentation = Augmentation { shift: 2, flip: true, mixup: 0.2, ..Augmentation::default() };
    let trainer = Trainer::new(training(), Adam::new(0.02)).validation(&validation).augmentation(augmentation);
    let trainer = trainer.class_weights(images.class_weights());
    let trained = trainer.checkpoints(folder).checkpoint_every(Duration::ZERO).resume().fit(&mut model, &images)?;
    model.save(folder.join("end.safetensors"))?;
    Ok((model, trained))
}

/// Not a test, but the process that the next test starts and kills.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train_in(Path::new(&folder)).unwrap();
    }
}

fn child_in(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--test-threads", "1"]).env(FOLDER, folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn killed_twenty_times_it_ends_with_the_same_bits() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, trained) = train_in(whole.path()).unwrap();
    assert_eq!((trained.ended, trained.step, trained.steps), (Ended::Finished, 18, 18));

    let (mut kills, mut delay) = (0, 40);
    while kills < 20 {
        let mut child = child_in(parts.path()).spawn().unwrap();
        // Delays in no relation to the steps.
        delay = (delay * 29 + 17) % 101;
        std::thread::sleep(Duration::from_millis(10 + delay));
        if let Some(status) = child.try_wait().unwrap() {
            // It ended before it could be killed. It starts again, so that every kill interrupts a training.
            assert!(status.success());
            let ended = parts.path().join("end.safetensors");
            assert!(fs::read(&ended).unwrap() == fs::read(whole.path().join("end.safetensors")).unwrap());
            fs::remove_file(parts.path().join(LAST)).unwrap();
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if parts.path().join(BEST).exists() {
            Model::load(parts.path().join(BEST)).unwrap();
        }
    }
    let (_, resumed) = train_in(parts.path()).unwrap();
    assert_eq!(resumed.history, trained.history);
    for file in ["end.safetensors", BEST, LAST] {
        let [one, many] = [&whole, &parts].map(|folder| fs::read(folder.path().join(file)).unwrap());
        assert!(one == many, "{file} differs");
    }
}

#[test]
fn a_stopped_and_resumed_training_is_the_same() {
    let (images, folder) = (images(96), tempfile::tempdir().unwrap());
    let trainer = || Trainer::new(training(), Sgd::new(0.1, 0.9)).checkpoints(folder.path());
    let mut whole = model();
    Trainer::new(training(), Sgd::new(0.1, 0.9)).fit(&mut whole, &images).unwrap();
    for stop in [4, 6, 11] {
        let flow = |now| if now { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let trainer = trainer().on_step(move |progress, _| flow(progress.step == stop)).resume();
        let trained = trainer.fit(&mut model(), &images).unwrap();
        assert_eq!((trained.ended, trained.step), (Ended::Stopped, stop));
    }
    let mut parts = model();
    trainer().resume().fit(&mut parts, &images).unwrap();
    assert_eq!(parts, whole);
}

#[test]
fn checkpoints_of_other_trainings_and_damaged_ones_are_refused() {
    let (images, folder) = (images(32), tempfile::tempdir().unwrap());
    let trainer = |training| Trainer::new(training, Adam::new(0.1)).checkpoints(folder.path());
    trainer(training()).fit(&mut model(), &images).unwrap();
    let path = folder.path().join(LAST);
    let good = fs::read(&path).unwrap();
    let message = |training, images: &LabelledImages, model: &mut Model| {
        let before = model.clone();
        let error = trainer(training).resume().fit(model, images).unwrap_err().to_string();
        assert_eq!(*model, before, "a refused checkpoint changes nothing");
        assert!(error.contains(LAST), "{error}");
        error
    };
    let settings = message(Training { epochs: 4, ..training() }, &images, &mut model());
    assert!(
        settings.contains("another training: settings: expected {") && settings.contains("\"epochs\":3"),
        "{settings}"
    );
    let fewer = images.subset(&[0, 1, 2]);
    assert!(message(training(), &fewer, &mut model()).contains("\"images\":3}, found {"));
    let sgd = Trainer::new(training(), Sgd::new(0.1, 0.9)).checkpoints(folder.path()).resume();
    assert!(sgd.fit(&mut model(), &images).unwrap_err().to_string().contains("belongs to no layer"));

    // With bytes of the header changed or the end cut off there is an error, or the same training is resumed.
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for index in (0..8 + header).step_by(37) {
        let mut bad = good.clone();
        bad[index] ^= 0x15;
        fs::write(&path, &bad).unwrap();
        refused += usize::from(trainer(training()).resume().fit(&mut model(), &images).is_err());
        fs::write(&path, &good[..index]).unwrap();
        message(training(), &images, &mut model());
    }
    assert!(refused > 20, "{refused}");
    model().save(&path).unwrap();
    assert!(message(training(), &images, &mut model()).contains("not a checkpoint of a training"));
}

#[test]
fn where_no_checkpoint_can_be_written_the_last_one_stays_whole() {
    let (images, folder) = (images(32), tempfile::tempdir().unwrap());
    let trainer =
        || Trainer::new(training(), Adam::new(0.1)).checkpoints(folder.path()).checkpoint_every(Duration::ZERO);
    trainer().fit(&mut model(), &images).unwrap();
    let good = fs::read(folder.path().join(LAST)).unwrap();
    let gone = folder.path().join("gone");
    let error = Trainer::new(training(), Adam::new(0.1)).checkpoints(&gone).fit(&mut model(), &images).unwrap_err();
    assert!(error.to_string().contains("gone") && matches!(error, TrainError::Best(_)), "{error}");

    // A limit on the size of files stands for a full disk.
    #[cfg(unix)]
    {
        let child = child_in(folder.path());
        let arguments = child.get_args().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        fs::remove_file(folder.path().join(BEST)).unwrap();
        let command =
            format!("trap '' XFSZ; ulimit -f 4; exec '{}' {arguments}", child.get_program().to_str().unwrap());
        // In a separate folder, since a training of 96 images refuses the checkpoint of one of 32.
        let full = tempfile::tempdir().unwrap();
        fs::write(full.path().join("kept"), &good).unwrap();
        let output = Command::new("sh").args(["-c", &command]).env(FOLDER, full.path()).output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("File too large") && said.contains("checkpoint"), "{said}");
        assert_eq!(fs::read_dir(full.path()).unwrap().count(), 1, "no temporary file is left");
    }
    assert!(fs::read(folder.path().join(LAST)).unwrap() == good);
}
