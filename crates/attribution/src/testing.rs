//! Small networks for tests.

use nn::layers::{Add, Clip, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{Model, ModelBuilder, Pool2d};
use tensor::{Element, Shape, Tensor};

/// One image's input.
pub(crate) const INPUT: [usize; 3] = [9, 8, 2];

/// Two convolutions beside one another and one after, max pooling, GAP → FC.
pub(crate) fn residual() -> ModelBuilder {
    Model::builder(INPUT)
        .layer("conv1", Conv2d::new(4, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(4, 3))
        .layer_from("sum", Add, &["relu1", "conv2"])
        .layer("relu2", Clip::RELU6)
        .layer("pool", MaxPool(Pool2d::square(2)))
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
}

pub(crate) fn model() -> Model<f64> {
    residual().build(3).unwrap().cast()
}

pub(crate) fn images<T: Element>(n: usize) -> Tensor<T> {
    wave([n, 9, 8, 2], 1.0)
}

/// Numbers in [−1, 1] without an obvious pattern.
pub(crate) fn wave<T: Element>(shape: impl Into<Shape>, phase: f64) -> Tensor<T> {
    Tensor::from_fn(shape, |i| T::from_f64((i as f64 * 12.9898 + phase).sin() * (i as f64 * 0.7548 + phase).cos()))
}
