//! The open task of each chapter fails while it is blank, and its solution passes. The files are those of `tests/tasks`, which is
//! a workspace of its own: here they are compiled against the crates that are built anyway.
#![allow(unreachable_pub, reason = "the template is a library")]

use std::panic::catch_unwind;

#[path = "../../../../tests/tasks/src/tasks.rs"]
mod blank;
#[path = "../../../../tests/tasks/src/grades.rs"]
mod grades;
#[path = "../../../../tests/tasks/solutions/tasks.rs"]
mod solved;

/// A chapter, its task, and what grades the blank function and the solution.
pub(crate) struct Task {
    pub(crate) chapter: &'static str,
    pub(crate) name: &'static str,
    grades: [fn(); 2],
}

macro_rules! list {
    ($($chapter:ident: $task:ident,)+) => {
        /// The tasks, in the order of the chapters.
        pub(crate) fn all() -> Vec<Task> {
            vec![$(Task {
                chapter: stringify!($chapter),
                name: stringify!($task),
                grades: [|| grades::$task(blank::$task), || grades::$task(solved::$task)],
            }),+]
        }
    };
}

grades::of_each_chapter!(list);

#[test]
fn a_blank_task_fails_and_its_solution_passes() {
    for Task { name, grades: [blank, solved], .. } in all() {
        assert!(catch_unwind(blank).is_err(), "{name} is blank, and yet passes");
        assert!(catch_unwind(solved).is_ok(), "the solution of {name} fails");
    }
}
