//! What the operations' tests share.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor::{Shape, Tensor};

/// Numbers from −1 to 1, the same for the same seed.
pub(crate) fn random(shape: impl Into<Shape>, seed: u64) -> Tensor<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Tensor::from_fn(shape, |_| rng.random_range(-1.0..1.0))
}
