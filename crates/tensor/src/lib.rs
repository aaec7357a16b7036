//! An n-dimensional array and a reverse-mode tape.
//!
//! A [`Tape`] records operations in the order in which they are computed. The backward pass goes through them in reverse: each
//! operation turns the gradient of its output into gradients of its inputs, its *vector–Jacobian product*. How it does so is
//! an argument of the backward pass, a [`Rule`]. [`Exact`] is the chain rule; other rules replace the products of some
//! operations, on the same tape.
//!
//! ```
//! use tensor::{Exact, Tape, Tensor};
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.leaf(Tensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])); // [2, 3]
//! let w = tape.leaf(Tensor::new([3, 1], vec![0.5, -1.0, 2.0]));               // [3, 1]
//! let scores = x.matmul(&w);                                                  // [2, 1]
//! let total = (scores.tanh() * 2.0 + &scores).sum();                          // []
//!
//! let gradients = tape.backward(&total, &Exact, [&w, &scores])?;              // any node, not only leaves
//! assert_eq!(gradients[&w].shape().to_string(), "[3, 1]");
//! # Ok::<(), tensor::BackwardError>(())
//! ```
//!
//! An operation is a value of a type that implements [`Op`]; other crates add their own, as the example there does.
//! [`gradcheck`] compares a gradient with central differences. With the feature `graph`, `Tape::graph` draws a tape and the path
//! of a gradient through it.
//!
//! # Speed
//!
//! Arithmetic runs on rayon's threads where arrays are large enough ([`blocks`]), with the vector instructions that the
//! processor has ([`simd`]), in memory that is used again ([`memory`]). Results have the same bits on any number of threads: the
//! order of every sum depends on its number of terms alone.
//!
//! # Where to read on
//!
//! `attribution::book`, in the package `glassbox`, derives all of it, from the chain rule on. Its chapters on a tape are
//!
//! - *1. Gradients*: what a vector–Jacobian product is, and why the pass goes backward
//! - *2. The tape*: one in twenty lines, and then this one
//! - *3. Arithmetic*: the operations of [`ops`]
//! - *13. Checking a gradient*
//! - *14. An operation of your own*
//! - *15. A backward rule of your own*

mod backward;
pub mod blocks;
mod broadcast;
mod buffer;
mod cache;
mod channel_sums;
mod element;
pub mod functions;
mod gradcheck;
#[cfg(feature = "graph")]
mod graph;
pub mod memory;
mod node;
mod op;
pub mod ops;
mod shape;
pub mod simd;
mod sum;
mod tape;
mod tensor;
mod threads;
mod value;

pub use {approx, ndarray};

pub use backward::{BackwardError, Coverage, Exact, Gradients, Reason, Rule, Step};
pub use broadcast::{broadcast, update_broadcast};
pub use channel_sums::channel_sums;
pub use element::Element;
pub use gradcheck::{Gradcheck, GradcheckError, Worst, gradcheck};
#[cfg(feature = "graph")]
pub use graph::Graph;
pub use node::{Node, NodeId};
pub use op::{Grads, Nature, Needs, Op, Wanted};
pub use shape::{MAX_RANK, Shape, ShapeError};
pub use sum::pairwise_sum;
pub use tape::{Keep, Tape, Var};
pub use tensor::Tensor;
pub use threads::on_pool;
pub use value::Value;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
