//! The arithmetic that takes the time: matrix products and convolutions over plain slices.
#![doc = include_str!("winograd/README.md")]
#![allow(unsafe_code)]
#![allow(dead_code, reason = "the products that use the rest land next")]

pub mod conv;
mod pack;
mod parallel;
mod scratch;
mod tile;
mod winograd;
