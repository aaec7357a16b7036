//! Layers that move values and compute none.

mod concat;
mod flatten;
#[cfg(feature = "onnx")]
mod onnx;
mod pad;
mod rearrange;
mod select;
mod unflatten;

pub use concat::Concat;
pub use flatten::Flatten;
pub use pad::Pad;
pub use rearrange::Rearrange;
pub(crate) use rearrange::by_times;
pub use select::Select;
pub use unflatten::Unflatten;
