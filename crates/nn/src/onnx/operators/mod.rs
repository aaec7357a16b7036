//! The operators that are read and the layers that are written, a file for each family.

pub(super) mod activation;
pub(super) mod arithmetic;
mod batch_norm;
mod concat;
mod constant;
pub(super) mod conv;
pub(super) mod conv_transpose;
pub(super) mod gather;
mod group_norm;
pub(super) mod layer_norm;
mod linear;
pub(super) mod pad;
pub(super) mod pointwise;
pub(super) mod pool;
pub(super) mod reduce;
pub(super) mod reshape;
pub(super) mod resize;
mod window;

use super::context::Operator;

/// The operators that are read, by name.
pub(super) const OPERATORS: &[&[(&str, Operator)]] = &[
    activation::READS,
    arithmetic::READS,
    batch_norm::READS,
    concat::READS,
    constant::READS,
    conv::READS,
    conv_transpose::READS,
    gather::READS,
    group_norm::READS,
    layer_norm::READS,
    linear::READS,
    pad::READS,
    pointwise::READS,
    pool::READS,
    reduce::READS,
    reshape::READS,
    resize::READS,
];
