//! Pictures of explanations.
//!
//! [`Map::over`](crate::Map::over) draws a map over the picture that it explains, in the colours of a [`Palette`]; a
//! [`Grid`] puts panels side by side with captions that can be read.

mod enlarge;
mod grid;
mod outline;
mod overlay;
mod palette;
mod save;
mod text;

pub use enlarge::{PANEL, enlarge, enlargement};
pub use grid::{Grid, Panel};
pub use outline::outline;
pub use overlay::{OPACITY, overlay};
pub use palette::Palette;
pub use save::{SaveError, save_png};
