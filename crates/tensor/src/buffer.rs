//! The memory of a tensor, and what has been derived from it.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::element::Element;
use crate::pool::LINE_BYTES;

/// Numbers, shared by the tensors that are copies of one another, and given back to the pool with the last of them.
///
/// Numbers from the pool begin on a cache line: a vector of AVX-512 fills one, and would touch two at every load.
pub(crate) struct Buffer<T: Element> {
    memory: Vec<T>,
    /// Where in the memory the numbers lie.
    place: Range<usize>,
    /// Values computed from the data.
    derived: Mutex<Vec<Derived>>,
}

struct Derived {
    value: Arc<dyn Any + Send + Sync>,
    /// Whether the data have been written to since it was computed.
    stale: bool,
}

impl<T: Element> Buffer<T> {
    pub(crate) fn new(data: Vec<T>) -> Self {
        Self { place: 0..data.len(), memory: data, derived: Mutex::default() }
    }

    /// `len` numbers of unspecified value: NaN with `--cfg exact_buffers`, so that results show what wasn't written first.
    pub(crate) fn scratch(len: usize) -> Self {
        let mut buffer = Self::from_pool(T::pool().take(len), len);
        if cfg!(exact_buffers) {
            buffer.data_mut().fill(T::nan());
        }
        buffer
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self::from_pool(T::pool().take_zeroed(len), len)
    }

    fn from_pool(memory: Vec<T>, len: usize) -> Self {
        let first = memory.as_ptr().align_offset(LINE_BYTES).min(memory.len() - len);
        Self { place: first..first + len, memory, derived: Mutex::default() }
    }

    pub(crate) fn data(&self) -> &[T] {
        &self.memory[self.place.clone()]
    }

    /// The data to write to; whatever was derived from them is out of date.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        for derived in self.derived.get_mut().unwrap_or_else(PoisonError::into_inner) {
            derived.stale = true;
        }
        &mut self.memory[self.place.clone()]
    }

    /// The numbers in a vector of their own; nothing is left.
    pub(crate) fn take(&mut self) -> Vec<T> {
        let place = std::mem::take(&mut self.place);
        if place.len() < self.memory.len() { self.memory[place].to_vec() } else { std::mem::take(&mut self.memory) }
    }

    pub(crate) fn derived<D: Any + Send + Sync>(
        &self,
        fits: impl Fn(&D) -> bool,
        make: impl Fn() -> D,
        refresh: impl FnOnce(&mut D),
    ) -> Arc<D> {
        // Held while computing, so that two threads don't do it twice.
        let mut all = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter_mut().find(|derived| derived.value.downcast_ref().is_some_and(&fits));
        let found = match found {
            Some(found) => found,
            None => {
                all.push(Derived { value: Arc::new(make()), stale: false });
                all.last_mut().expect("just pushed")
            }
        };
        if std::mem::take(&mut found.stale) {
            match Arc::get_mut(&mut found.value).and_then(|value| value.downcast_mut()) {
                Some(value) => refresh(value),
                None => found.value = Arc::new(make()),
            }
        }
        Arc::clone(&found.value).downcast().expect("of this type")
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        T::pool().give(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_numbers_begin_on_a_cache_line() {
        for _ in 0..3 {
            let mut buffer = Buffer::<f32>::scratch(10_000);
            assert_eq!(buffer.data().as_ptr().align_offset(LINE_BYTES), 0);
            buffer.data_mut().iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            assert!(buffer.take().iter().enumerate().all(|(i, &x)| x == i as f32));
        }
    }
}
