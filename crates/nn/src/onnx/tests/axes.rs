//! ONNX's view of a layer's output under reshaping and transposing, against arrays that hold the index of each value.

use ndarray::ArrayD;
use proptest::prelude::*;

use crate::model::Source;
use crate::onnx::activation::Activation;

#[derive(Clone, Debug)]
enum Step {
    /// The dimensions in the order of these keys.
    Transpose([u8; 6]),
    /// The prime factors of the number of values, each given to the dimension of its key.
    Reshape([u8; 12], usize),
    /// Each dimension joined to the one before it where the key is odd.
    Join([u8; 6]),
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            any::<[u8; 6]>().prop_map(Self::Transpose),
            (any::<[u8; 12]>(), 1..=6_usize).prop_map(|(keys, rank)| Self::Reshape(keys, rank)),
            any::<[u8; 6]>().prop_map(Self::Join),
        ]
    }
}

fn prime_factors(mut n: usize) -> Vec<usize> {
    let mut factors = Vec::new();
    for prime in [2, 3, 5, 7, 11] {
        while n.is_multiple_of(prime) {
            factors.push(prime);
            n /= prime;
        }
    }
    factors
}

/// Whether each dimension adds a number of its own to the index of a value: whether there is a view of this shape.
fn is_view(array: &ArrayD<usize>) -> bool {
    array.indexed_iter().all(|(index, &value)| {
        let along = |dimension| {
            let mut alone = vec![0; array.ndim()];
            alone[dimension] = index[dimension];
            array[&alone[..]]
        };
        value == (0..array.ndim()).map(along).sum::<usize>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn views_follow_every_value_and_are_refused_where_there_is_none(
        dims in [1..=4_usize, 1..=6, 1..=12],
        is_row in any::<bool>(),
        steps in prop::collection::vec(Step::any(), 1..8),
    ) {
        let values: usize = dims.iter().product();
        let layer: Vec<usize> = (0..values).collect();
        let (mut view, mut array) = if is_row {
            let array = ArrayD::from_shape_vec(vec![1, values, 1, 1], layer.clone()).unwrap();
            (Activation::row(Source::Image, 1, values, 4), array)
        } else {
            let array = ArrayD::from_shape_vec(&[&[1], &dims[..]].concat()[..], layer.clone()).unwrap();
            (Activation::image(Source::Image, 1, dims), array.permuted_axes(&[0, 3, 1, 2][..]))
        };
        for step in steps {
            let shape = match step {
                Step::Transpose(keys) => {
                    let mut order: Vec<usize> = (0..array.ndim()).collect();
                    order.sort_by_key(|&dimension| keys[dimension]);
                    view = view.transposed(&order);
                    array = array.permuted_axes(order);
                    array.shape().to_vec()
                }
                Step::Reshape(keys, rank) => {
                    let mut shape = vec![1; rank];
                    for (factor, key) in prime_factors(values).into_iter().zip(keys) {
                        shape[usize::from(key) % rank] *= factor;
                    }
                    shape
                }
                Step::Join(keys) => {
                    let mut shape: Vec<usize> = Vec::new();
                    for (&extent, key) in array.shape().iter().zip(keys) {
                        match shape.last_mut() {
                            Some(last) if key % 2 == 1 => *last *= extent,
                            _ => shape.push(extent),
                        }
                    }
                    shape
                }
            };
            let reshaped = ArrayD::from_shape_vec(&shape[..], array.iter().copied().collect()).unwrap();
            let Ok(result) = view.reshaped(&shape) else {
                prop_assert!(!is_view(&reshaped));
                continue;
            };
            prop_assert_eq!(result.shape(), shape);
            prop_assert!(result.in_onnx_order(&layer).iter().eq(&reshaped));
            (view, array) = (result, reshaped);
        }
    }
}
