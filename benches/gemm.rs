//! Matrix products: `[M, K] · [K, N]`, plain, transposed and skinny, and the three passes of fully connected layers.
//! Throughput counts 2·M·N·K floating-point operations: "Gelem/s" reads as GFLOP/s.
//!
//! The right operand of `gemm` is packed in the measured time. A layer's weights are packed outside it, as when explaining,
//! unless they are "fresh", as when training.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn::Real;
use nn::kernels::{Matrix, gemm};
use tensor::Tensor;
use tensor::simd::tier;

/// Tensors begin on a cache line.
fn values<const N: usize>(shape: [usize; N]) -> Tensor<f32> {
    let mut values = Tensor::scratch(shape);
    values.make_mut().iter_mut().enumerate().for_each(|(i, value)| *value = (i % 97) as f32 / 97.0);
    values
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("gemm");
    group.sample_size(10);
    // M, K, N, and whether the left or the right operand is stored transposed.
    for (m, k, n, left, right) in [
        (128, 128, 128, false, false),
        (512, 512, 512, false, false),
        (512, 512, 512, true, false),
        (512, 512, 512, false, true),
        (1024, 1024, 1024, false, false),
        (3136, 64, 256, false, false),
        (64, 3136, 256, true, false),
        (32, 1024, 1000, false, false),
        (1, 1024, 1000, false, false),
    ] {
        let (a, b, mut y) = (values([m * k]), values([k * n]), values([m * n]));
        let matrix = |values, shape: [usize; 2], transposed: bool| {
            if transposed { Matrix::new(values, [shape[1], shape[0]]).transposed() } else { Matrix::new(values, shape) }
        };
        let (a, b) = (matrix(a.as_slice(), [m, k], left), matrix(b.as_slice(), [k, n], right));
        let mark = |transposed| if transposed { "ᵀ" } else { "" };
        group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
        group.bench_function(format!("{m}×{k}{} · {k}×{n}{}, {}", mark(left), mark(right), tier()), |bencher| {
            bencher.iter(|| gemm(black_box(a), black_box(b), y.make_mut()));
        });
    }
}

fn layers(c: &mut Criterion) {
    for [inputs, outputs] in [[512, 1000], [4096, 4096]] {
        let mut w = values([inputs, outputs]);
        for n in [1, 16, 64] {
            let (x, dy) = (values([n, inputs]), values([n, outputs]));
            let [mut y, mut dx, mut dw] = [[n, outputs], [n, inputs], [inputs, outputs]].map(values);
            let mut group = c.benchmark_group(format!("fc {inputs}→{outputs}/n{n}"));
            group.sample_size(10).throughput(Throughput::Elements(2 * (n * inputs * outputs) as u64));
            let mut bench = |title: &str, pass: &mut dyn FnMut()| {
                group.bench_function(format!("{title}, {}", tier()), |bencher| bencher.iter(&mut *pass));
            };
            bench("forward", &mut || f32::linear(black_box(&x), &w, None, y.make_mut()));
            bench("dx", &mut || f32::linear_input_gradient(black_box(&dy), &w, dx.make_mut()));
            bench("dw", &mut || f32::linear_weight_gradient(black_box(&x), &dy, dw.make_mut()));
            bench("forward, fresh weights", &mut || {
                w.make_mut();
                f32::linear(black_box(&x), &w, None, y.make_mut());
            });
        }
    }
}

criterion_group!(benches, products, layers);
criterion_main!(benches);
