//! What is true of images.

use std::borrow::Cow;

use tensor::Tensor;

/// What is true of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth<'a> {
    /// It is of this class.
    Class(usize),
    /// Each label is present (1) or absent (0).
    Labels(&'a [f32]),
    /// These are its values.
    Values(&'a [f32]),
    /// Each pixel is of a class, `[H, W]` in row-major order.
    Mask(Cow<'a, [u8]>),
}

/// What is true of the images of a mini-batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Each image is of a class.
    Classes {
        /// The class of each image; of a mixed image, the class with the larger share.
        labels: Vec<usize>,
        /// If images are mixed or classes weighted, the weight of each class in the loss of each image, `[N, K]`, for
        /// [`soft_cross_entropy`](crate::losses::soft_cross_entropy).
        soft: Option<Tensor<f32>>,
    },
    /// Each label of each image is present (1) or absent (0), `[N, K]`; between them in mixed images.
    Labels(Tensor<f32>),
    /// The values of each image, `[N, K]`; those of mixed images are mixed.
    Values(Tensor<f32>),
    /// The class of each pixel, N·H·W in row-major order.
    Map(Vec<usize>),
}
