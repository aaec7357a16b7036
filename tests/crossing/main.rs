//! What crosses crates: identities from theory, values stored from independent implementations, files of other programs.
//!
//! One program, so that what is generic is compiled once for all of them. What counts allocations has programs of its own.

mod attention;
mod dependencies;
mod determinism;
mod efficientnet;
mod every_method;
mod identities;
mod legends;
mod measures;
mod methods;
mod onnx;
mod operations;
mod optimizers;
mod small;
mod speed;
mod support;
mod tables;
mod training;
