//! Explaining: the forward pass with Grad-CAM at the last layer, and with guided backpropagation to the image.
//! Throughput counts images.

mod nets;

use attribution::methods::{GradCam, GuidedBackprop};
use attribution::{LayerRef, Pass};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tensor::Tensor;
use tensor::simd::tier;

fn explanations(c: &mut Criterion) {
    nets::choose_winograd();
    for (name, model) in [("M", nets::medium()), ("mobile", nets::mobile())] {
        let [h, w, channels] = model.input_shape();
        for batch in [1, 16] {
            let images = Tensor::from_fn([batch, h, w, channels], |i| (i as f32 * 0.37).sin());
            let observe = || Pass::new(&model, images.clone()).expect("images fit");
            let mut group = c.benchmark_group(format!("explain/{name}/n{batch}"));
            group.sample_size(10).throughput(Throughput::Elements(batch as u64));
            group.bench_function(format!("{}, grad-cam", tier()), |b| {
                b.iter(|| observe().why(3).at(LayerRef::Last).explain_each(&GradCam).expect("a layer with positions"));
            });
            group.bench_function(format!("{}, guided backprop", tier()), |b| {
                b.iter(|| observe().why(3).explain_each(&GuidedBackprop).expect("a network of ReLUs"));
            });
        }
    }
}

criterion_group!(benches, explanations);
criterion_main!(benches);
