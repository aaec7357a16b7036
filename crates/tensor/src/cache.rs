//! Values computed from a tensor's elements and kept with them.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values that a cache keeps. A convolution's weights have one for each pass and algorithm that they were used in.
const LIMIT: usize = 4;

/// A few values of any types. When one more than the limit is added, the least recently used one is dropped.
///
/// Nothing is computed while the lock is held: a thread of a pool that waits for a parallel loop runs other tasks meanwhile,
/// which may ask for the same value. So two threads may both compute it; they get the one that is stored first.
#[derive(Default)]
pub(crate) struct Cache {
    /// The most recently used last.
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    value: Arc<dyn Any + Send + Sync>,
    /// Whether the elements have been written to since it was computed.
    stale: bool,
}

impl Entry {
    fn fits<D: Any>(&self, fits: impl Fn(&D) -> bool) -> bool {
        self.value.downcast_ref().is_some_and(fits)
    }
}

impl Cache {
    /// Marks all values as out of date.
    pub(crate) fn expire(&mut self) {
        for entry in self.entries.get_mut().unwrap_or_else(PoisonError::into_inner) {
            entry.stale = true;
        }
    }

    /// The value of type `D` that `fits`. If there is none, `make` computes it; one that is out of date goes through `refresh`
    /// if nobody else holds it, and else is made again.
    pub(crate) fn get<D: Any + Send + Sync>(
        &self,
        fits: impl Fn(&D) -> bool,
        make: impl FnOnce() -> D,
        refresh: impl FnOnce(&mut D),
    ) -> Arc<D> {
        let found = {
            let mut entries = self.lock();
            let found = entries.iter().position(|entry| entry.fits(&fits)).map(|index| entries.remove(index));
            match found {
                Some(entry) if !entry.stale => {
                    let value = Arc::clone(&entry.value);
                    entries.push(entry);
                    return value.downcast().expect("it has this type");
                }
                found => found,
            }
        };
        let stale = found.and_then(|entry| entry.value.downcast().ok());
        let value = match stale.map(Arc::try_unwrap) {
            Some(Ok(mut value)) => {
                refresh(&mut value);
                value
            }
            _ => make(),
        };
        self.insert(fits, Arc::new(value))
    }

    /// Stores the value, unless another thread has stored one meanwhile: the one that is stored.
    fn insert<D: Any + Send + Sync>(&self, fits: impl Fn(&D) -> bool, value: Arc<D>) -> Arc<D> {
        let mut entries = self.lock();
        if let Some(first) = entries.iter().find(|entry| !entry.stale && entry.fits(&fits)) {
            return Arc::clone(&first.value).downcast().expect("it has this type");
        }
        entries.push(Entry { value: Arc::clone(&value) as _, stale: false });
        let dropped = (entries.len() > LIMIT).then(|| entries.remove(0));
        drop(entries);
        drop(dropped);
        value
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn never(_: &mut i32) {
        panic!("it is up to date")
    }

    fn again() -> i32 {
        panic!("it is made already")
    }

    #[test]
    fn a_value_is_made_once_and_refreshed_in_place() {
        let mut cache = Cache::default();
        let first = cache.get(|_| true, || 1, never);
        assert!(Arc::ptr_eq(&first, &cache.get(|_| true, again, never)));
        drop(first);
        cache.expire();
        assert_eq!(*cache.get(|_| true, again, |value| *value += 1), 2);
        let held = cache.get(|_| true, again, never);
        cache.expire();
        assert_eq!(*cache.get(|_| true, || 3, never), 3, "made again while another holds the old one");
        assert_eq!(*held, 2);
        assert!(!Arc::ptr_eq(&held, &cache.get(|_| true, again, never)));
    }

    #[test]
    fn values_are_told_apart_by_type_and_by_what_fits() {
        let cache = Cache::default();
        cache.get(|_| true, || "text", |_| ());
        for number in [1, 2, 1] {
            assert_eq!(*cache.get(|&found| found == number, || number, never), number);
        }
        assert_eq!(cache.lock().len(), 3);
        assert_eq!(*cache.get(|_: &&str| true, || "other", |_| ()), "text");
    }

    #[test]
    fn the_least_recently_used_value_is_dropped() {
        let cache = Cache::default();
        let get = |number| *cache.get(|&found| found == number, || number, never);
        (0..LIMIT as i32).for_each(|number| assert_eq!(get(number), number));
        get(0);
        get(100);
        let kept: Vec<_> = cache.lock().iter().map(|entry| *entry.value.downcast_ref::<i32>().unwrap()).collect();
        assert_eq!(kept, [2, 3, 0, 100]);
    }

    #[test]
    fn a_value_may_be_asked_for_while_it_is_made() {
        let cache = Cache::default();
        let outer = cache.get(|_| true, || *cache.get(|_| true, || 1, never) + 1, never);
        assert_eq!((*outer, cache.lock().len()), (1, 1));
    }

    #[test]
    fn two_threads_that_make_a_value_at_once_get_the_same() {
        let (cache, both) = (Cache::default(), Barrier::new(2));
        let get = || {
            cache.get(
                |_| true,
                || {
                    both.wait();
                    1
                },
                never,
            )
        };
        let [a, b] =
            std::thread::scope(|scope| [scope.spawn(get), scope.spawn(get)].map(|thread| thread.join().unwrap()));
        assert!(Arc::ptr_eq(&a, &b));
    }
}
