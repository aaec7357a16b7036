//! The progress of methods that run the network many times.

use std::ops::ControlFlow;

/// The progress of a method that runs the network many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of images run so far.
    pub done: usize,
    /// Total number of images.
    pub total: usize,
}

/// A callback with the [`Progress`] after each batch. It stops the method by breaking.
pub type Watch<'w> = &'w dyn Fn(Progress) -> ControlFlow<()>;
