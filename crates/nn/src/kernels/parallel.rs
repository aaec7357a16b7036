//! Independent tasks on the caller's thread pool.

use rayon::prelude::*;

/// Multiply–adds below which handing out tasks costs more than it gains (some twenty microseconds of one core).
const WORTHWHILE: u64 = 1 << 20;

/// Tasks that a large problem is cut into for each thread, so that a late one doesn't keep the others waiting.
const TASKS_PER_THREAD: usize = 4;

/// How many tasks to aim for, given the multiply–adds of the whole.
pub(crate) fn wanted_tasks(work: u64) -> usize {
    let threads = rayon::current_num_threads();
    if threads == 1 || work < WORTHWHILE { 1 } else { TASKS_PER_THREAD * threads }
}

/// Calls `task` for each of `0..tasks`, in parallel where the work is worth it.
///
/// Tasks write disjoint memory and don't depend on one another, so neither order nor number of threads shows.
pub(crate) fn for_each(tasks: usize, work: u64, task: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || wanted_tasks(work) == 1 {
        (0..tasks).for_each(task);
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// A pointer that tasks share. Whoever writes through it sees to it that tasks write disjoint places.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: it is an address; the code that writes through it vouches for disjointness.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The memory of that slice.
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// The address. (A method, so that closures capture the whole and not the bare pointer.)
    pub(crate) fn pointer(self) -> *mut f32 {
        self.0
    }
}
