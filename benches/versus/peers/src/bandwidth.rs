//! The most that memory can do: a triad, `a = b + factor · c`, over arrays far larger than any cache.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;

/// Values of one array: 128 MiB.
const VALUES: usize = 1 << 25;

/// GB/s over all threads of rayon's pool, in the best of the passes that fit the time: 12 bytes for each value.
#[must_use]
pub fn gigabytes(seconds: f64) -> f64 {
    let share = VALUES.div_ceil(rayon::current_num_threads());
    let [mut a, b, c] = [0.0, 1.0, 2.0].map(|value: f32| {
        let mut array = vec![0.0; VALUES];
        array.par_chunks_mut(share).for_each(|part| part.fill(value));
        array
    });
    let (start, mut best) = (Instant::now(), 0.0);
    while best == 0.0 || start.elapsed().as_secs_f64() < seconds {
        let pass = Instant::now();
        let factor = black_box(0.5);
        a.par_chunks_mut(share).zip(b.par_chunks(share)).zip(c.par_chunks(share)).for_each(|((a, b), c)| {
            for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                *a = b + factor * c;
            }
        });
        best = f64::max(best, (12 * VALUES) as f64 / pass.elapsed().as_secs_f64() / 1e9);
        black_box(&a);
    }
    best
}
