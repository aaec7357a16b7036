//! The types of a tensor's elements.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

use ndarray::LinalgScalar;
use num_traits::Float;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32`, in which networks are trained and explained, or `f64`, in which gradients are checked.
pub trait Element:
    sealed::Sealed
    + Float
    + LinalgScalar
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + 'static
{
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;

    /// The same number in double precision.
    fn as_f64(self) -> f64;
}

macro_rules! element {
    ($t:ident) => {
        impl Element for $t {
            const NAME: &'static str = stringify!($t);

            #[inline]
            fn from_f64(x: f64) -> Self {
                x as Self
            }

            #[inline]
            fn as_f64(self) -> f64 {
                f64::from(self)
            }
        }
    };
}

element!(f32);
element!(f64);
