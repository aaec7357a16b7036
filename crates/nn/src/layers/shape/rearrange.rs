//! Values in another order.

use tensor::Shape;
use tensor::blocks::permute;

use crate::layers::affine::written;
use crate::layers::inputs::one;
use crate::layers::limits::count;
use crate::layers::prelude::*;

/// The values of each image in another order and shape: pixels that become channels, or channels that become pixels, as where a
/// picture is made larger by a convolution (Shi et al., *Real-time single image and video super-resolution using an efficient
/// sub-pixel convolutional neural network*, 2016); channels that are divided between the heads of attention; windows of a
/// picture.
///
/// The values are read as an array of the shape `extents`, whose axes are put into the order `axes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(deny_unknown_fields)]
#[display("rearrange to {}", by_times(&self.shape))]
pub struct Rearrange {
    /// The extents into which the input is divided, at most [`MOST_EXTENTS`](Self::MOST_EXTENTS).
    pub extents: Vec<usize>,
    /// A permutation of these: for each axis of the result the axis that it was.
    pub axes: Vec<usize>,
    /// The shape of the output, without N.
    pub shape: Vec<usize>,
}

impl Rearrange {
    /// The most extents that an input is divided into.
    pub const MOST_EXTENTS: usize = 32;

    /// Whether the values stay in their order.
    pub(crate) fn moves_nothing(&self) -> bool {
        self.axes.is_sorted()
    }
}

/// `14×14×192`.
pub(crate) fn by_times(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

impl Kind for Rearrange {
    fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, LayerError> {
        let input = one(inputs)?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        let is_permutation =
            sorted.iter().copied().eq(0..self.extents.len()) && self.extents.len() <= Self::MOST_EXTENTS;
        LayerError::unless(is_permutation, "the order of axes", &self.axes, "a permutation of the extents' numbers")?;
        let values = count(input);
        if values.is_none() || count(&self.extents) != values || count(&self.shape) != values {
            return Err(LayerError::shape("of as many values as the extents, and the result", input));
        }
        Ok(self.shape.clone())
    }

    fn work(&self, _: &[usize], _: &[usize]) -> Work {
        Work::LITTLE
    }

    fn reach(&self) -> Reach<'_> {
        Reach::Lost
    }

    fn moves(&self) -> bool {
        true
    }
}

/// The gradient is the upstream in the inverse order.
impl<T: Real> Op<T> for Rearrange {
    fn name(&self) -> &'static str {
        "rearrange"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut inverse = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        let extents: Vec<usize> = self.axes.iter().map(|&axis| self.extents[axis]).collect();
        Grads::one(rearranged(&upstream, &extents, &inverse, *node.input_shape(0)))
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

/// The values of each image, an array of the shape `extents`, with permuted axes.
fn rearranged<T: Real>(x: &Tensor<T>, extents: &[usize], axes: &[usize], shape: impl Into<Shape>) -> Tensor<T> {
    let shape = shape.into();
    if axes.is_sorted() {
        return x.reshape(shape);
    }
    let with_batch: Vec<usize> = std::iter::once(0).chain(axes.iter().map(|axis| axis + 1)).collect();
    written(shape, |y| permute(x.as_slice(), &[&[x.shape()[0]], extents].concat(), &with_batch, y))
}

impl Record for Rearrange {
    fn record<T: Real>(&self, mut run: Run<'_, T>) -> Var<T> {
        let x = run.input();
        let shape = Shape::from([&x.shape()[..1], &self.shape].concat());
        let (layer, from) = (self.clone(), x.to_value());
        let value = move |_: &Finish<'_, T>| rearranged(from.get(), &layer.extents, &layer.axes, shape);
        run.share.record(self.clone(), &[&x], shape, value)
    }

    fn map_part<T: Real>(&self, _: &[Parameter<T>], _: &Shape, _: usize, _: &mut [T]) {}
}

#[cfg(test)]
mod tests {
    use super::Rearrange;
    use crate::layers::testing::*;

    #[test]
    fn blocks_of_pixels_become_channels() {
        let x = random([2, 4, 6, 3], 1);
        let layer = Rearrange { extents: vec![2, 2, 3, 2, 3], axes: vec![0, 2, 1, 3, 4], shape: vec![2, 3, 12] };
        let y = Tape::new().leaf(x.clone()).apply(layer).value().clone();
        for (place, value) in y.as_slice().iter().enumerate() {
            let [n, i, j, k] = [place / 72, place / 36 % 2, place / 12 % 3, place % 12];
            let (row, column) = (2 * i + k / 6, 2 * j + k / 3 % 2);
            assert_eq!(*value, x.as_slice()[((n * 4 + row) * 6 + column) * 3 + k % 3]);
        }
    }
}
