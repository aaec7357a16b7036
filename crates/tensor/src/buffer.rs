//! The memory of a tensor, and what has been derived from it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use crate::element::Element;

type Derived = Arc<dyn Any + Send + Sync>;

/// Numbers, shared by the tensors that are copies of one another, and given back to the pool with the last of them.
pub(crate) struct Buffer<T: Element> {
    data: Vec<T>,
    /// Values computed from the data, kept as long as the data stay as they are: `(type, key)` → value.
    derived: Mutex<Vec<(u64, Derived)>>,
}

impl<T: Element> Buffer<T> {
    pub(crate) fn new(data: Vec<T>) -> Self {
        Self { data, derived: Mutex::default() }
    }

    pub(crate) fn data(&self) -> &[T] {
        &self.data
    }

    /// The data to write to; whatever was derived from them is forgotten.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        self.derived.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        &mut self.data
    }

    pub(crate) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.data)
    }

    pub(crate) fn derived<D: Any + Send + Sync>(&self, key: u64, make: impl FnOnce() -> D) -> Arc<D> {
        // Held while making, so that two threads don't make it twice.
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let found = derived.iter().filter(|(k, _)| *k == key).find_map(|(_, d)| Arc::clone(d).downcast::<D>().ok());
        found.unwrap_or_else(|| {
            let made = Arc::new(make());
            derived.push((key, Arc::clone(&made) as Derived));
            made
        })
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        T::pool().give(self.take());
    }
}
