//! Some pictures of each class of a data set.

use nn::data::{Dataset, LabelledImages};

use crate::program::terminal::Failure;

/// Limit on the pictures of a class.
const EACH: usize = 40;
/// Limit on all pictures, unless there are more classes than a tenth of it.
const ALL: usize = 400;
/// Number of pictures of a class that can be divided into clusters.
const LEAST: usize = 4;

/// The first pictures of each class.
pub(crate) fn sample(images: &dyn Dataset) -> Result<LabelledImages, Failure> {
    let classes = images.class_names().to_vec();
    let each = (ALL / classes.len().max(1)).clamp(LEAST, EACH);
    let mut counts = vec![0; classes.len()];
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut picture = vec![0; images.image_shape().iter().product()];
    for index in 0..images.len() {
        let label = images.label(index);
        if counts[label] < each {
            images.read(index, &mut picture)?;
            counts[label] += 1;
            pixels.extend_from_slice(&picture);
            labels.push(label);
        }
    }
    let [height, width, channels] = images.image_shape();
    Ok(LabelledImages::new(pixels, [labels.len(), height, width, channels], labels, classes)?)
}
