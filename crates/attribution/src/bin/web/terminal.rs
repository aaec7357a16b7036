//! What the files shared with the program need of its terminal.

/// The reason why something failed, as one line for the user.
pub(crate) type Failure = Box<dyn std::error::Error>;
