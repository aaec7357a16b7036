//! Reductions over the channels.

#[cfg(feature = "onnx")]
mod onnx;

use super::inputs::one;
use crate::layers::prelude::*;

/// Mean over the channels, `[N, H, W, C]` → `[N, H, W, 1]` or `[N, C]` → `[N, 1]`: where to look, as spatial attention asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("mean over channels")]
pub struct ChannelMean;

/// The largest of the channels, `[N, H, W, C]` → `[N, H, W, 1]` or `[N, C]` → `[N, 1]`. On the tape it is a
/// [`ChannelMaximum`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display)]
#[display("maximum over channels")]
pub struct ChannelMax;

macro_rules! over_channels {
    ($($Kind:ident)+) => {
        $(impl Kind for $Kind {
            fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
                match one(inputs)?.split_last() {
                    Some((1.., positions)) => Ok([positions, &[1]].concat()),
                    _ => Err(LayerError::shape("with channels", inputs[0])),
                }
            }

            fn work(&self, _: &[usize], _: &[usize]) -> Work {
                Work::LITTLE
            }

            fn reach(&self) -> Reach<'_> {
                Reach::SamePlace
            }
        })+
    };
}
over_channels!(ChannelMean ChannelMax);

impl Record for ChannelMean {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let axis = x.shape().len() - 1;
        x.mean_axes(&[axis]).reshape(x.shape().with(axis, 1))
    }
}

impl Record for ChannelMax {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let axis = x.shape().len() - 1;
        let channels = x.shape()[axis];
        let winner = |row: &[T]| {
            let wins = |c: usize, best: usize| row[c] > row[best] || row[c].is_nan() && !row[best].is_nan();
            (1..channels).fold(0, |best, c| if wins(c, best) { c } else { best }) as u32
        };
        let rows = || x.value().as_slice().chunks_exact(channels);
        let winners: Vec<u32> = rows().map(winner).collect();
        let largest = rows().zip(&winners).map(|(row, &winner)| row[winner as usize]).collect();
        x.tape().record(ChannelMaximum { winners }, &[&x], Tensor::new(x.shape().with(axis, 1), largest))
    }
}

/// y = max x_c over the last dimension, `[…, C]` → `[…, 1]`: where to look, as spatial attention asks (Woo, Park, Lee and
/// Kweon, *CBAM: Convolutional block attention module*, 2018).
///
/// The first of equals wins, a NaN over every number; as for [max pooling](super::MaxPooling), ∂y goes to the winner and nothing to
/// the rest.
#[derive(Debug)]
pub struct ChannelMaximum {
    /// Which channel won, for each row.
    winners: Vec<u32>,
}

impl<T: Real> Op<T> for ChannelMaximum {
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

    fn nature(&self) -> Nature {
        Nature::Chooses
    }
}

#[cfg(test)]
mod tests {
    use super::ChannelMax;
    use crate::layers::testing::*;

    #[test]
    fn it_is_the_largest_and_the_first_of_equals_wins() {
        let tape = Tape::new();
        let x = tape.leaf(Tensor::new([3, 3], vec![-3.0, -1.0, -2.0, 4.0, 4.0, 0.0, 1.0, f32::NAN, 9.0]));
        let y = x.apply(ChannelMax);
        assert_eq!((y.shape()[..].to_vec(), &y.value().as_slice()[..2]), (vec![3, 1], &[-1.0, 4.0][..]));
        assert!(y.value().as_slice()[2].is_nan());
        let gradient = &tape.backward(&y, &Exact, [&x]).unwrap()[&x];
        assert_eq!(gradient.as_slice(), &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
