//! Pictures of explanations.
//!
//! [`Map::over`](crate::Map::over) draws a map over its picture in the colours of a [`Palette`]. A [`Grid`] arranges
//! panels side by side, with legible captions.

mod deviation;
mod enlarge;
mod grid;
mod outline;
mod overlay;
mod palette;
mod save;
mod text;

pub use deviation::deviation;
pub use enlarge::{PANEL, enlarge, enlargement};
pub use grid::{Grid, Panel};
pub use outline::outline;
pub use overlay::{OPACITY, overlay};
pub use palette::Palette;
pub use save::{SaveError, encode_png, save_png};
