//! Ctrl-C as a request to stop.

use std::ops::ControlFlow;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use attribution::question::Progress;

use super::Failure;

/// The conventional exit code after Ctrl-C: 128 plus the number of SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENS: AtomicBool = AtomicBool::new(false);

/// From now on, a first Ctrl-C is only a request to stop. A second one ends the program immediately.
pub(crate) fn listen() -> Result<(), Failure> {
    if LISTENS.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    Ok(ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            process::exit(EXIT_CODE.into());
        }
    })?)
}

/// Whether the user has asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// A watcher for methods that run the network many times: it continues until the user asks to stop.
pub(crate) fn until_asked(_: Progress) -> ControlFlow<()> {
    if asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
