//! ONNX's view of a layer's output under reshaping and transposing, against arrays that hold the index of each value.

use ndarray::ArrayD;
use proptest::prelude::*;

use crate::model::Source;
use crate::onnx::activation::Activation;

#[derive(Clone, Debug)]
enum Step {
    /// The dimensions in the order of these keys.
    Transpose([u8; 6]),
    /// Each dimension joined to the one before it where the key is odd.
    Join([u8; 6]),
    /// The prime factors of the number of values, each given to the dimension of its key.
    Reshape([u8; 12], usize),
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            any::<[u8; 6]>().prop_map(Self::Transpose),
            any::<[u8; 6]>().prop_map(Self::Join),
            (any::<[u8; 12]>(), 1..=5_usize).prop_map(|(keys, rank)| Self::Reshape(keys, rank)),
        ]
    }
}

fn prime_factors(mut n: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    for prime in [2, 3, 5, 7] {
        while n.is_multiple_of(prime) {
            factors.push(prime);
            n /= prime;
        }
    }
    factors
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn views_follow_every_value_or_are_refused(
        dims in [1..=4_usize, 1..=6, 1..=12],
        is_row in any::<bool>(),
        steps in prop::collection::vec(Step::any(), 1..8),
    ) {
        let values: usize = dims.iter().product();
        let layer: Vec<usize> = (0..values).collect();
        let (mut view, mut array) = if is_row {
            let array = ArrayD::from_shape_vec(vec![values, 1, 1], layer.clone()).unwrap();
            (Activation::row(Source::Image, values, 3), array)
        } else {
            let array = ArrayD::from_shape_vec(&dims[..], layer.clone()).unwrap();
            (Activation::image(Source::Image, dims), array.permuted_axes(&[2, 0, 1][..]))
        };
        for step in steps {
            let shape = array.shape();
            let reshaped = match &step {
                Step::Transpose(keys) => {
                    let mut order: Vec<usize> = (0..shape.len()).collect();
                    order.sort_by_key(|&dimension| keys[dimension % 6]);
                    let with_batch: Vec<usize> = [0].into_iter().chain(order.iter().map(|i| i + 1)).collect();
                    view = view.transposed(&with_batch).unwrap();
                    array = array.permuted_axes(order);
                    continue;
                }
                Step::Join(keys) => {
                    let mut joined: Vec<usize> = Vec::new();
                    for (&extent, key) in shape.iter().zip(keys.iter().cycle()) {
                        match joined.last_mut() {
                            Some(last) if key % 2 == 1 => *last *= extent,
                            _ => joined.push(extent),
                        }
                    }
                    joined
                }
                Step::Reshape(keys, rank) => {
                    let mut split = vec![1; *rank];
                    for (factor, key) in prime_factors(values).into_iter().zip(keys) {
                        split[usize::from(*key) % rank] *= factor;
                    }
                    split
                }
            };
            match view.reshaped(&reshaped) {
                Ok(result) => {
                    view = result;
                    let in_order = array.iter().copied().collect();
                    array = ArrayD::from_shape_vec(reshaped, in_order).unwrap();
                }
                Err(error) => prop_assert!(!matches!(step, Step::Join(_)), "{error}"),
            }
            prop_assert_eq!(view.shape(), array.shape());
            prop_assert!(view.in_onnx_order(&layer).iter().eq(&array));
        }
    }
}
