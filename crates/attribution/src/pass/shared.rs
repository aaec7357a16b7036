//! One pass used by several threads at once.

use std::sync::mpsc;
use std::time::Duration;

use ndarray::Array3;
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use rayon::prelude::*;
use tensor::Tensor;

use super::Pass;
use crate::Method;
use crate::methods::{Gradient, GuidedBackprop};
use crate::testing::wave;

/// Number of classes of the model. It exceeds the number of targets in a pass's cache.
const CLASSES: usize = 8;

/// The convolutions are large enough that their backward passes are split into tasks.
fn model() -> Model<f32> {
    Model::builder([32, 32, 3])
        .layer("conv1", Conv2d::new(16, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(32, 3))
        .layer("relu2", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(CLASSES))
        .build(5)
        .unwrap()
}

fn image() -> Tensor<f32> {
    wave([1, 32, 32, 3], 2.0)
}

/// The gradient for a class, or guided backpropagation's map.
fn asked(pass: &Pass<'_>, question: usize) -> Array3<f32> {
    let class = question % CLASSES;
    let method: &dyn Method<f32> = if question < CLASSES { &Gradient } else { &GuidedBackprop };
    pass.why(class).explain(method).unwrap().raw().to_owned()
}

/// Runs `test`. If it takes longer than a minute, ends the process with a message, since a deadlock fails no test.
fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    if finished.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
        eprintln!("threads that share a pass wait for each other");
        std::process::abort();
    }
    thread.join().unwrap();
}

#[test]
fn threads_and_pools_of_any_size_get_the_same_bits() {
    within_a_minute(|| {
        let model = model();
        let alone = Pass::new(&model, image()).unwrap();
        let expected: Vec<Array3<f32>> = (0..2 * CLASSES).map(|question| asked(&alone, question)).collect();
        for threads in 1..=4 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let pass = Pass::new(&model, image()).unwrap();
            let check = &|question: usize| assert_eq!(asked(&pass, question), expected[question], "{threads} threads");
            std::thread::scope(|scope| {
                for start in 0..threads {
                    scope.spawn(move || (0..2 * CLASSES).for_each(|i| check((i + start) % (2 * CLASSES))));
                }
                scope
                    .spawn(|| pool.install(|| (0..4 * CLASSES).into_par_iter().for_each(|i| check(i % (2 * CLASSES)))));
                // The global pool, which does the work of threads outside any pool.
                (0..4 * CLASSES).into_par_iter().for_each(|i| check(i % (2 * CLASSES)));
            });
            pool.scope(|scope| (0..2 * CLASSES).for_each(|i| scope.spawn(move |_| check(i))));
        }
    });
}
