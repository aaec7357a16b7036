//! Clusters of maps: does the network explain some pictures by something of their own, such as a mark in a corner?
//!
//! [`SpectralClusters`] divides the maps of a class by what they have in common (spectral relevance analysis), and
//! [`shortcuts`] finds the clusters that lie in the same place although pictures of other classes have nothing there.

mod jacobi;
mod k_means;
mod place;
mod shortcut;
mod spectral;

pub use place::{Outline, SIDE};
pub use shortcut::{Shortcut, shortcuts};
pub use spectral::SpectralClusters;
