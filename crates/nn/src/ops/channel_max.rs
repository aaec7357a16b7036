//! The largest channel.

use tensor::{Grads, Linearity, Needs, Node, Op, Tensor, Var, Wanted};

use crate::real::Real;

/// y = max x_c over the last dimension, `[…, C]` → `[…, 1]`: where to look, as spatial attention asks (Woo, Park, Lee and
/// Kweon, *CBAM: Convolutional block attention module*, 2018).
///
/// The first of equals wins, a NaN over every number; as for [max pooling](super::MaxPool), ∂y goes to the winner and nothing to
/// the rest.
#[derive(Debug)]
pub struct ChannelMax {
    /// Which channel won, for each row.
    winners: Vec<u32>,
}

impl<T: Real> Op<T> for ChannelMax {
    fn name(&self) -> &'static str {
        "channel max"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut dx = Tensor::zeros(*node.input_shape(0));
        let channels = node.input_shape(0).last().map_or(1, |&c| c.max(1));
        let rows = dx.make_mut().chunks_exact_mut(channels).zip(upstream.as_slice());
        rows.zip(&self.winners).for_each(|((dx, &g), &winner)| dx[winner as usize] = g);
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn linearity(&self) -> Linearity {
        Linearity::PiecewiseLinear
    }
}

/// The largest of the last dimension, `[…, C]` → `[…, 1]`.
///
/// # Panics
/// Where `x` is a scalar, or there is no channel.
#[must_use]
pub fn channel_max<T: Real>(x: &Var<T>) -> Var<T> {
    let axis = x.shape().len().checked_sub(1).expect("channel max: expected […, C], found a scalar");
    let channels = x.shape()[axis];
    assert!(channels > 0, "channel max: no channel in {}", x.shape());
    let winner = |row: &[T]| {
        let better = |best: usize, c: usize| match row[c] > row[best] || row[c].is_nan() && !row[best].is_nan() {
            true => c,
            false => best,
        };
        (1..channels).fold(0, better) as u32
    };
    let rows = || x.value().as_slice().chunks_exact(channels);
    let winners: Vec<u32> = rows().map(winner).collect();
    let largest = rows().zip(&winners).map(|(row, &winner)| row[winner as usize]).collect();
    x.tape().record(ChannelMax { winners }, &[x], Tensor::new(x.shape().with(axis, 1), largest))
}

#[cfg(test)]
mod tests {
    use super::channel_max;
    use crate::ops::testing::random;
    use tensor::{Exact, Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        gradcheck(&[random([2, 3, 4, 5], 1)], |v| channel_max(&v[0])).within(1e-7).unwrap();
    }

    #[test]
    fn it_is_the_largest_and_the_first_of_equals_wins() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3, 3], vec![-3.0, -1.0, -2.0, 4.0, 4.0, 0.0, 1.0, f32::NAN, 9.0]));
        let y = channel_max(&x);
        assert_eq!((y.shape()[..].to_vec(), &y.value().as_slice()[..2]), (vec![3, 1], &[-1.0, 4.0][..]));
        assert!(y.value().as_slice()[2].is_nan());
        let gradient = &tape.backward(&y, &Exact, [&x]).unwrap()[&x];
        assert_eq!(gradient.as_slice(), &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
