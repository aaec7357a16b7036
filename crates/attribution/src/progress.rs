//! The progress of methods that run the network many times.

use std::ops::ControlFlow;

/// How far a method that runs the network many times has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Images run so far.
    pub done: usize,
    /// Images to run.
    pub total: usize,
}

/// Called with the [`Progress`] after each batch; stops the method by breaking.
pub type Watch<'w> = &'w dyn Fn(Progress) -> ControlFlow<()>;
