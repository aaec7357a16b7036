//! What the engines share: the cases, the inputs, and the loop of commands and answers.

#![warn(missing_docs)]

mod bandwidth;
mod case;
mod fill;
mod peak;
mod serve;

pub use bandwidth::gigabytes;
pub use case::{Case, Conv, Dense, Drawn, Layer, Net, Whole};
pub use fill::{fill, permute};
pub use peak::gflops;
pub use serve::{Work, serve};
