//! Buffers used again.
//!
//! A training step makes and drops the same few dozen large arrays each time. Fresh memory of that size comes from the
//! operating system page by page, zeroed, at a cost of the order of the convolution that fills it; so a dropped buffer
//! waits here for the next tensor of about its size.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Shorter buffers are left to the allocator, which serves them from memory it already has; all are with
/// `--cfg exact_buffers`, so that an address sanitizer sees a step past any of them.
const SHORTEST: usize = if cfg!(exact_buffers) { usize::MAX } else { 4096 };
/// Bytes of a cache line.
pub(crate) const LINE_BYTES: usize = 64;
/// A buffer may be longer than what is asked for by this part of it.
const SLACK: usize = 8;
/// When more than this waits, the shapes in use have changed: all that waits is let go.
const MOST_BYTES: usize = 512 << 20;

/// Free buffers, by capacity.
#[derive(Debug, Default)]
pub struct Pool<T> {
    free: Mutex<Free<T>>,
}

#[derive(Debug, Default)]
struct Free<T> {
    by_capacity: BTreeMap<usize, Vec<Vec<T>>>,
    bytes: usize,
}

impl<T: Copy + Default> Pool<T> {
    /// A pool in which nothing waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { free: Mutex::new(Free { by_capacity: BTreeMap::new(), bytes: 0 }) }
    }

    /// At least `len` numbers of unspecified value: with a cache line to spare, where there are many.
    #[must_use]
    pub fn take(&self, len: usize) -> Vec<T> {
        if len < SHORTEST {
            return vec![T::default(); len];
        }
        let len = len + LINE_BYTES / size_of::<T>();
        match self.reuse(len) {
            Some(mut buffer) => {
                buffer.resize(len, T::default());
                buffer
            }
            None => vec![T::default(); len],
        }
    }

    /// At least `len` zeros, as [`take`](Self::take).
    pub(crate) fn take_zeroed(&self, len: usize) -> Vec<T> {
        if len < SHORTEST {
            return vec![T::default(); len];
        }
        let len = len + LINE_BYTES / size_of::<T>();
        match self.reuse(len) {
            Some(mut buffer) => {
                buffer.clear();
                buffer.resize(len, T::default());
                buffer
            }
            None => vec![T::default(); len],
        }
    }

    fn reuse(&self, len: usize) -> Option<Vec<T>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (&capacity, _) = free.by_capacity.range(len..=len + len / SLACK).next()?;
        let waiting = free.by_capacity.get_mut(&capacity)?;
        let buffer = waiting.pop()?;
        if waiting.is_empty() {
            free.by_capacity.remove(&capacity);
        }
        free.bytes -= capacity * size_of::<T>();
        Some(buffer)
    }

    /// Lets a buffer wait for the next that is taken.
    pub fn give(&self, buffer: Vec<T>) {
        let bytes = buffer.capacity() * size_of::<T>();
        if buffer.capacity() < SHORTEST || bytes > MOST_BYTES {
            return;
        }
        let stale = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let stale = if free.bytes + bytes > MOST_BYTES {
                free.bytes = 0;
                std::mem::take(&mut free.by_capacity)
            } else {
                BTreeMap::new()
            };
            free.bytes += bytes;
            free.by_capacity.entry(buffer.capacity()).or_default().push(buffer);
            stale
        };
        drop(stale); // outside the lock: unmapping takes its time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_for_a_length_close_to_its_own() {
        let pool = Pool::<f32>::new();
        let given = vec![7.0; 10_000];
        let address = given.as_ptr();
        pool.give(given);
        let half = pool.take(5_000);
        assert_ne!(half.as_ptr(), address, "half the length would waste the rest");
        let zeroed = pool.take_zeroed(9_500);
        assert_eq!(zeroed.as_ptr(), address);
        assert!(zeroed.len() >= 9_500 && zeroed.iter().all(|&x| x == 0.0));
    }

    #[test]
    fn what_waits_is_bounded() {
        let pool = Pool::<f64>::new();
        for _ in 0..5 {
            pool.give(Vec::with_capacity(MOST_BYTES / 4 / size_of::<f64>()));
        }
        assert!(pool.free.lock().unwrap().bytes <= MOST_BYTES);
    }
}
