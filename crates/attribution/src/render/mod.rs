//! Pictures of explanations.
//!
//! [`overlay`] lays a heatmap over the picture it explains, [`signed`] shows what speaks for and against in an input-level
//! map, and a [`Grid`] puts panels side by side with captions that can be read.

mod colormap;
mod enlarge;
mod grid;
mod outline;
mod overlay;
mod save;
mod signed;
mod text;

pub use colormap::{Colormap, signed_color};
pub use enlarge::{PANEL, enlarge, enlargement};
pub use grid::{Grid, Legend, Panel};
pub use outline::outline;
pub use overlay::{OPACITY, overlay};
pub use save::{SaveError, save_png};
pub use signed::{PERCENTILE, Reduction, signed, signed_scale};
