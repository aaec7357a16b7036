//! Explanations of the decisions of convolutional networks: CAM, Grad-CAM, guided backpropagation and related methods.
//!
//! A [`Pass`] is one run of a model. Ask it [why](Pass::why) a class got its score, and a [method](methods) answers
//! with a [`Map`] for each image. A map knows [what its values mean](Quantity), [where its cells lie](Placement), and
//! [what it shows](Verdict), so no map is blank without a reason.
//!
//! ```
//! use attribution::methods::{GradCam, SmoothGrad};
//! use attribution::{Pass, Target};
//! # use attribution::nn::{Model, layers::{Conv2d, GlobalAvgPool, Linear, Relu}};
//! # use attribution::tensor::Tensor;
//! # let model = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
//! #     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(3)).build(7)?;
//! # let image = Tensor::from_fn([16, 16, 1], |i| (i as f32).sin());
//!
//! let pass = Pass::new(&model, &image)?;
//! let map = pass.why(2).at("relu1").explain(&GradCam)?;
//! let rather = pass.why(Target::contrast(2, 0)).explain(&SmoothGrad { samples: 20, ..SmoothGrad::default() })?;
//! println!("{}", map.verdict());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Further reading
//!
//! The [`book`] derives every formula in this crate, starting from the chain rule, with examples that check it:
//!
//! - [ReLU under three rules](book::chapter_08_relu): exact, deconvnet, guided; what they preserve and what they lose
//! - [Class activation maps](book::chapter_09_cam): CAM, Grad-CAM and the proof that they agree, guided Grad-CAM, the
//!   family
//! - [Upsampling](book::chapter_10_upsampling): where a cell lies on the picture
//! - [Other methods](book::chapter_11_other_readings): input × gradient, integrated gradients, smoothing, occlusion
//! - [Conservation](book::chapter_12_conservation): completeness, relevance, certificates
//! - [Your own rule](book::chapter_15_own_rule)
//! - [Attention](book::chapter_18_attention): its gradient, rollout, relevance through transformers
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
extern crate self as attribution;

mod baseline;
pub mod book;
pub mod certificates;
pub mod clusters;
mod error;
mod layer;
pub mod map;
pub mod measures;
pub mod methods;
pub mod npy;
pub mod pass;
mod path;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod program;
mod progress;
pub mod question;
pub mod render;
pub mod rules;
mod target;
#[cfg(test)]
mod testing;
pub mod units;

pub use baseline::Baseline;
pub use error::ExplainError;
pub use layer::LayerRef;
pub use map::{Map, Placement, Quantity, Verdict};
pub use nn::data::photo::Photo;
pub use pass::{Pass, Prediction, Says};
pub use question::{Method, Question};
pub use target::{Class, Region, Target, Unit};
pub use {nn, tensor};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
