//! What the files of the layers use.

pub(crate) use derive_more::Display;
pub(crate) use serde::{Deserialize, Serialize};
pub(crate) use tensor::simd::Lanes;
pub(crate) use tensor::{Grads, Nature, Needs, Node, Op, Shape, Tensor, Var, Wanted};

pub(crate) use super::error::LayerError;
pub(crate) use super::kind::{Effect, Fuses, Kind, Reach, SameShape, Work};
pub(crate) use super::parameter::{Init, Parameter, ParameterSpec};
pub(crate) use super::pointwise::{Pointwise, pointwise};
pub(crate) use super::run::{Mode, Record, Run, Share};
pub(crate) use crate::function::{Differentiable, Function};
pub(crate) use crate::kernels::finish::{Activation, Affine, Finish};
pub(crate) use crate::real::Real;
