//! Several threads use one model at once.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tensor::Tensor;

/// Models that have predicted.
static PROGRESS: AtomicUsize = AtomicUsize::new(0);

/// Aborts the process when nothing has advanced for a minute: a test that hangs fails.
fn watch() {
    thread::spawn(|| {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = PROGRESS.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_secs(60) {
                let _ = writeln!(std::io::stderr(), "after {seen} models the threads wait for one another");
                std::process::abort();
            }
        }
    });
}

/// A convolution with enough weights for several threads to prepare them.
fn model(seed: u64) -> Model {
    let channels = [192, 224, 256][seed as usize % 3];
    let builder = Model::builder([4, 4, 192]).layer("conv", Conv2d::new(channels, 3));
    builder.layer("gap", GlobalAvgPool).build(seed).unwrap()
}

/// Callers of a model at once.
const CALLERS: usize = 8;

/// How they call it.
#[derive(Clone, Copy)]
enum Way {
    /// From threads outside the pool, which enter it.
    Threads,
    /// From tasks of the pool.
    Scope,
    /// From a parallel loop.
    Loop,
}

/// What `predict` gives each of the callers.
fn called(way: Way, pool: &ThreadPool, predict: impl Fn() -> Tensor<f32> + Sync) -> Vec<Tensor<f32>> {
    let mut results = vec![None; CALLERS];
    match way {
        Way::Threads => thread::scope(|scope| {
            for result in &mut results {
                scope.spawn(|| *result = Some(pool.install(&predict)));
            }
        }),
        Way::Scope => pool.scope(|scope| {
            for result in &mut results {
                scope.spawn(|_| *result = Some(predict()));
            }
        }),
        Way::Loop => {
            pool.install(|| results.par_iter_mut().with_max_len(1).for_each(|result| *result = Some(predict())))
        }
    }
    results.into_iter().map(|result| result.expect("every caller has a result")).collect()
}

#[test]
fn any_number_of_threads_predict_with_one_model() {
    watch();
    let image = Tensor::from_fn([1, 4, 4, 192], |i| (i as f32 * 0.7).sin());
    let pools: Vec<_> = (1..=4).map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap()).collect();
    let ways = [Way::Threads, Way::Scope, Way::Loop];
    let combinations = pools.iter().flat_map(|pool| ways.map(|way| (pool, way))).cycle();
    for (seed, (pool, way)) in (0..200).zip(combinations) {
        // Its weights are unprepared: all callers find them so at once.
        let model = model(seed);
        let scores = called(way, pool, || model.predict(image.clone()).unwrap());
        assert!(scores.iter().all(|other| *other == scores[0]));
        PROGRESS.fetch_add(1, Ordering::Relaxed);
    }
}
