//! Networks, data and settings for `train` and `demo`.

pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod network;
pub(crate) mod transfer;
