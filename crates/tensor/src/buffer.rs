//! The memory of a tensor, and what has been derived from it.

use crate::cache::Cache;
use crate::element::Element;
use crate::memory::Pooled;

/// Elements that tensors share, and the values computed from them.
#[derive(Default)]
pub(crate) struct Buffer<T: Element> {
    data: Pooled<T>,
    derived: Cache,
}

impl<T: Element> Buffer<T> {
    pub(crate) fn new(data: Vec<T>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// `len` elements of unspecified value: NaN with `--cfg exact_buffers`, so that results show what wasn't written first.
    pub(crate) fn scratch(len: usize) -> Self {
        let mut data = Pooled::scratch(len);
        if cfg!(exact_buffers) {
            data.fill(T::nan());
        }
        Self { data, ..Self::default() }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { data: Pooled::zeros(len), ..Self::default() }
    }

    pub(crate) fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, to write to. Values derived from them are out of date afterwards.
    pub(crate) fn data_mut(&mut self) -> &mut [T] {
        self.derived.expire();
        &mut self.data
    }

    /// The elements in a vector; none are left.
    pub(crate) fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.data).into_vec()
    }

    /// The values computed from the elements.
    pub(crate) fn derived(&self) -> &Cache {
        &self.derived
    }
}
