//! Arithmetic of an input and a parameter.

use tensor::{Shape, broadcast, ops, update_broadcast};

use crate::layers::parameter::Parameter;
use crate::layers::prelude::*;

/// Makes a kind of layer that combines its input with a parameter of this name, which starts as this number, by an operation of
/// the tape. `$affine` is its map of each channel, given the parameter `[C]`.
macro_rules! with_parameter {
    ($(#[$doc:meta])* $Kind:ident, $name:literal, $start:literal, $Op:ident, $affine:expr, |$x:ident, $parameter:ident| $value:expr) => {
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
        #[serde(deny_unknown_fields)]
        $(#[$doc])*
        pub struct $Kind {
            /// Aligned with the input's shape at the channels: `[C]`, `[1]`, `[H, W, C]`.
            pub shape: Vec<usize>,
        }

        impl SameShape for $Kind {
            fn check(&self, input: &[usize]) -> Result<(), LayerError> {
                match broadcast(input, &self.shape) {
                    Some(output) if output == input => Ok(()),
                    _ => Err(LayerError::shape("that the parameter's shape repeats over", input)),
                }
            }

            fn parameters(&self, _: &[usize]) -> Vec<ParameterSpec> {
                vec![ParameterSpec::trained($name, self.shape.clone(), Init::Constant($start))]
            }

            fn fuses(&self) -> Fuses {
                // One number for each channel.
                match self.shape.split_last() {
                    Some((&channels, rest)) if channels > 1 && rest.iter().all(|&extent| extent == 1) => Fuses::Affine,
                    _ => Fuses::Never,
                }
            }
        }

        impl Record for $Kind {
            fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
                let ($x, $parameter) = (run.input(), run.parameter(0));
                if let Share::Apart = run.share {
                    return $value;
                }
                let (shape, inputs) = (*$x.shape(), [&$x, $parameter]);
                let [x, parameter] = inputs.map(Var::to_value);
                let value = move |_: &Finish<'_, T>| x.get().clone().zip_broadcast(parameter.get(), |$x, $parameter| $value);
                run.share.record(ops::$Op, &inputs, shape, value)
            }

            fn map_part<T: Real>(&self, stored: &[Parameter<T>], shape: &Shape, first: usize, part: &mut [T]) {
                update_broadcast(part, first, shape, &stored[0].value, |$x, $parameter| $value);
            }

            fn affine<T: Real>(&self, stored: &[Parameter<T>]) -> Option<Affine<T>> {
                Some($affine(stored[0].value.reshape([*self.shape.last()?])))
            }
        }
    };
}

with_parameter! {
    /// w·x; parameter `weight` of the given shape, whose extents of 1 repeat.
    #[display("scale")]
    Scale, "weight", 1.0, Mul, Affine::scale, |x, w| x * w
}

with_parameter! {
    /// x + b; parameter `bias` of the given shape, whose extents of 1 repeat.
    #[display("shift")]
    Shift, "bias", 0.0, Add, Affine::shift, |x, b| x + b
}
