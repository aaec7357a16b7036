//! The commands, each with its arguments.

pub(crate) mod certify;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod methods;
pub(crate) mod train;
pub(crate) mod verify;

/// Exit codes of the commands that check.
pub(crate) const EXIT_CODES: &str = "Exit codes, as diff's: 0 everything holds; 1 something does not; 2 the check failed \
    (a file that can't be read, a wrong flag), with one line that says why; 130 stopped by Ctrl-C.";
