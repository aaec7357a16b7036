//! Memory that is used again.
//!
//! A training step makes and drops the same few dozen large arrays each time. Fresh memory of that size comes from the
//! operating system page by page, zeroed, at a cost of the order of the convolution that fills it. So the memory of a dropped
//! array waits in a pool for the next array of about its size. The process has one pool, with one limit for all types of
//! elements: where more would wait, the memory that has waited longest is freed. By default as much waits as has been in use at
//! once and an eighth more, so that a training step finds what the last one left; [`set_limit`] sets another limit.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::simd::line;

/// Shorter arrays come from the allocator, which serves them from memory that it already has. With `--cfg exact_buffers` all
/// arrays do, so that an address sanitizer sees a step past the end of any.
const SHORTEST: usize = if cfg!(exact_buffers) { usize::MAX } else { 4096 };
/// Memory may be longer than an array needs by this part of it.
const SLACK: usize = 8;

/// By default, memory that waits may exceed the most that has been in use at once by this part of it: some is always of a size that
/// isn't wanted just then. Without it, a step of MobileNet-v2 took a tenth longer, since it found too little and the rest was new.
const SPARE: usize = 8;

/// Bytes that may wait however few have been in use.
const LEAST_LIMIT: usize = 512 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool::new(None));

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Limits the bytes that wait to be used again; memory in use doesn't count. By default the limit is what has been in use at
/// once and an eighth more, and 512 MiB at least.
pub fn set_limit(bytes: usize) {
    let freed = {
        let mut pool = pool();
        pool.limit = Some(bytes);
        pool.shrink(bytes)
    };
    drop(freed);
}

/// Frees all memory that waits to be used again.
pub fn release() {
    let freed = pool().shrink(0);
    drop(freed);
}

/// An array whose memory waits for the next one when it is dropped.
///
/// Long ones begin on a cache line: a vector of AVX-512 fills one, and would touch two at every load.
#[derive(Debug, Default)]
pub struct Pooled<T: Copy + Default + Send + 'static> {
    /// Longer than the array if it belongs to the pool.
    memory: Vec<T>,
    /// Where in the memory the array lies.
    place: Range<usize>,
}

impl<T: Copy + Default + Send + 'static> Pooled<T> {
    /// `len` elements of unspecified value.
    #[must_use]
    pub fn scratch(len: usize) -> Self {
        Self::new(len, |_| ())
    }

    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self::new(len, Vec::clear)
    }

    fn new(len: usize, prepare: impl FnOnce(&mut Vec<T>)) -> Self {
        if len < SHORTEST {
            return Self::from(vec![T::default(); len]);
        }
        let bytes = line() * size_of::<f32>();
        let line = bytes / size_of::<T>();
        let reused = pool().borrow(len + line);
        let memory = match reused {
            Some(mut memory) => {
                prepare(&mut memory);
                memory.resize(len + line, T::default());
                memory
            }
            None => vec![T::default(); len + line],
        };
        let first = memory.as_ptr().align_offset(bytes).min(line);
        Self { memory, place: first..first + len }
    }

    fn is_from_pool(&self) -> bool {
        self.memory.len() > self.place.len()
    }

    /// The elements in a vector.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<T> {
        if self.is_from_pool() { self.to_vec() } else { std::mem::take(&mut self.memory) }
    }
}

/// The elements of the vector, whose memory goes back to the allocator.
impl<T: Copy + Default + Send + 'static> From<Vec<T>> for Pooled<T> {
    fn from(memory: Vec<T>) -> Self {
        Self { place: 0..memory.len(), memory }
    }
}

impl<T: Copy + Default + Send + 'static> Deref for Pooled<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.place.clone()]
    }
}

impl<T: Copy + Default + Send + 'static> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.place.clone()]
    }
}

impl<T: Copy + Default + Send + 'static> Drop for Pooled<T> {
    fn drop(&mut self) {
        if self.is_from_pool() {
            let memory = std::mem::take(&mut self.memory);
            let freed = pool().give_back(memory);
            drop(freed);
        }
    }
}

/// The vectors that wait.
struct Pool {
    /// By type of the elements, bytes of the capacity, and age.
    waiting: BTreeMap<(TypeId, usize, u64), Box<dyn Any + Send>>,
    /// Type and bytes of each, the oldest first.
    ages: BTreeMap<u64, (TypeId, usize)>,
    /// The age of the next.
    clock: u64,
    bytes: usize,
    /// Bytes of the arrays in use, and the most there ever were.
    in_use: usize,
    most_in_use: usize,
    /// `None` for the default.
    limit: Option<usize>,
}

impl Pool {
    const fn new(limit: Option<usize>) -> Self {
        Self { waiting: BTreeMap::new(), ages: BTreeMap::new(), clock: 0, bytes: 0, in_use: 0, most_in_use: 0, limit }
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or((self.most_in_use + self.most_in_use / SPARE).max(LEAST_LIMIT))
    }

    /// As [`take`](Self::take), for an array of at least `len` elements that begins to be used.
    fn borrow<T: 'static>(&mut self, len: usize) -> Option<Vec<T>> {
        let vector = self.take(len);
        self.in_use += vector.as_ref().map_or(len, Vec::capacity) * size_of::<T>();
        self.most_in_use = self.most_in_use.max(self.in_use);
        vector
    }

    /// As [`give`](Self::give), for an array that is no longer used.
    fn give_back<T: Send + 'static>(&mut self, vector: Vec<T>) -> Vec<Box<dyn Any + Send>> {
        self.in_use = self.in_use.saturating_sub(vector.capacity() * size_of::<T>());
        self.give(vector)
    }

    /// Of the vectors for at least `len` elements and not many more, a shortest one; of these, the one that came last.
    fn take<T: 'static>(&mut self, len: usize) -> Option<Vec<T>> {
        let (id, shortest) = (TypeId::of::<T>(), len * size_of::<T>());
        let fitting = (id, shortest, 0)..=(id, shortest + shortest / SLACK, u64::MAX);
        let (&(_, bytes, _), _) = self.waiting.range(fitting).next()?;
        let (&(.., age), _) = self.waiting.range(..=(id, bytes, u64::MAX)).next_back()?;
        self.remove((id, bytes, age))?.downcast().ok().map(|vector| *vector)
    }

    /// Lets a vector wait. What exceeds the limit then is returned, to be freed when the lock is.
    fn give<T: Send + 'static>(&mut self, vector: Vec<T>) -> Vec<Box<dyn Any + Send>> {
        let bytes = vector.capacity() * size_of::<T>();
        if bytes > self.limit() {
            return vec![Box::new(vector)];
        }
        let (id, age) = (TypeId::of::<T>(), self.clock);
        self.clock += 1;
        self.bytes += bytes;
        self.ages.insert(age, (id, bytes));
        self.waiting.insert((id, bytes, age), Box::new(vector));
        self.shrink(self.limit())
    }

    /// Removes the oldest vectors until the rest has at most this number of bytes.
    fn shrink(&mut self, bytes: usize) -> Vec<Box<dyn Any + Send>> {
        let mut freed = Vec::new();
        while self.bytes > bytes
            && let Some((&age, &(id, bytes))) = self.ages.first_key_value()
        {
            freed.extend(self.remove((id, bytes, age)));
        }
        freed
    }

    fn remove(&mut self, key: (TypeId, usize, u64)) -> Option<Box<dyn Any + Send>> {
        self.ages.remove(&key.2);
        self.bytes -= key.1;
        self.waiting.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_comes_back_for_a_length_close_to_its_own() {
        let mut pool = Pool::new(Some(1 << 20));
        let given = vec![7.0_f32; 10_000];
        let address = given.as_ptr();
        assert!(pool.give(given).is_empty());
        assert!(pool.take::<f32>(5_000).is_none(), "half the length would waste the rest");
        assert!(pool.take::<u32>(10_000).is_none(), "another type");
        let taken = pool.take::<f32>(9_500).unwrap();
        assert_eq!(taken.as_ptr(), address);
        assert!(pool.take::<f32>(9_500).is_none() && pool.bytes == 0);
    }

    #[test]
    fn by_default_a_little_more_waits_than_was_in_use_at_once() {
        let mut pool = Pool::new(None);
        assert_eq!(pool.limit(), LEAST_LIMIT);
        let len = LEAST_LIMIT / 2;
        assert!(pool.borrow::<u8>(len).is_none() && pool.borrow::<u8>(2 * len).is_none());
        assert_eq!((pool.in_use, pool.limit()), (3 * len, 3 * len + 3 * len / SPARE));
        pool.in_use = 0;
        assert!(pool.borrow::<u8>(len).is_none());
        assert_eq!((pool.in_use, pool.limit()), (len, 3 * len + 3 * len / SPARE));
        let vector = vec![0_u8; 100];
        assert!(pool.give_back(vector).is_empty());
        assert_eq!((pool.in_use, pool.bytes), (len - 100, 100));
    }

    #[test]
    fn the_limit_is_for_all_types_and_the_oldest_is_freed() {
        let mut pool = Pool::new(Some(100));
        let lengths = |pool: &Pool| pool.ages.values().map(|&(_, bytes)| bytes).collect::<Vec<_>>();
        pool.give(vec![0.0_f64; 5]);
        pool.give(vec![0_u32; 10]);
        assert_eq!(lengths(&pool), [40, 40]);
        assert_eq!(pool.give(vec![0.0_f32; 8]).len(), 1);
        assert_eq!(lengths(&pool), [40, 32]);
        assert_eq!(pool.give(vec![0_u8; 101]).len(), 1, "more than the limit by itself");
        assert_eq!(lengths(&pool), [40, 32]);
        assert_eq!(pool.shrink(50).len(), 1);
        assert_eq!((lengths(&pool), pool.bytes, pool.waiting.len()), (vec![32], 32, 1));
    }

    #[test]
    fn long_arrays_begin_on_a_cache_line() {
        for _ in 0..3 {
            let mut array = Pooled::<f32>::scratch(10_000);
            assert_eq!(array.as_ptr().align_offset(line() * size_of::<f32>()), 0);
            array.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            assert!(array.into_vec().iter().enumerate().all(|(i, &x)| x == i as f32));
            assert!(Pooled::<f32>::zeros(10_000).iter().all(|&x| x == 0.0));
        }
    }
}
