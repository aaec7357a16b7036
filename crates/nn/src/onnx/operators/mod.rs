//! Operators that are read as constants, views or several layers; those that are one layer are read in its folder.

pub(super) mod constant;
pub(super) mod einsum;
pub(super) mod gather;
pub(super) mod logic;
pub(super) mod pointwise;
pub(super) mod reduce;
pub(super) mod reshape;
pub(super) mod scatter;
