//! The open task of each chapter of the book: `tasks.rs` is to be filled in, `grades.rs` grades it.

#[cfg(test)]
mod grades;
pub mod tasks;

#[cfg(test)]
macro_rules! tests {
    ($($chapter:ident: $task:ident,)+) => {
        $(
            #[test]
            fn $chapter() {
                grades::$task(tasks::$task);
            }
        )+
    };
}

#[cfg(test)]
grades::of_each_chapter!(tests);
