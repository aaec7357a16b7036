//! Why a convolutional network decides: CAM, Grad-CAM, guided backpropagation and their family.
//!
//! An [`Explainer`] runs a model once; the [`Pass`] that this leaves behind answers for every class, every layer and
//! every method. Methods of the class-activation family give a [`Heatmap`] of a layer's cells, input-level methods a
//! [`Saliency`] of the image's own values; both carry a [`Verdict`], so that no map is blank without a word.
//!
//! # Where to read on
//!
//! [`book`] derives everything that is computed here, from the chain rule on, with examples that check it:
//!
//! - [ReLU and its readings](book::chapter_08_relu): exact, deconvnet, guided; what they keep and what they lose
//! - [Class activation maps](book::chapter_09_cam): CAM, Grad-CAM and the proof that the two agree, guided Grad-CAM, the
//!   family
//! - [Where a cell lies](book::chapter_10_upsampling) on the picture
//! - [Other readings](book::chapter_11_other_readings): input × gradient, integrated gradients, smoothing, occlusion
//! - [What is conserved](book::chapter_12_conservation): completeness, relevance, certificates
//! - [A rule of your own](book::chapter_15_own_rule)
#![forbid(unsafe_code)]

mod baseline;
pub mod book;
pub mod certificates;
mod error;
mod explainer;
mod explanation;
pub mod framing;
mod geometry;
mod gradients;
mod heatmap;
pub mod measures;
pub mod methods;
pub mod npy;
mod pass;
mod path;
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
pub use nn::data::photo::{self, Photo};
pub use pass::{LayerRef, Pass, Prediction};
pub use saliency::Saliency;
pub use target::{Class, Target};
pub use variants::{Progress, silent};
pub use verdict::{Arose, Verdict};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
