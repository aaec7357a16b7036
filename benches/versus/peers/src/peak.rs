//! The most that the processor can do: fused multiply–adds on registers, on every thread of the pool.

use std::hint::black_box;
use std::time::Instant;

const LANES: usize = 16;
const CHAINS: usize = 12;
const TURNS: usize = 100_000;

/// GFLOP/s over all threads of rayon's pool, in the best of the stretches that fit the time.
#[must_use]
pub fn gflops(seconds: f64) -> f64 {
    let (start, mut best) = (Instant::now(), 0.0);
    while best == 0.0 || start.elapsed().as_secs_f64() < seconds {
        let stretch = Instant::now();
        rayon::broadcast(|_| spin());
        let flops = (2 * LANES * CHAINS * TURNS * rayon::current_num_threads()) as f64;
        best = f64::max(best, flops / stretch.elapsed().as_secs_f64() / 1e9);
    }
    best
}

#[cfg(target_arch = "x86_64")]
fn spin() {
    use std::arch::x86_64::*;

    // Intrinsics: left to itself, the compiler may take vectors of half the width.
    #[target_feature(enable = "avx512f")]
    fn avx512() {
        let [factor, one] = [0.999, 0.5].map(|x| _mm512_set1_ps(black_box(x)));
        let mut sums = [one; CHAINS];
        for _ in 0..TURNS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, one);
            }
        }
        black_box(sums);
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2() {
        let [factor, one] = [0.999, 0.5].map(|x| _mm256_set1_ps(black_box(x)));
        let mut sums = [one; CHAINS];
        for _ in 0..2 * TURNS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, one);
            }
        }
        black_box(sums);
    }
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512.
        unsafe { avx512() }
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has AVX2 and FMA.
        unsafe { avx2() }
    } else {
        chains::<LANES>(black_box(0.999));
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn spin() {
    chains::<LANES>(black_box(0.999));
}

/// Independent chains of vectors, as many as hide the latency and fit the registers.
#[inline(always)]
fn chains<const N: usize>(factor: f32) {
    let mut sums = [[1.0_f32; N]; CHAINS];
    for _ in 0..TURNS {
        for sum in &mut sums {
            for lane in sum {
                *lane = lane.mul_add(factor, 0.5);
            }
        }
    }
    black_box(sums);
}
