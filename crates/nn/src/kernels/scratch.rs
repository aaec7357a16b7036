//! Working memory that a thread keeps from one call to the next.

use std::cell::RefCell;

use tensor::simd::line;

thread_local! {
    static POOL: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with `len` values of working memory, aligned to a cache line, whose content is arbitrary.
///
/// A thread uses the memory of earlier calls again; calls may nest. With `--cfg exact_buffers` each call gets fresh memory
/// of exactly that length, full of NaN: an address sanitizer then detects access past its end, and the results show values
/// that were read before they were written.
///
/// It is always inlined, and so compiled with the vector instructions of the kernel that calls it.
#[inline(always)]
pub(crate) fn with_scratch<T>(len: usize, f: impl FnOnce(&mut [f32]) -> T) -> T {
    if cfg!(exact_buffers) {
        return f(&mut vec![f32::NAN; len]);
    }
    let mut buffer = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    let line = line();
    if buffer.len() < len + line {
        buffer.resize(len + line, 0.0);
    }
    let skip = buffer.as_ptr().align_offset(line * size_of::<f32>()).min(line);
    let result = f(&mut buffer[skip..skip + len]);
    POOL.with_borrow_mut(|pool| pool.push(buffer));
    result
}
