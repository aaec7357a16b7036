//! Networks, their data and their settings, as `train` and `demo` take them.

pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod network;
pub(crate) mod transfer;
