//! The failure of a command.

/// The reason why a command failed, as one line for the user.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// A check whose result is that something does not hold, as opposed to a check that itself failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refuted(pub(crate) String);

/// The user's wish to stop, after which everything that was done is saved.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Stopped(pub(crate) String);
