//! The operators that are read and written: those of layers, and the others.

use super::layer::{Onnx, Reads};
use super::operators::{constant, einsum, gather, logic, pointwise, reduce, reshape, scatter};
use super::writing::Writing;
use crate::layers::layer::Layer;
use crate::layers::list::kinds;

macro_rules! registry {
    ($($(#[$doc:meta])* $module:ident::$Kind:ident,)+) => {
        /// The operators that are read, by name.
        pub(super) const OPERATORS: &[Reads] = &[
            constant::READS,
            einsum::READS,
            gather::READS,
            logic::READS,
            pointwise::READS,
            reduce::READS,
            reshape::READS,
            scatter::READS,
            $(<crate::layers::$Kind as Onnx>::READS,)+
        ];

        /// Writes a layer as nodes.
        pub(super) fn write(layer: &Layer, w: &mut Writing<'_>) {
            match layer {
                $(Layer::$Kind(kind) => kind.write(w),)+
            }
        }
    };
}
kinds!(registry);
