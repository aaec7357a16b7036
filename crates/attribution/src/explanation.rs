//! What a method gives: a map for each image, and how it came about.

use std::ops::Index;

/// A map for each image of the batch, in its order, and how they came about.
///
/// Of a single image, [`single`](Self::single) gives the map; of a batch, index it or iterate over it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation<M> {
    /// The method, such as `"Grad-CAM"`.
    pub method: &'static str,
    /// What was explained, in words.
    pub target: String,
    /// The layers looked at; none for input-level methods.
    pub layers: Vec<String>,
    /// What the backward rule replaced, in words (`7 of 7 ReLUs`); `None` for the chain rule and without a backward pass.
    pub coverage: Option<String>,
    /// A map for each image.
    pub maps: Vec<M>,
}

impl<M> Explanation<M> {
    /// The map of the only image.
    ///
    /// # Panics
    /// Where several images were observed: each has a map of its own.
    #[must_use]
    pub fn single(mut self) -> M {
        assert_eq!(self.maps.len(), 1, "{} images were observed, and each has its own map", self.maps.len());
        self.maps.swap_remove(0)
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Whether there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }
}

impl<M> Index<usize> for Explanation<M> {
    type Output = M;

    fn index(&self, image: usize) -> &M {
        &self.maps[image]
    }
}

impl<M> IntoIterator for Explanation<M> {
    type Item = M;
    type IntoIter = std::vec::IntoIter<M>;

    fn into_iter(self) -> Self::IntoIter {
        self.maps.into_iter()
    }
}
