//! Matrix products `[M, K] · [K, N]`, plain, transposed and skinny. Throughput counts 2·M·N·K floating-point operations.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn::kernels::{Begin, Matrix, gemm};
use tensor::simd::tier;

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
        let values = |len: usize| (0..len).map(|i| (i % 97) as f32 / 97.0).collect::<Vec<f32>>();
        let (a, b, mut y) = (values(m * k), values(k * n), vec![0.0; m * n]);
        let a = if left { Matrix::new(&a, [k, m]).transposed() } else { Matrix::new(&a, [m, k]) };
        let b = if right { Matrix::new(&b, [n, k]).transposed() } else { Matrix::new(&b, [k, n]) };
        let mark = |transposed| if transposed { "ᵀ" } else { "" };
        group.throughput(Throughput::Elements(2 * (m * n * k) as u64));
        group.bench_function(format!("{m}×{k}{} · {k}×{n}{}, {}", mark(left), mark(right), tier()), |bencher| {
            bencher.iter(|| gemm(black_box(a), black_box(b), Begin::Zero, false, &mut y));
        });
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
