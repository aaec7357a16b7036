//! The same seed gives the same bits on any number of threads: weights, losses, maps. And an image gets the same bits
//! alone and in a batch, whatever the instructions.

use std::ops::ControlFlow;
use std::process::Command;

use attribution::Pass;
use attribution::methods::{Cam, GradCam, Gradient, GuidedBackprop};
use nn::data::{Scatter, fashion_mnist};
use nn::layers::{BatchNorm, Clip, Conv2d, Dropout, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::optim::Sgd;
use nn::train::{Trainer, Training};
use nn::{Model, ModelBuilder, ModelInfo};
use tensor::Tensor;
use tensor::simd::Tier;

/// Losses with the norms of their gradients, the model's file, maps.
type Bits = (Vec<(u64, u64)>, Vec<u8>, Vec<Vec<u32>>);

/// Convolutions with few channels, at a stride, depthwise, and by Winograd.
fn network(input: [usize; 3]) -> ModelBuilder {
    Model::builder(input)
        .layer("conv1", Conv2d::new(16, 3).without_bias())
        .layer("bn1", BatchNorm::new())
        .layer("relu1", Relu)
        .layer("pool1", MaxPool::new(2))
        .layer("conv2", Conv2d::new(32, 3).stride(2))
        .layer("relu2", Relu)
        .layer("depthwise", Conv2d::new(32, 3).groups(32))
        .layer("relu3", Clip::RELU6)
        .layer("conv3", Conv2d::new(32, 3))
        .layer("relu4", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("drop", Dropout { probability: 0.2 })
        .layer("fc", Linear::new(10))
}

fn on<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// The bits of everything that a small training and a few explanations give on a pool of `threads`.
fn run(threads: usize) -> Bits {
    on(threads, || {
        let source = fashion_mnist::train().subset(&(0..96).collect::<Vec<_>>());
        let scattered = Scatter::default().scatter(&source).unwrap();
        let [_, h, w, c] = scattered.images.shape();
        let normalization = scattered.images.statistics();
        let mut model = network([h, w, c])
            .info(ModelInfo {
                classes: fashion_mnist::classes(),
                normalization: Some(normalization.clone()),
                ..ModelInfo::default()
            })
            .build(11)
            .unwrap();
        let training = Training {
            epochs: 2,
            batch_size: 32,
            learning_rate: 0.05,
            label_smoothing: 0.1,
            weight_average: Some(0.9),
            clip_norm: Some(1.0),
            seed: 5,
            ..Training::default()
        };
        let mut losses = Vec::new();
        let trainer = Trainer::new(training, Sgd::new(0.05, 0.9)).on_step(|progress, _| {
            losses.push((progress.loss.to_bits(), progress.gradient_norm.to_bits()));
            ControlFlow::Continue(())
        });
        trainer.fit(&mut model, &scattered.images).unwrap();

        let mut pixels = Vec::new();
        scattered.images.gather(&[0, 1, 2], &normalization, &mut pixels);
        let pass = Pass::new(&model, Tensor::new([3, h, w, c], pixels)).unwrap();
        let bits = |values: &mut dyn Iterator<Item = f32>| values.map(f32::to_bits).collect::<Vec<u32>>();
        let mut maps = Vec::new();
        for class in [0, 7] {
            maps.extend(
                pass.why(class).explain_each(&Cam).unwrap().iter().map(|map| bits(&mut map.raw().iter().copied())),
            );
            let grad = pass.why(class).at("relu2").explain_each(&GradCam).unwrap();
            maps.extend(grad.iter().map(|map| bits(&mut map.raw().iter().copied())));
            let guided = pass.why(class).explain_each(&GuidedBackprop).unwrap();
            maps.extend(guided.iter().map(|map| bits(&mut map.raw().iter().copied())));
        }
        (losses, model.to_bytes().unwrap(), maps)
    })
}

#[test]
fn one_two_and_three_threads_give_the_same_bits() {
    let alone = run(1);
    assert!(alone.0.windows(2).any(|pair| pair[0] != pair[1]), "the training moved");
    for threads in [2, 3] {
        let several = run(threads);
        assert!(several.0 == alone.0, "losses differ on {threads} threads");
        assert!(several.1 == alone.1, "weights differ on {threads} threads");
        assert!(several.2 == alone.2, "maps differ on {threads} threads");
    }
}

#[test]
fn company_changes_no_bit() {
    let input = [48, 48, 1];
    let model = network(input).build(11).unwrap();
    let images: Vec<f32> = (0..5 * 48 * 48).map(|i| (i as f32 * 0.37).sin()).collect();
    // The scores, and the gradient of one of them, of each image.
    let explained = |images: &[f32]| -> Vec<Vec<u32>> {
        let batch = Tensor::new([images.len() / (48 * 48), 48, 48, 1], images.to_vec());
        let pass = Pass::new(&model, batch).unwrap();
        let gradient = pass.why(7).explain_each(&Gradient).unwrap();
        let of_image = |(scores, map): (&[f32], &attribution::Map)| {
            scores.iter().chain(map.raw().iter()).map(|value| value.to_bits()).collect()
        };
        pass.logits().as_slice().chunks(10).zip(&gradient).map(of_image).collect()
    };
    let together = on(2, || explained(&images));
    assert_ne!(together[0], together[1]);
    for threads in [1, 2, 3] {
        let alone: Vec<_> = on(threads, || images.chunks(48 * 48).flat_map(explained).collect());
        assert!(alone == together, "on {threads} threads");
    }
}

/// The instructions are chosen once in a process.
#[test]
fn company_changes_no_bit_on_any_tier() {
    for (tier, winograd) in Tier::available().flat_map(|tier| ["on", "off"].map(|winograd| (tier, winograd))) {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "determinism::company_changes_no_bit"]);
        test.envs([("GLASSBOX_SIMD", tier.name()), ("GLASSBOX_WINOGRAD", winograd)]);
        let output = test.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{tier}, Winograd {winograd}: {said}");
    }
}
