//! Whether there is something to learn.

use super::{DataError, Dataset, Truth};

/// Checks that there is something to learn: at least two classes of images or of pixels, or no label or value that is the same for
/// all images.
///
/// # Errors
/// If there is nothing to learn; the error names the class, label or value. If a truth can't be read.
pub fn check_variety(images: &dyn Dataset) -> Result<(), DataError> {
    let names = images.class_names();
    if images.is_map() {
        let mut first = None;
        for index in 0..images.len() {
            let Truth::Mask(mask) = images.truth(index)? else { continue };
            let class = *first.get_or_insert(mask[0]);
            if mask.iter().any(|&other| other != class) {
                return Ok(());
            }
        }
        let class = names[usize::from(first.unwrap_or(0))].clone();
        return Err(DataError::OnlyClass { what: "pixels", class });
    }
    if images.has_classes() {
        let counts = images.class_counts();
        let present: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] > 0).collect();
        return match present[..] {
            [class] => Err(DataError::OnlyClass { what: "images", class: names[class].clone() }),
            _ => Ok(()),
        };
    }
    let mut first: Option<Vec<f32>> = None;
    let mut differs = vec![false; names.len()];
    for index in 0..images.len() {
        if let Truth::Labels(row) | Truth::Values(row) = images.truth(index)? {
            let first = first.get_or_insert_with(|| row.to_vec());
            for (differs, (one, other)) in differs.iter_mut().zip(first.iter().zip(row)) {
                *differs |= one != other;
            }
        }
    }
    match (differs.iter().position(|differs| !differs), first) {
        (Some(at), Some(first)) => Err(DataError::Constant { name: names[at].clone(), value: first[at] }),
        _ => Ok(()),
    }
}
