//! Arguments, output and interruption.

mod failure;
pub(crate) mod interrupt;
pub(crate) mod print;
pub(crate) mod progress;
pub(crate) mod values;
pub(crate) mod words;

pub(crate) use failure::{Failure, Refuted, Stopped};
pub(crate) use print::{complain, say};
