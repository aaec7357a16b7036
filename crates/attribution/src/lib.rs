//! Why a convolutional network decides: CAM, Grad-CAM, guided backpropagation and their family.
#![forbid(unsafe_code)]

mod files;
pub mod framing;
pub mod measures;
pub mod npy;
pub mod photo;
pub mod render;
pub mod upsample;
