//! A training step in its steady state allocates next to nothing: buffers are used again.

use std::alloc::System;

use nn::Model;
use nn::layers::{BatchNorm, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::optim::Sgd;
use nn::train::train_step;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tensor::Tensor;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BATCH: usize = 16;

/// The bytes that each of eight training steps asks for.
fn asked_for(threads: usize) -> Vec<usize> {
    let mut model = Model::builder([28, 28, 1])
        .layer("conv1", Conv2d::new(32, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(64, 3).without_bias())
        .layer("bn2", BatchNorm::new())
        .layer("relu2", Relu)
        .layer("pool", MaxPool::new(2))
        .layer("conv3", Conv2d::new(64, 3))
        .layer("relu3", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10))
        .build(1)
        .unwrap();
    let images = Tensor::from_fn([BATCH, 28, 28, 1], |i| (i as f32 * 0.1).sin());
    let labels: Vec<usize> = (0..BATCH).map(|i| i % 10).collect();
    let mut optimizer = Sgd::new(0.01, 0.9);
    let step = |seed| {
        let region = Region::new(ALLOCATOR);
        train_step(&mut model, &mut optimizer, images.clone(), &labels, 0.0, seed).unwrap();
        let change = region.change();
        change.bytes_allocated.saturating_add_signed(change.bytes_reallocated)
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| (0..8).map(step).collect())
}

/// On several threads it depends on their course how many buffers are in use at a time, so that a late step may still need
/// one more: there the least of the steps counts.
#[test]
fn a_steady_training_step_reuses_its_buffers() {
    let activation = BATCH * 28 * 28 * 64 * size_of::<f32>();
    let alone = asked_for(1);
    assert!(alone[0] > 5 * activation, "the counter counts: {alone:?} bytes");
    let together = asked_for(2);
    let (alone, together) = (alone[4..].iter().max().unwrap(), together[4..].iter().min().unwrap());
    for steady in [alone, together] {
        assert!(*steady < activation / 2, "a steady step asks for {steady} bytes; one activation has {activation}");
    }
}
