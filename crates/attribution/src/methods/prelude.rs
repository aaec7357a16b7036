//! Imports for every method.

pub(super) use crate::error::ExplainError;
pub(super) use crate::map::{Map, Quantity};
pub(super) use crate::question::{About, Cost, LooksAt, Method, Question};
