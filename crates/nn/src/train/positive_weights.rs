//! Weights for rare labels.

use crate::data::{DataError, Dataset, Truth};

/// For each label the weight of its presence that makes presence and absence count equally: the number of images without it
/// over the number of images with it. 1 if all images have it or none has.
///
/// # Errors
/// If a truth can't be read.
///
/// # Panics
/// If the images have no labels.
pub fn positive_weights(images: &dyn Dataset) -> Result<Vec<f64>, DataError> {
    let mut present = vec![0usize; images.class_names().len()];
    for index in 0..images.len() {
        let Truth::Labels(row) = images.truth(index)? else { panic!("the images have no labels") };
        present.iter_mut().zip(row).filter(|(_, label)| **label >= 0.5).for_each(|(count, _)| *count += 1);
    }
    let weight = |present: usize| match images.len() - present {
        0 => 1.0,
        _ if present == 0 => 1.0,
        absent => absent as f64 / present as f64,
    };
    Ok(present.into_iter().map(weight).collect())
}
