//! Losses: what training minimises.

mod cross_entropy;
mod log_softmax;
mod soft_cross_entropy;

pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use log_softmax::{LogSoftmax, log_softmax};
pub use soft_cross_entropy::{SoftCrossEntropy, soft_cross_entropy};
