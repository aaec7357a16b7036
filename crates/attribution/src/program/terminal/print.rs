//! Output for the user.

use std::sync::atomic::{AtomicBool, Ordering};

static SILENT: AtomicBool = AtomicBool::new(false);

/// Hides everything from now on: another process speaks for this one.
pub(crate) fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

pub(crate) fn is_silent() -> bool {
    SILENT.load(Ordering::Relaxed)
}

/// Prints a line and ignores a closed pipe (`glassbox inspect … | head`).
macro_rules! say {
    ($($text:tt)*) => {
        if !$crate::program::terminal::print::is_silent() {
            use std::io::Write;
            let _ = writeln!(std::io::stdout(), $($text)*);
        }
    };
}

/// Prints a line on standard error and ignores a closed pipe.
macro_rules! complain {
    ($($text:tt)*) => {
        if !$crate::program::terminal::print::is_silent() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), $($text)*);
        }
    };
}

pub(crate) use {complain, say};
