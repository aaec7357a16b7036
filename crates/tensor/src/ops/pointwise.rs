//! Functions of each element: a table of derivatives.

use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// An operation whose vector–Jacobian product is `upstream · derivative`, where the derivative is a function of the input `x`,
/// of the output `y`, whichever is shorter, or of neither.
macro_rules! pointwise {
    ($Op:ident $({ $($field:ident : $kind:ty)+ })?, $name:literal, $method:ident, $nature:expr, $doc:literal,
     forward: |$x:ident| $forward:expr, vjp: $from:ident |$g:ident, $v:ident| $vjp:expr) => {
        pointwise!(@struct $Op, $doc $(, $($field: $kind)+)?);

        impl<T: Element> Op<T> for $Op {
            fn name(&self) -> &'static str {
                $name
            }

            fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
                $($(let $field = self.$field;)+)?
                Grads::one(pointwise!(@vjp $from node, upstream, $g, $v, $vjp))
            }

            fn needs(&self) -> Needs {
                pointwise!(@needs $from)
            }

            fn nature(&self) -> Nature {
                $nature
            }
        }

        impl<T: Element> Var<T> {
            #[doc = $doc]
            #[must_use]
            pub fn $method(&self $($(, $field: $kind)+)?) -> Self {
                let value = self.value().clone().map(|$x: T| $forward);
                self.tape().record($Op $({ $($field)+ })?, &[self], value)
            }
        }
    };
    (@struct $Op:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug)]
        pub struct $Op;
    };
    (@struct $Op:ident, $doc:literal, $field:ident : $kind:ty) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug)]
        pub struct $Op {
            #[doc = concat!("The ", stringify!($field), ".")]
            pub $field: $kind,
        }
    };
    (@vjp neither $node:ident, $upstream:ident, $g:ident, $v:ident, $vjp:expr) => { { let _ = $node; $upstream.map(|$g| $vjp) } };
    (@vjp input $node:ident, $upstream:ident, $g:ident, $v:ident, $vjp:expr) => { $upstream.zip($node.input(0), |$g, $v| $vjp) };
    (@vjp output $node:ident, $upstream:ident, $g:ident, $v:ident, $vjp:expr) => { $upstream.zip($node.output(), |$g, $v| $vjp) };
    (@needs neither) => { Needs::NONE };
    (@needs input) => { Needs::INPUTS };
    (@needs output) => { Needs::OUTPUT };
}

pointwise!(Neg, "neg", neg, Nature::Linear, "y = −x, dy/dx = −1.", forward: |x| -x, vjp: neither |g, _x| -g);
pointwise!(Abs, "abs", abs, Nature::Bends, "y = |x|, dy/dx = sign x, and 0 at the kink x = 0.",
    forward: |x| x.abs(), vjp: input |g, x| if x == T::zero() { T::zero() } else { g * x.signum() });
pointwise!(Exp, "exp", exp, Nature::Smooth, "y = eˣ, dy/dx = y.", forward: |x| x.exp(), vjp: output |g, y| g * y);
pointwise!(Ln, "ln", ln, Nature::Smooth, "y = ln x, dy/dx = 1/x.", forward: |x| x.ln(), vjp: input |g, x| g / x);
pointwise!(Sqrt, "sqrt", sqrt, Nature::Smooth, "y = √x, dy/dx = 1/(2y).",
    forward: |x| x.sqrt(), vjp: output |g, y| g / (y + y));
pointwise!(Tanh, "tanh", tanh, Nature::Smooth, "y = tanh x, dy/dx = 1 − y².",
    forward: |x| x.tanh(), vjp: output |g, y| g * (T::one() - y * y));
pointwise!(Powi { exponent: i32 }, "powi", powi, Nature::Smooth, "y = xⁿ for an integer n, dy/dx = n·xⁿ⁻¹.",
    forward: |x| x.powi(exponent),
    vjp: input |g, x| if exponent == 0 { T::zero() } else { g * T::from_f64(f64::from(exponent)) * x.powi(exponent - 1) });
pointwise!(AddScalar { addend: f64 }, "add scalar", add_scalar, Nature::Affine { bias: None },
    "y = x + a for a constant a, dy/dx = 1.",
    forward: |x| x + T::from_f64(addend), vjp: neither |g, _x| { let _ = addend; g });
pointwise!(MulScalar { factor: f64 }, "mul scalar", mul_scalar, Nature::Linear, "y = a·x for a constant a, dy/dx = a.",
    forward: |x| x * T::from_f64(factor), vjp: neither |g, _x| g * T::from_f64(factor));

#[cfg(test)]
mod tests {
    use crate::{Tensor, Var, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        type Function = fn(&Var<f64>) -> Var<f64>;
        let functions: [(&str, Function); 10] = [
            ("neg", |x| x.neg()),
            ("abs", |x| x.abs()),
            ("exp", |x| x.exp()),
            ("ln", |x| x.ln()),
            ("sqrt", |x| x.sqrt()),
            ("tanh", |x| x.tanh()),
            ("powi 3", |x| x.powi(3)),
            ("powi -2", |x| x.powi(-2)),
            ("add", |x| x.add_scalar(0.7)),
            ("mul", |x| x.mul_scalar(-1.3)),
        ];
        let x = Tensor::new([2, 3], vec![0.9, 1.2, 0.8, 2.1, 1.45, 1.7]);
        for (name, f) in functions {
            let checked = gradcheck(std::slice::from_ref(&x), |v| f(&v[0]));
            checked.within(1e-7).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(checked.skipped, 0, "{name}");
        }
    }
}
