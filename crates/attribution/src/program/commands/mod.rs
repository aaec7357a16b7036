//! The commands and their arguments.

pub(crate) mod certify;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod glance;
pub(crate) mod inspect;
pub(crate) mod look;
pub(crate) mod man;
pub(crate) mod merge;
pub(crate) mod methods;
#[cfg(feature = "pretrained")]
pub(crate) mod page;
pub(crate) mod sweep;
pub(crate) mod train;
pub(crate) mod verify;

/// Exit codes of commands that check something.
pub(crate) const EXIT_CODES: &str = "Exit codes, as for diff: 0 everything holds; 1 something does not hold; 2 the check itself failed \
    (a file that can't be read, a wrong flag), with a line on the cause; 130 stopped by Ctrl-C.";
