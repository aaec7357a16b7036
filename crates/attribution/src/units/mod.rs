//! The pictures and pixels that units of a network respond to.
//!
//! A [`Unit`](crate::Unit) is a channel of a layer, or one cell of it. Four pictures show what it looks for:
//!
//! | picture | computed by |
//! | --- | --- |
//! | its weights, if the unit is of the first layer | [`first_filters`] |
//! | its values over a picture | [`Pass::features_at`](crate::Pass::features_at) |
//! | the parts of real pictures that activate it most | [`Strongest`], and any [method](crate::methods) with the unit as its target |
//! | a picture made to activate it | [`Maximisation`] |

mod canvas;
mod first_filters;
mod maximisation;
mod strongest;

pub use first_filters::{Filters, first_filters};
pub use maximisation::{Maximisation, Maximised};
pub use strongest::{Peak, Strongest};
