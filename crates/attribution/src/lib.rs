//! Why a convolutional network decides: CAM, Grad-CAM, guided backpropagation and their family.
//!
//! An [`Explainer`] runs a model once; the [`Pass`] that this leaves behind answers for every class, every layer and
//! every method. Methods of the class-activation family give a [`Heatmap`] of a layer's cells, input-level methods a
//! [`Saliency`] of the image's own values; both carry a [`Verdict`], so that no map is blank without a word.
#![forbid(unsafe_code)]

mod baseline;
mod error;
mod explainer;
mod explanation;
mod files;
pub mod framing;
mod geometry;
mod gradients;
mod heatmap;
pub mod measures;
pub mod methods;
pub mod npy;
mod pass;
pub mod photo;
pub mod render;
pub mod rules;
mod saliency;
mod target;
#[cfg(test)]
mod testing;
pub mod upsample;
mod variants;
mod verdict;

pub use baseline::Baseline;
pub use error::ExplainError;
pub use explainer::{Explainer, Observable};
pub use explanation::Explanation;
pub use geometry::Cells;
pub use heatmap::{Heatmap, Placement};
pub use pass::{LayerRef, Pass, Prediction};
pub use photo::Photo;
pub use saliency::Saliency;
pub use target::{Class, Target};
pub use variants::{Progress, silent};
pub use verdict::{Arose, Verdict};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
