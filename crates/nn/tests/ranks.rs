//! Trainings that ranks share: the same bits on any number of ranks and threads, whatever happens to one of them.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use nn::data::{Augmentation, DataError, Dataset, LabelledImages, fashion_mnist};
use nn::layers::{BatchNorm, Conv2d, Dropout, GlobalAvgPool, Linear, Relu};
use nn::optim::{Adam, Sgd};
use nn::train::{
    Alone, BEST, Ended, LAST, Ranks, RanksError, Together, TrainError, Trained, Trainer, Training, evaluate,
};
use nn::{Model, ModelInfo};
use rayon::ThreadPoolBuilder;
use tensor::Tensor;

/// Three batches of eight slots, and a last one of four, of which the last is one image.
const IMAGES: usize = 3 * 24 + 10;

fn images() -> LabelledImages {
    fashion_mnist::train().subset(&(0..IMAGES).collect::<Vec<_>>())
}

fn validation() -> LabelledImages {
    fashion_mnist::test().subset(&(0..250).collect::<Vec<_>>())
}

fn model() -> Model {
    let normalization = Some(images().statistics());
    let info = ModelInfo { classes: fashion_mnist::classes(), normalization, ..ModelInfo::default() };
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
    Training {
        epochs: 2,
        batch_size: 24,
        slot_size: Some(3),
        learning_rate: 0.05,
        label_smoothing: 0.1,
        clip_norm: Some(0.7),
        weight_average: Some(0.9),
        ..Training::default()
    }
}

/// A training with every setting that looks at several images.
fn trainer(ranks: &dyn Ranks) -> Trainer<'_> {
    let augmentation = Augmentation { shift: 2, flip: true, mixup: 0.2, ..Augmentation::default() };
    let trainer = Trainer::new(training(), Sgd::new(0.05, 0.9)).augmentation(augmentation).among(ranks);
    trainer.class_weights(images().class_weights())
}

fn trained(ranks: &dyn Ranks, images: &dyn Dataset) -> Result<(Model, Trained), TrainError> {
    let (mut model, validation) = (model(), validation());
    let trained = trainer(ranks).validation(&validation).fit(&mut model, images)?;
    Ok((model, trained))
}

fn file(model: &Model) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path().join("model")).unwrap();
    fs::read(folder.path().join("model")).unwrap()
}

#[test]
fn weights_are_the_same_bits_on_any_number_of_ranks_and_threads() {
    let (one, history) = trained(&Alone, &images()).unwrap();
    for ranks in [1, 2, 3, 4, 8] {
        for threads in [1, 2, 3] {
            let results = Together::run(ranks, |ranks| {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| trained(ranks, &images()).unwrap())
            });
            for (model, trained) in results {
                assert!(file(&model) == file(&one), "{ranks} ranks of {threads} threads");
                assert_eq!(trained, history);
            }
        }
    }
    assert_eq!(evaluate(&one, &validation()).unwrap().scores(), history.history[1].validation.unwrap());
}

/// A loss of one's own is a mean over the images of a slot; features are kept by each rank.
#[test]
fn frozen_trunks_and_custom_losses_are_the_same_bits_too() {
    let train = |ranks: &dyn Ranks| {
        let (mut model, images, validation) = (model(), images(), validation());
        model.freeze_up_to("relu1").unwrap();
        let trainer = Trainer::new(training(), Adam::new(0.01)).keep_features(1 << 17).validation(&validation);
        let trainer = trainer.loss(|logits, batch| {
            nn::losses::cross_entropy(logits, batch.labels(), 0.0).add(&logits.mul(logits).mean().mul_scalar(0.01))
        });
        (trainer.among(ranks).fit(&mut model, &images).unwrap(), model)
    };
    let one = train(&Alone);
    for ranks in [2, 3] {
        assert!(Together::run(ranks, |ranks| train(ranks)).into_iter().all(|other| other == one));
    }
}

#[test]
fn a_training_is_resumed_on_another_number_of_ranks() {
    let (one, history) = trained(&Alone, &images()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let go_on = |ranks: usize, stop: usize| {
        let results = Together::run(ranks, |ranks| {
            let (mut model, images, validation) = (model(), images(), validation());
            let trainer = trainer(ranks).validation(&validation).checkpoints(folder.path()).resume();
            // One rank alone wishes to stop.
            let wishes = ranks.rank() == ranks.count() / 2;
            let trainer = trainer.on_step(|progress, _| match wishes && progress.step == stop {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            });
            (trainer.fit(&mut model, &images).unwrap(), model)
        });
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "all ranks stop after the same step");
        results.into_iter().next().unwrap()
    };
    // Of several ranks, all stop one step after the wish of one, or at the end of the epoch.
    for (ranks, stop, stopped) in [(3, 2, 3), (1, 4, 4), (8, 5, 6)] {
        let (trained, _) = go_on(ranks, stop);
        assert_eq!((trained.ended, trained.step), (Ended::Stopped, stopped));
    }
    let (trained, model) = go_on(2, usize::MAX);
    assert!(file(&model) == file(&one));
    assert_eq!(trained.history, history.history);
    assert!([LAST, BEST].iter().all(|file| folder.path().join(file).exists()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Images. One of them can't be read, or panics when it is read.
struct Broken {
    images: LabelledImages,
    at: usize,
    panics: bool,
}

impl Dataset for Broken {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.images.image_shape()
    }

    fn class_names(&self) -> &[String] {
        self.images.class_names()
    }

    fn label(&self, index: usize) -> usize {
        self.images.label(index)
    }

    fn read(&self, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        match (index == self.at, self.panics) {
            (true, true) => panic!("a cosmic ray"),
            (true, false) => Err(DataError::Scale(0.0)),
            _ => self.images.read(index, pixels),
        }
    }
}

/// The messages of the ranks, of which the one with the fault reports it and the others its end, within five seconds.
fn messages(fault: impl Fn(&Together) -> Result<(), TrainError> + Sync) -> Vec<String> {
    let began = Instant::now();
    let errors = Together::run(4, |ranks| fault(ranks).unwrap_err());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let (own, others): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| !matches!(error, TrainError::Ranks(RanksError::Ended { .. })));
    assert_eq!((own.len(), others.len()), (1, 3), "{errors:?}");
    let rank = errors.iter().position(|error| !matches!(error, TrainError::Ranks(RanksError::Ended { .. }))).unwrap();
    assert!(others.iter().all(|error| error.to_string() == format!("rank {rank} ended: {}", own[0])), "{errors:?}");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn what_ends_one_rank_ends_all_and_is_said_by_all() {
    let unreadable = messages(|ranks| trained(ranks, &Broken { images: images(), at: 40, panics: false }).map(drop));
    assert!(unreadable.iter().any(|line| line == &DataError::Scale(0.0).to_string()), "{unreadable:?}");

    let full = messages(|ranks| {
        let trainer = trainer(ranks).checkpoints("/absent/folder").checkpoint_every(Duration::ZERO);
        trainer.fit(&mut model(), &images()).map(drop)
    });
    assert!(full[0].contains("/absent/folder"), "{full:?}");

    // The slots of one rank alone have a loss that isn't finite.
    let nan = messages(|ranks| {
        let broken = ranks.rank() == 2;
        let trainer = trainer(ranks).loss(move |logits, batch| {
            let loss = nn::losses::cross_entropy(logits, batch.labels(), 0.0);
            if broken { loss.mul_scalar(f64::NAN) } else { loss }
        });
        trainer.fit(&mut model(), &images()).map(drop)
    });
    assert!(nan[2].contains("the loss became NaN in step 1 of epoch 1"), "{nan:?}");
}

#[test]
fn a_panic_of_one_rank_ends_all() {
    let began = Instant::now();
    let panic = std::panic::catch_unwind(|| {
        Together::run(4, |ranks| trained(ranks, &Broken { images: images(), at: 40, panics: true }).map(drop))
    });
    assert!(panic.is_err() && began.elapsed() < Duration::from_secs(5));
}

fn refused(ranks: usize, start: impl Fn(&Together) -> (Training, Model) + Sync) -> String {
    let folder = tempfile::tempdir().unwrap();
    let errors = Together::run(ranks, |ranks| {
        let (training, mut model) = start(ranks);
        let trainer = Trainer::new(training, Sgd::new(0.1, 0.9)).checkpoints(folder.path());
        trainer.among(ranks).fit(&mut model, &images()).unwrap_err().to_string()
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "refused before anything is written");
    errors.into_iter().next().unwrap()
}

#[test]
fn ranks_that_do_not_fit_together_are_refused() {
    let many = refused(9, |_| (training(), model()));
    assert!(many.contains("9 ranks share a batch of 8 slots of 3 images: start at most 8 ranks"), "{many}");
    let whole = refused(2, |_| (Training { slot_size: None, ..training() }, model()));
    assert!(whole.contains("2 ranks share a batch of 1 slots of 24 images"), "{whole}");
    let other = |ranks: &Together| u64::from(ranks.rank() == 2);
    let settings = refused(3, |ranks| (Training { seed: other(ranks), ..training() }, model()));
    assert!(settings.contains("rank 2 differs from rank 0 in its settings"), "{settings}");
    let weights = refused(3, |ranks| {
        let mut model = model();
        model.set_parameter("fc.bias", Tensor::full([10], other(ranks) as f32)).unwrap();
        (training(), model)
    });
    assert!(weights.contains("rank 2 differs from rank 0 in its weights"), "{weights}");
}

#[test]
fn ranks_whose_weights_come_apart_are_named() {
    let errors = Together::run(3, |ranks| {
        // The learning rate of the settings is all that ranks compare; momentum is the optimiser's.
        let momentum = if ranks.rank() == 1 { 0.5 } else { 0.9 };
        let trainer = Trainer::new(training(), Sgd::new(0.1, momentum)).among(ranks);
        trainer.fit(&mut model(), &images()).unwrap_err()
    });
    // Whichever rank compares first may end the others before they have compared.
    let named = "after epoch 1, the weights of rank 1 aren't those of rank 0";
    assert!(errors.iter().any(|error| error.to_string().starts_with(named)), "{errors:?}");
    assert!(errors.iter().all(|error| error.to_string().contains(named)), "{errors:?}");
}

/// The files of a training are those of rank 0 alone, and of a whole training.
#[test]
fn a_checkpoint_is_the_same_file_on_any_number_of_ranks() {
    let files = |ranks: usize| {
        let folder = tempfile::tempdir().unwrap();
        Together::run(ranks, |ranks| {
            trainer(ranks).checkpoints(folder.path()).fit(&mut model(), &images()).unwrap();
        });
        [LAST, BEST].map(|file| fs::read(Path::new(folder.path()).join(file)).unwrap())
    };
    assert!(files(1) == files(4));
}
