//! Functions of a number whose bits are the same on every system.
//!
//! The standard library's `exp` and `ln` are the system's: their last bits differ between Linux, macOS, Windows and a browser. What
//! a training computes goes through these, so that it ends with the same weights everywhere. [`simd`](crate::simd) has its own, for
//! arrays.

use crate::element::Element;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident: $double:ident;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name<T: Element>(x: T) -> T {
            T::from_f64(libm::$double(x.as_f64()))
        }
    )+};
}

functions! {
    /// eˣ.
    exp: exp;
    /// eˣ − 1, which doesn't cancel near x = 0.
    exp_m1: expm1;
    /// ln x.
    ln: log;
    /// ln (1 + x), which doesn't cancel near x = 0.
    ln_1p: log1p;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of x = 0.7, on x86-64.
    const DOUBLE: [u64; 4] = [0x40001c2a61268987, 0x3ff03854c24d130d, 0xbfd6d3c324e13f50, 0x3fe0fae81914a991];
    const SINGLE: [u32; 4] = [0x4000e153, 0x3f81c2a6, 0xbeb69e1a, 0x3f07d741];

    #[test]
    fn they_have_the_same_bits_everywhere() {
        let x = 0.7_f64;
        let bits = [exp(x), exp_m1(x), ln(x), ln_1p(x)].map(f64::to_bits);
        assert_eq!(bits, DOUBLE, "{bits:#x?}");
        let x = 0.7_f32;
        let bits = [exp(x), exp_m1(x), ln(x), ln_1p(x)].map(f32::to_bits);
        assert_eq!(bits, SINGLE, "{bits:#x?}");
    }

    #[test]
    fn they_are_the_functions() {
        for x in [-20.0_f64, -1.0, -1e-9, 0.0, 1e-9, 0.5, 3.0, 80.0] {
            approx::assert_relative_eq!(exp(x), x.exp(), max_relative = 4.0 * f64::EPSILON);
            approx::assert_relative_eq!(exp_m1(x), x.exp_m1(), max_relative = 4.0 * f64::EPSILON);
            approx::assert_relative_eq!(ln(x.exp()), x, max_relative = 4.0 * f64::EPSILON, epsilon = 1e-16);
            approx::assert_relative_eq!(ln_1p(x.abs()), x.abs().ln_1p(), max_relative = 4.0 * f64::EPSILON);
            let single = x as f32;
            approx::assert_relative_eq!(exp(single), single.exp(), max_relative = f32::EPSILON);
        }
    }
}
