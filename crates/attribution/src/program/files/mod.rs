//! Files that commands read and write.

pub(crate) mod asked;
#[cfg(feature = "pretrained")]
mod efficientnet;
pub(crate) mod folder;
pub(crate) mod inputs;
pub(crate) mod model;
pub(crate) mod picture;
#[cfg(feature = "pretrained")]
pub(crate) mod pretrained;
pub(crate) mod record;
pub(crate) mod shards;

use super::terminal::Failure;
