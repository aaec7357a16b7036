//! What the layers' tests share.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tensor::Shape;
pub(crate) use tensor::{Exact, Keep, Tape, Tensor, gradcheck};

pub(crate) use super::apply::Apply;
use crate::geometry::{Padding, Pool2d};

/// Numbers from −1 to 1, the same for the same seed.
pub(crate) fn random(shape: impl Into<Shape>, seed: u64) -> Tensor<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Tensor::from_fn(shape, |_| rng.random_range(-1.0..1.0))
}

prop_compose! {
    /// An input shape and windows over it, which need not fit.
    pub(crate) fn pooling()(
        batch in 1_usize..3, size in [1_usize..8, 1_usize..8], channels in 1_usize..4,
        kernel in [1_usize..4, 1_usize..4], stride in [1_usize..4, 1_usize..4],
        padding in [0_usize..3, 0_usize..3, 0_usize..3, 0_usize..3],
    ) -> (Vec<usize>, Pool2d) {
        let [top, bottom, left, right] = padding;
        let pool = Pool2d { kernel, stride, padding: Padding { top, bottom, left, right } };
        (vec![batch, size[0], size[1], channels], pool)
    }
}

/// `pool` applied to each window of x `[N, H, W, C]`, in which `None` stands for padding.
pub(crate) fn literal_pool(x: &Tensor<f64>, pool: Pool2d, f: impl Fn(&[Option<f64>]) -> f64) -> Tensor<f64> {
    let output = pool.geometry(x.shape()).expect("the windows fit").output_shape();
    let x = x.view();
    let y = ndarray::Array4::from_shape_fn(output, |(n, i, j, c)| {
        let mut window = Vec::new();
        for u in 0..pool.kernel[0] {
            for v in 0..pool.kernel[1] {
                let a = (i * pool.stride[0] + u).wrapping_sub(pool.padding.top);
                let b = (j * pool.stride[1] + v).wrapping_sub(pool.padding.left);
                window.push(x.get([n, a, b, c]).copied());
            }
        }
        f(&window)
    });
    Tensor::from(y)
}
