//! Vectors of length one.

#[cfg(feature = "onnx")]
mod onnx;

use crate::layers::parameter::channels;
use crate::layers::prelude::*;

/// Each vector of channels divided by its Euclidean length, `[…, C]` → `[…, C]`, as embeddings are that are compared by the
/// cosine of their angle (`torch.nn.functional.normalize`). It has no parameters.
///
/// ```text
/// y = x / d       d = max(n, ε)       n = ‖x‖₂ = √Σ x_c²
/// ```
///
/// Where n > ε, `∂n/∂x = x/n = y` and with it `∂y_c/∂x_j = (δ_cj − y_c·y_j)/n`: what points along the vector is lost,
///
/// ```text
/// ∂x = (∂y − y·Σ_c y_c·∂y_c) / n
/// ```
///
/// Elsewhere d doesn't depend on x: ∂x = ∂y/ε.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("l2 norm")]
pub struct L2Norm {
    /// ε, the least length to divide by; with 0, a vector of zeros becomes NaN.
    pub epsilon: f64,
}

impl L2Norm {
    /// d and n of a vector.
    fn divisor<T: Real>(&self, x: &[T]) -> [T; 2] {
        let length = x.iter().map(|&x| x * x).sum::<T>().sqrt();
        // A length that isn't a number stays.
        let least = T::from_f64(self.epsilon);
        [if length < least { least } else { length }, length]
    }
}

impl SameShape for L2Norm {
    fn check(&self, input: &[usize]) -> Result<(), LayerError> {
        let is_length = (0.0..=f64::MAX).contains(&self.epsilon);
        LayerError::unless(is_length, "the least length of an L2 norm", self.epsilon, "a finite number from 0")?;
        match channels(input) {
            0 => Err(LayerError::shape("with channels", input)),
            _ => Ok(()),
        }
    }
}

impl<T: Real> Op<T> for L2Norm {
    fn name(&self) -> &'static str {
        "l2 norm"
    }

    fn vjp(&self, node: &Node<T>, mut upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let x = node.input(0);
        let channels = channels(x.shape());
        for (g, x) in upstream.make_mut().chunks_exact_mut(channels).zip(x.as_slice().chunks_exact(channels)) {
            let [divisor, length] = self.divisor(x);
            if length > T::from_f64(self.epsilon) {
                let along = x.iter().zip(&*g).map(|(&x, &g)| x / divisor * g).sum::<T>();
                g.iter_mut().zip(x).for_each(|(g, &x)| *g -= x / divisor * along);
            }
            g.iter_mut().for_each(|g| *g /= divisor);
        }
        Grads::one(upstream)
    }

    fn needs(&self) -> Needs {
        Needs::INPUTS
    }
}

impl Record for L2Norm {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let channels = channels(x.shape());
        let mut y = x.value().clone();
        for y in y.make_mut().chunks_exact_mut(channels) {
            let [divisor, _] = self.divisor(y);
            y.iter_mut().for_each(|y| *y /= divisor);
        }
        x.tape().record(*self, &[&x], y)
    }
}

#[cfg(test)]
mod tests {
    use super::L2Norm;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_vector_over_its_length() {
        let tape = Tape::new();
        let x = tape.leaf(random([2, 3, 2, 5], 1));
        let length = x.mul(&x).sum_axes(&[3]).sqrt().reshape([2, 3, 2, 1]);
        approx::assert_abs_diff_eq!(
            x.apply(L2Norm { epsilon: 1e-12 }).value(),
            x.div(&length).value(),
            epsilon = 1e-15
        );
    }

    #[test]
    fn gradients_agree_with_differences_on_both_sides_of_the_least_length() {
        for epsilon in [0.0, 1e-12, 0.9, 100.0] {
            for shape in [&[4, 6][..], &[2, 2, 3, 4], &[5, 1]] {
                let checked = gradcheck(&[random(shape, 2)], |v| v[0].apply(L2Norm { epsilon }));
                assert_eq!(checked.skipped, 0);
                checked.within(1e-7).unwrap();
            }
        }
    }

    #[test]
    fn nothing_stays_nothing_and_what_is_no_number_stays() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([2, 2], vec![0.0, 0.0, f32::NAN, 1.0]));
        let y = x.apply(L2Norm { epsilon: 0.5 });
        assert_eq!(y.value().as_slice()[..2], [0.0, 0.0]);
        assert!(y.value().as_slice()[2..].iter().all(|y| y.is_nan()));
        assert_eq!(tape.backward(&y, &Exact, [&x]).unwrap()[&x].as_slice()[..2], [2.0, 2.0]);
    }
}
