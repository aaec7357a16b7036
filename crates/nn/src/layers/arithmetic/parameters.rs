//! Arithmetic of an input and a parameter.

use tensor::broadcast;

use crate::layers::prelude::*;

/// Makes a kind of layer that combines its input with a parameter of this name, which starts as this number.
macro_rules! with_parameter {
    ($(#[$doc:meta])* $Kind:ident, $name:literal, $start:literal, |$x:ident, $parameter:ident| $value:expr) => {
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
        }

        impl Record for $Kind {
            fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
                let ($x, $parameter) = (run.input(), run.parameter(0));
                $value
            }
        }
    };
}

with_parameter! {
    /// w·x; parameter `weight` of the given shape, whose extents of 1 repeat.
    #[display("scale")]
    Scale, "weight", 1.0, |x, w| x * w
}

with_parameter! {
    /// x + b; parameter `bias` of the given shape, whose extents of 1 repeat.
    #[display("shift")]
    Shift, "bias", 0.0, |x, b| x + b
}
