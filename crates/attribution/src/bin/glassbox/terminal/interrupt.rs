//! Ctrl-C, as a wish to stop rather than an end.

use std::ops::ControlFlow;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use attribution::question::Progress;

use super::Failure;

/// What shells and CI take for an end by Ctrl-C: 128 and the number of SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);

/// From here on Ctrl-C only asks; a second one ends the program at once, as it would have.
pub(crate) fn listen() -> Result<(), Failure> {
    Ok(ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::Relaxed) {
            process::exit(EXIT_CODE.into());
        }
    })?)
}

/// Whether the user asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// For what runs the network many times: goes on until the user asks to stop.
pub(crate) fn until_asked(_: Progress) -> ControlFlow<()> {
    if asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
