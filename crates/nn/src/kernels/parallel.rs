//! Independent tasks on the caller's thread pool.

use std::cell::Cell;
use std::marker::PhantomData;

use rayon::prelude::*;

/// Multiply–adds below which distributing tasks costs more than it gains (some twenty microseconds of one core).
const WORTHWHILE: u64 = 1 << 20;

/// Multiply–adds that take as long as one access to a value in memory.
pub(crate) const ACCESS: usize = 8;

/// Tasks for each thread that a large problem is split into, so that the others don't wait long for the last one.
const TASKS_PER_THREAD: usize = 4;

thread_local! {
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f`, whose kernels don't distribute tasks: it is a task itself, and what it computes is in this thread's cache.
pub(crate) fn alone<R>(f: impl FnOnce() -> R) -> R {
    let before = IS_ALONE.replace(true);
    let result = f();
    IS_ALONE.set(before);
    result
}

/// The number of tasks to aim for, given the multiply–adds of the whole.
pub(crate) fn wanted_tasks(work: u64) -> usize {
    let threads = rayon::current_num_threads();
    if threads == 1 || work < WORTHWHILE || IS_ALONE.get() { 1 } else { TASKS_PER_THREAD * threads }
}

/// Calls `task` for each of `0..tasks`, in parallel where the work is worth it.
///
/// Tasks write disjoint memory and don't depend on one another, so the result depends neither on their order nor on the
/// number of threads.
pub(crate) fn for_each(tasks: usize, work: u64, task: impl Fn(usize) + Sync) {
    distribute(tasks, work, &task);
}

/// Not generic over the task: what rayon makes of a loop takes longer to compile than some kernels.
fn distribute(tasks: usize, work: u64, task: &(dyn Fn(usize) + Sync)) {
    if tasks <= 1 || wanted_tasks(work) == 1 {
        (0..tasks).for_each(task);
    } else {
        (0..tasks).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// A mutable slice that tasks share. Each task writes a part of its own. The slice stays borrowed for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Disjoint<'a>(*mut f32, PhantomData<&'a mut [f32]>);

// SAFETY: the pointer is only dereferenced in unsafe blocks, which state why no two tasks access the same value.
unsafe impl Send for Disjoint<'_> {}
// SAFETY: as above.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self(slice.as_mut_ptr(), PhantomData)
    }

    /// The address of the first value. (A method, so that closures capture the whole and not the bare pointer.)
    pub(crate) fn pointer(self) -> *mut f32 {
        self.0
    }
}
