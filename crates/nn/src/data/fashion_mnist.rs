//! Fashion-MNIST: grey pictures of garments in ten classes, 28×28 pixels, white on black.
//!
//! The first 6000 images of the training set and the first 1000 of the test set are embedded. [`LabelledImages::open_idx`]
//! with [`classes`] reads the whole set (60,000 + 10,000 images) from its files.
//!
//! Source: H. Xiao, K. Rasul, R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
//! Algorithms*, 2017, arXiv:1708.07747. © 2017 Zalando SE, MIT licence (`data/fashion-mnist/LICENSE.txt`).

use std::sync::OnceLock;

use super::{DataError, Idx, LabelledImages};

/// Names of the classes, in the order of the labels.
pub const CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// [`CLASSES`] as owned strings.
#[must_use]
pub fn classes() -> Vec<String> {
    CLASSES.map(String::from).to_vec()
}

/// The first 6000 training images, `[6000, 28, 28, 1]`. The first call decompresses them.
#[must_use]
pub fn train() -> &'static LabelledImages {
    static TRAIN: OnceLock<LabelledImages> = OnceLock::new();
    TRAIN.get_or_init(|| {
        embedded(
            include_bytes!("../../data/fashion-mnist/fashion-train6000-images-idx3-ubyte.gz"),
            include_bytes!("../../data/fashion-mnist/fashion-train6000-labels-idx1-ubyte.gz"),
        )
    })
}

/// The first 1000 test images, `[1000, 28, 28, 1]`. The first call decompresses them.
#[must_use]
pub fn test() -> &'static LabelledImages {
    static TEST: OnceLock<LabelledImages> = OnceLock::new();
    TEST.get_or_init(|| {
        embedded(
            include_bytes!("../../data/fashion-mnist/fashion-test1000-images-idx3-ubyte.gz"),
            include_bytes!("../../data/fashion-mnist/fashion-test1000-labels-idx1-ubyte.gz"),
        )
    })
}

fn embedded(images: &[u8], labels: &[u8]) -> LabelledImages {
    let decode = || -> Result<LabelledImages, DataError> {
        let images = Idx::read(images, "embedded images")?;
        let labels = Idx::read(labels, "embedded labels")?;
        LabelledImages::from_idx(images, labels, classes())
    };
    decode().expect("the embedded files are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;

    #[test]
    fn has_the_published_images() {
        assert_eq!(train().shape(), [6000, 28, 28, 1]);
        assert_eq!(test().shape(), [1000, 28, 28, 1]);
        assert_eq!(train().class_names(), CLASSES);
        // The first ten labels of the published training and test sets.
        assert_eq!(train().labels()[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
        assert_eq!(test().labels()[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
        for set in [train(), test()] {
            let fair = set.len() as f64 / 10.0;
            assert!(set.class_counts().iter().all(|&count| (count as f64 / fair - 1.0).abs() < 0.2));
        }
    }

    #[test]
    fn is_decompressed_once() {
        assert!(std::ptr::eq(train(), train()));
    }

    /// The whole training set has mean 0.2860 and deviation 0.3530; a tenth of it comes close.
    #[test]
    fn has_the_known_statistics() {
        let statistics = train().statistics();
        assert!((statistics.mean()[0] - 0.2860).abs() < 0.004, "{statistics:?}");
        assert!((statistics.std()[0] - 0.3530).abs() < 0.004, "{statistics:?}");
    }
}
