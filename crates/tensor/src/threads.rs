//! Where work runs.

/// Runs `f` on a thread of the caller's rayon pool: the one that the caller runs in, or else the global one.
///
/// A thread outside the pool passes every parallel loop to it and sleeps until the loop is done: tens of microseconds each
/// time, more than many a layer takes. From inside, a loop starts at once. So code that calls many operations in turn should
/// do so inside `on_pool`.
pub fn on_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}
