//! The `glassbox` program, run as a user runs it: a file for each command.
#![cfg(feature = "cli")]

mod cases;
mod certify;
mod demo;
mod evaluate;
mod every_method;
mod explain;
mod export;
mod folders;
mod inspect;
mod look;
mod man;
mod own_pictures;
#[cfg(feature = "pretrained")]
mod photographs;
mod ranks;
mod shards;
mod shortcuts;
mod support;
mod tasks;
mod train;
mod usage;
mod verify;
