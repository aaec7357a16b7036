//! Why a command fails.

/// Why a command failed, as one line for the user.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What a check found: that something does not hold, unlike a check that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refuted(pub(crate) String);
