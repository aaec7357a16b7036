//! The memory of a tensor, and what has been derived from it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use crate::element::Element;

/// Numbers, shared by the tensors that are copies of one another, and given back to the pool with the last of them.
pub(crate) struct Buffer<T: Element> {
    data: Vec<T>,
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
        Self { data, derived: Mutex::default() }
    }

    pub(crate) fn data(&self) -> &[T] {
        &self.data
    }

    /// The data to write to; whatever was derived from them is out of date.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        for derived in self.derived.get_mut().unwrap_or_else(PoisonError::into_inner) {
            derived.stale = true;
        }
        &mut self.data
    }

    pub(crate) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.data)
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
        T::pool().give(self.take());
    }
}
