//! Where work runs.

/// Runs `f` on a thread of the caller's pool (rayon's: the one that the caller runs in, or else the global one).
///
/// A thread outside the pool hands over every parallel loop by itself, and sleeps until it is done: tens of microseconds
/// each time, more than many a layer takes. From inside, a loop starts at once. So [`Model::forward`](crate::Model::forward)
/// and [`train_step`](crate::train::train_step) go inside for good; do the same around what calls many operations in turn.
pub fn on_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}
