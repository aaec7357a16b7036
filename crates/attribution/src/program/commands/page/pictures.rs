//! The pictures that the page's networks learn from.

use nn::data::{Idx, LabelledImages, fashion_mnist};
use serde_json::json;

use crate::program::terminal::Failure;

/// MNIST's, see `LICENSE.txt` beside them.
const DIGITS: &[u8] = include_bytes!("../../../bin/web/digits/images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../../bin/web/digits/labels-idx1-ubyte.gz");
/// Number of pictures that networks are tried on while they learn.
const TRIED: usize = 300;

/// The built-in garments; fewer are tried than the program has.
pub(super) fn garments() -> Result<Vec<u8>, Failure> {
    let (train, test) = (fashion_mnist::train(), fashion_mnist::test());
    let tried = test.subset(&(0..TRIED).collect::<Vec<_>>());
    let (labels, pixels) = ([train.labels(), tried.labels()].concat(), [train.pixels(), tried.pixels()].concat());
    written(train.class_names(), &labels, &pixels)
}

pub(super) fn digits() -> Result<Vec<u8>, Failure> {
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let digits = LabelledImages::from_idx(Idx::read(DIGITS, "digits")?, Idx::read(LABELS, "their labels")?, classes)?;
    written(digits.class_names(), digits.labels(), digits.pixels())
}

/// Pictures as the page reads them: the length of the JSON (u32, little-endian), the JSON, the pixels. The last are tried.
fn written(classes: &[String], labels: &[usize], pixels: &[u8]) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(&json!({ "classes": classes, "labels": labels, "tried": TRIED }))?;
    Ok([&(json.len() as u32).to_le_bytes(), &*json, pixels].concat())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_class_is_learnt_and_tried() {
        for (written, learnt) in [(garments().unwrap(), 6000), (digits().unwrap(), 2000)] {
            let (length, rest) = written.split_first_chunk().unwrap();
            let (json, pixels) = rest.split_at(u32::from_le_bytes(*length) as usize);
            let json: Value = serde_json::from_slice(json).unwrap();
            let labels: Vec<u64> =
                json["labels"].as_array().unwrap().iter().map(|label| label.as_u64().unwrap()).collect();
            assert_eq!((labels.len(), pixels.len()), (learnt + TRIED, (learnt + TRIED) * 28 * 28));
            assert_eq!(json["classes"].as_array().unwrap().len(), 10);
            for part in [&labels[..learnt], &labels[learnt..]] {
                assert!((0..10).all(|class| part.contains(&class)));
            }
        }
    }
}
