//! A training step: forward, backward, SGD with momentum. Throughput counts images.
//!
//! `RAYON_NUM_THREADS=1 cargo bench --bench train_step` runs it on one thread.

mod nets;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn::optim::Sgd;
use nn::train::train_step;
use tensor::Tensor;
use tensor::simd::tier;

fn steps(c: &mut Criterion) {
    nets::choose_winograd();
    for (name, make) in [("S", nets::small as fn() -> nn::Model), ("M", nets::medium)] {
        for batch in [32, 128] {
            let mut model = make();
            let [h, w, channels] = model.input_shape();
            let images = Tensor::from_fn([batch, h, w, channels], |i| (i as f32 * 0.37).sin());
            let labels: Vec<usize> = (0..batch).map(|i| i % 10).collect();
            let mut optimizer = Sgd::new(0.01, 0.9);
            let mut group = c.benchmark_group(format!("train_step/{name}/n{batch}"));
            group.sample_size(10).throughput(Throughput::Elements(batch as u64));
            group.bench_function(tier().to_string(), |b| {
                b.iter(|| train_step(&mut model, &mut optimizer, images.clone(), &labels, 0.0, 0).expect("images fit"));
            });
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
