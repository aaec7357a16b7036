//! The pictures that activate each channel of a layer most.

use nn::Real;

use crate::error::ExplainError;
use crate::layer::LayerRef;
use crate::pass::{Pass, of_image};

/// The place at which a channel is strongest in a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak<T> {
    /// The picture's number, in the order in which they were added.
    pub picture: usize,
    /// Row and column of the cell.
    pub cell: [usize; 2],
    /// The channel's value there.
    pub value: T,
}

/// The pictures that activate each channel of a layer most, one place of each, as in Zeiler and Fergus, *Visualizing and
/// Understanding Convolutional Networks*, 2014, fig. 2. Pictures are added in passes of any size and needn't be kept.
#[derive(Clone, Debug)]
pub struct Strongest<T> {
    layer: String,
    most: usize,
    pictures: usize,
    /// By channel, strongest first.
    channels: Vec<Vec<Peak<T>>>,
}

impl<T: Real> Strongest<T> {
    /// No pictures yet. For each channel of the layer, at most `most` of them will be kept.
    #[must_use]
    pub fn new(layer: impl Into<String>, most: usize) -> Self {
        Self { layer: layer.into(), most, pictures: 0, channels: Vec::new() }
    }

    /// Adds the pictures of a pass. Values that aren't positive don't count: they activate nothing.
    ///
    /// # Errors
    /// If the model has no such layer, or its output has no positions.
    pub fn add(&mut self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        let features = pass.features_at(LayerRef::from(&self.layer))?;
        for image in 0..pass.images() {
            let features = of_image(&features, image);
            let (_, width, channels) = features.dim();
            self.channels.resize_with(channels, Vec::new);
            let mut peaks = vec![(0, T::zero()); channels];
            for (at, cell) in features.rows().into_iter().enumerate() {
                for (peak, &value) in peaks.iter_mut().zip(cell) {
                    if value > peak.1 {
                        *peak = (at, value);
                    }
                }
            }
            for (channel, (at, value)) in self.channels.iter_mut().zip(peaks) {
                // Of equal values, the first stays first.
                let place = channel.partition_point(|other| other.value >= value);
                if value > T::zero() && place < self.most {
                    channel.insert(place, Peak { picture: self.pictures, cell: [at / width, at % width], value });
                    channel.truncate(self.most);
                }
            }
            self.pictures += 1;
        }
        Ok(())
    }

    /// The layer's name.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The number of pictures so far.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// The strongest pictures of each channel, strongest first. A channel that no picture activates has none.
    #[must_use]
    pub fn channels(&self) -> &[Vec<Peak<T>>] {
        &self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{images, model};

    /// Sorting the maxima of all pictures gives the same, however many pictures a pass has.
    #[test]
    fn the_maxima_of_all_pictures_are_sorted() {
        let model = model();
        let all = Pass::new(&model, images(7)).unwrap();
        let features = all.features_at("relu1").unwrap();
        let each = features.len() / 7;
        for most in [1, 3, 9] {
            let mut together = Strongest::new("relu1", most);
            together.add(&all).unwrap();
            let mut alone = Strongest::new("relu1", most);
            for image in 0..7 {
                let own = all.values_of(image).to_vec();
                alone.add(&Pass::new(&model, tensor::Tensor::new([9, 8, 2], own)).unwrap()).unwrap();
            }
            assert_eq!((together.pictures(), alone.pictures()), (7, 7));
            for channel in 0..4 {
                let mut expected: Vec<(f64, usize, usize)> = (0..7)
                    .map(|image| {
                        let of = |at: usize| features.as_slice()[image * each + at * 4 + channel];
                        let at = (0..each / 4).fold(0, |best, at| if of(at) > of(best) { at } else { best });
                        (of(at), image, at)
                    })
                    .filter(|(value, ..)| *value > 0.0)
                    .collect();
                expected.sort_by(|a, b| b.0.total_cmp(&a.0));
                expected.truncate(most);
                let found = |strongest: &Strongest<f64>| -> Vec<_> {
                    let peaks = strongest.channels()[channel].iter();
                    peaks.map(|peak| (peak.value, peak.picture, peak.cell[0] * 8 + peak.cell[1])).collect()
                };
                assert!(!expected.is_empty());
                assert_eq!(found(&together), expected);
                let rounded = |(value, picture, at): &(f64, usize, usize)| ((value * 1e9).round(), *picture, *at);
                let alike: Vec<_> = found(&alone).iter().map(rounded).collect();
                assert_eq!(alike, expected.iter().map(rounded).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_is_not_positive_drives_nothing() {
        let mut model = model();
        model.set_parameter("conv1.weight", tensor::Tensor::zeros([3, 3, 2, 4])).unwrap();
        model.set_parameter("conv1.bias", tensor::Tensor::new([4], vec![-1.0, f64::NAN, 2.0, 0.0])).unwrap();
        let pass = Pass::new(&model, images(2)).unwrap();
        let mut strongest = Strongest::new("relu1", 5);
        strongest.add(&pass).unwrap();
        let first = |picture| Peak { picture, cell: [0, 0], value: 2.0 };
        assert_eq!(strongest.channels(), [vec![], vec![], vec![first(0), first(1)], vec![]]);
        let error = Strongest::new("fc", 1).add(&pass).unwrap_err().to_string();
        assert!(error.contains("has no positions"), "{error}");
    }
}
