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
//! The book derives all of it, from the chain rule on:
//!
//! - [Gradients](../attribution/book/chapter_01_gradients/index.html): what a vector–Jacobian product is, and why the pass goes
//!   backward
//! - [The tape](../attribution/book/chapter_02_tape/index.html): one in twenty lines, and then this one
//! - [Arithmetic](../attribution/book/chapter_03_arithmetic/index.html): the operations of [`ops`]
//! - [Checking a gradient](../attribution/book/chapter_13_gradient_checks/index.html)
//! - Your own [operation](../attribution/book/chapter_14_own_operation/index.html) and
//!   [rule](../attribution/book/chapter_15_own_rule/index.html)

mod backward;
pub mod blocks;
mod broadcast;
mod buffer;
mod cache;
mod channel_sums;
mod element;
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

pub use {approx, ndarray};

pub use backward::{BackwardError, Coverage, Exact, Gradients, Reason, Rule, Step};
pub use broadcast::broadcast;
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
