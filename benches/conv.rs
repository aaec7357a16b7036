//! Convolutions: forward pass, input gradient and weight gradient of layers as they occur, and of their single images.
//!
//! `cargo bench --bench conv -- j2/forward` picks a case. Throughput counts floating-point operations,
//! 2·N·Ho·Wo·Cout·(Cin/groups)·Kh·Kw whatever the algorithm: "Gelem/s" reads as GFLOP/s of direct convolution.
//! Weights are prepared outside the measured time, as when explaining; `prepare` measures it. A case's name ends in the
//! tier and the algorithm. Both can be forced; passes that the algorithm can't compute are left out:
//!
//! ```sh
//! GLASSBOX_SIMD=avx2 ALGORITHM=winograd2 cargo bench --bench conv -- j2
//! ```

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nn::kernels::conv::{Algorithm, Pass, Prepared, choose, weight_gradient};
use nn::{ConvGeometry, Convolution};
use tensor::simd::tier;

struct Case {
    name: &'static str,
    batch: usize,
    /// Height and width, Cin, Cout.
    sizes: [usize; 3],
    kernel: usize,
    conv: Convolution,
}

fn cases() -> Vec<Case> {
    let case = |name, batch, sizes, kernel, conv| Case { name, batch, sizes, kernel, conv };
    let same = Convolution::same();
    vec![
        case("a", 16, [224, 3, 64], 7, Convolution::default().stride(2).padding(3)),
        case("b", 16, [56, 64, 64], 3, same),
        case("c", 16, [28, 128, 128], 3, same),
        case("d", 16, [14, 256, 256], 3, same),
        case("e", 16, [7, 512, 512], 3, same),
        case("f", 16, [56, 64, 256], 1, Convolution::default()),
        case("g", 16, [14, 1024, 256], 1, Convolution::default()),
        case("h", 16, [112, 32, 32], 3, same.groups(32)),
        case("i", 16, [14, 512, 512], 3, same.groups(512)),
        case("j1", 32, [28, 1, 32], 3, same),
        case("j2", 32, [28, 32, 64], 3, same),
        case("j3", 32, [32, 3, 32], 3, same),
        case("j4", 32, [16, 64, 128], 3, same),
    ]
}

fn values(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// The algorithm that is chosen for a pass, or the one that `ALGORITHM` names, where it can compute it.
fn algorithm(g: &ConvGeometry, pass: Pass) -> Option<Algorithm> {
    let Ok(name) = std::env::var("ALGORITHM") else { return Some(choose(g, pass)) };
    let mut all = Algorithm::ALL.iter().copied();
    let forced = all.find(|algorithm| format!("{algorithm:?}").eq_ignore_ascii_case(&name));
    let forced = forced.unwrap_or_else(|| panic!("ALGORITHM: expected one of {:?}, found {name:?}", Algorithm::ALL));
    forced.supports(g, pass).then_some(forced)
}

fn bench(c: &mut Criterion, name: &str, g: &ConvGeometry) {
    let of = |shape: [usize; 4]| shape.iter().product::<usize>();
    let (x, w, mut y) = (values(of(g.input_shape())), values(of(g.kernel_shape())), values(of(g.output_shape())));
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    for (pass, title) in [(Pass::Forward, "forward"), (Pass::InputGradient, "dx"), (Pass::WeightGradient, "dw")] {
        let Some(algorithm) = algorithm(g, pass) else { continue };
        let mut group = c.benchmark_group(format!("conv/{name}/{title}/n{}", g.batch));
        group.sample_size(10).throughput(Throughput::Elements(2 * g.multiply_adds()));
        let id = format!("{}, {algorithm}", tier());
        if pass == Pass::WeightGradient {
            group.bench_function(id, |b| b.iter(|| weight_gradient(g, algorithm, black_box(&x), &y, &mut dw)));
            continue;
        }
        let mut prepared = Prepared::new(g, pass, algorithm, &w);
        group.bench_function(id, |b| {
            b.iter(|| match pass {
                Pass::Forward => prepared.forward(g, black_box(&x), None, false, &mut y),
                _ => prepared.input_gradient(g, black_box(&y), &mut dx),
            });
        });
        if g.batch == 1 {
            group.bench_function("prepare", |b| b.iter(|| prepared.update(black_box(&w))));
        }
    }
}

fn conv(c: &mut Criterion) {
    for Case { name, batch, sizes: [side, cin, cout], kernel, conv } in cases() {
        for batch in [1, batch] {
            let shape = [kernel, kernel, cin / conv.groups, cout];
            let geometry = conv.geometry(&[batch, side, side, cin], &shape).expect("a case that fits");
            bench(c, name, &geometry);
        }
    }
}

criterion_group!(benches, conv);
criterion_main!(benches);
