//! The memory of a tensor, and what has been derived from it.

use std::ops::Range;

use crate::cache::Cache;
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
    derived: Cache,
}

impl<T: Element> Buffer<T> {
    pub(crate) fn new(data: Vec<T>) -> Self {
        Self { place: 0..data.len(), memory: data, derived: Cache::default() }
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
        Self { place: first..first + len, memory, derived: Cache::default() }
    }

    pub(crate) fn data(&self) -> &[T] {
        &self.memory[self.place.clone()]
    }

    /// The data to write to; whatever was derived from them is out of date.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        self.derived.expire();
        &mut self.memory[self.place.clone()]
    }

    /// The numbers in a vector of their own; nothing is left.
    pub(crate) fn take(&mut self) -> Vec<T> {
        let place = std::mem::take(&mut self.place);
        if place.len() < self.memory.len() { self.memory[place].to_vec() } else { std::mem::take(&mut self.memory) }
    }

    /// The values that were computed from the data.
    pub(crate) fn derived(&self) -> &Cache {
        &self.derived
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
