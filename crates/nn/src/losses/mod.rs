//! Losses: what training minimises.

mod binary_cross_entropy;
mod cross_entropy;
mod dice_loss;
mod huber_error;
mod log_softmax;
mod mean_squared_error;
mod soft_cross_entropy;

pub use binary_cross_entropy::{BinaryCrossEntropy, binary_cross_entropy};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use dice_loss::{DiceLoss, dice_loss};
pub use huber_error::{HuberError, huber_error};
pub use log_softmax::{LogSoftmax, log_softmax};
pub use mean_squared_error::{MeanSquaredError, mean_squared_error};
pub use soft_cross_entropy::{SoftCrossEntropy, soft_cross_entropy};
