//! What the files of the layers use.

pub(crate) use derive_more::Display;
pub(crate) use serde::{Deserialize, Serialize};
pub(crate) use tensor::{Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

pub(crate) use super::error::LayerError;
pub(crate) use super::kind::{Effect, Kind, Reach, SameShape, Work};
pub(crate) use super::parameter::{Init, ParameterSpec};
pub(crate) use super::pointwise::{Pointwise, pointwise};
pub(crate) use super::run::{Mode, Record, Run};
pub(crate) use crate::real::Real;
