//! An n-dimensional array and a reverse-mode tape.
//!
//! A [`Tape`] lists what was computed, in order. Going through the list backwards, each operation turns the gradient of its
//! output into gradients of its inputs: its *vector–Jacobian product*. How it does so can be read in more than one way,
//! so the reading is an argument of the backward pass: a [`Rule`]. [`Exact`] is the chain rule; other rules replace the
//! products of chosen operations, over the very same tape.
//!
//! ```
//! use tensor::{Exact, Tape, Tensor};
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.leaf(Tensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])); // [2, 3]
//! let w = tape.leaf(Tensor::new([3, 1], vec![0.5, -1.0, 2.0]));               // [3, 1]
//! let scores = x.matmul(&w);                                                  // [2, 1]
//! let total = scores.tanh().sum();                                            // []
//!
//! let gradients = tape.backward(&total, &Exact, [&w, &scores])?;              // any node, not only leaves
//! assert_eq!(gradients[&w].shape().to_string(), "[3, 1]");
//! # Ok::<(), tensor::BackwardError>(())
//! ```
//!
//! An operation is a value that implements [`Op`], so a crate built on this one adds its own, as the example there does;
//! [`gradcheck`] compares any gradient with central differences. [`Tape::graph`] draws a tape, with the way that a gradient took.
//!
//! # Where to read on
//!
//! The book derives what stands here, from the chain rule on:
//!
//! - [Gradients](../attribution/book/chapter_01_gradients/index.html): what a vector–Jacobian product is, and why one goes
//!   backwards
//! - [The tape](../attribution/book/chapter_02_tape/index.html), in twenty lines, and then this one
//! - [Arithmetic](../attribution/book/chapter_03_arithmetic/index.html): the operations of [`ops`]
//! - [Checking a gradient](../attribution/book/chapter_13_gradient_checks/index.html)
//! - [An operation](../attribution/book/chapter_14_own_operation/index.html) and
//!   [a rule](../attribution/book/chapter_15_own_rule/index.html) of your own

mod backward;
pub mod blocks;
mod broadcast;
mod buffer;
mod cache;
mod channel_sums;
mod element;
mod gradcheck;
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

pub use backward::{BackwardError, Coverage, Exact, Gradients, Rule, Step};
pub use broadcast::broadcast;
pub use channel_sums::channel_sums;
pub use element::Element;
pub use gradcheck::{Gradcheck, GradcheckError, Worst, gradcheck};
pub use graph::Graph;
pub use node::{Node, NodeId};
pub use op::{Grads, Linearity, Needs, Op, Wanted};
pub use shape::{MAX_RANK, Shape, ShapeError};
pub use sum::pairwise_sum;
pub use tape::{Keep, Tape, Var};
pub use tensor::Tensor;
pub use threads::on_pool;
