//! The filters of the first layer.

use ndarray::{Array3, ArrayView4, Axis};
use nn::{Layer, Model, Real, Source};

/// The filters of a convolution that reads the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Filters<T> {
    /// The layer's name.
    pub layer: String,
    /// A filter `[kh, kw, C]` for each channel of the layer.
    pub filters: Vec<Array3<T>>,
}

/// The filters of the first convolution that reads the image. A filter's output at a position is its product with the
/// window there, so among all windows of the same length the one that activates it most is the filter itself. `None` if the
/// model has no such layer.
#[must_use]
pub fn first_filters<T: Real>(model: &Model<T>) -> Option<Filters<T>> {
    let reads_image =
        |layer: &&nn::ModelNode| matches!(layer.layer, Layer::Conv2d(_)) && layer.inputs == [Source::Image];
    let layer = model.layers().iter().find(reads_image)?;
    let weight = model.parameter(&format!("{}.weight", layer.name))?;
    let &[kh, kw, depth, channels] = &weight.shape()[..] else { return None };
    let weight = ArrayView4::from_shape((kh, kw, depth, channels), weight.as_slice()).ok()?;
    let filters = (0..channels).map(|channel| weight.index_axis(Axis(3), channel).to_owned()).collect();
    Some(Filters { layer: layer.name.clone(), filters })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{INPUT, Readout, model, transformer};
    use nn::layers::{GlobalAvgPool, Linear};
    use tensor::Tensor;

    /// A filter shown to the network as a picture gives its own squared length, at the cell over which it lies.
    #[test]
    fn a_filter_responds_to_itself_by_its_squared_length() {
        let model = model();
        let Filters { layer, filters } = first_filters(&model).unwrap();
        assert_eq!((layer.as_str(), filters.len()), ("conv1", 4));
        let bias = model.parameter("conv1.bias").unwrap();
        for (channel, filter) in filters.iter().enumerate() {
            assert_eq!(filter.dim(), (3, 3, 2));
            let mut image = Tensor::zeros([1, INPUT[0], INPUT[1], INPUT[2]]);
            for ((y, x, c), &value) in filter.indexed_iter() {
                image.make_mut()[((y + 2) * INPUT[1] + x + 3) * INPUT[2] + c] = value;
            }
            let output = model.predict_at(0, image).unwrap();
            let found = output.as_slice()[(3 * INPUT[1] + 4) * 4 + channel] - bias.as_slice()[channel];
            let expected: f64 = filter.iter().map(|value| value * value).sum();
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn a_network_without_convolutions_has_none() {
        let model = Model::builder([4, 4, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(1).unwrap();
        assert_eq!(first_filters(&model), None);
        assert_eq!(first_filters(&transformer(Readout::Mean)).unwrap().layer, "patches");
    }
}
