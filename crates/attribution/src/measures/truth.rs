//! Where an object is.

use std::num::NonZeroUsize;

use ndarray::Array2;
use nn::data::Rect;

/// The pixels of an object, with which a map is compared.
pub trait Object {
    /// Whether the pixel belongs to the object.
    fn contains(&self, row: usize, column: usize) -> bool;

    /// The boxes with which the box of a map is compared.
    fn boxes(&self) -> Vec<Rect>;
}

impl Object for Rect {
    fn contains(&self, row: usize, column: usize) -> bool {
        self.contains(row, column)
    }

    fn boxes(&self) -> Vec<Rect> {
        vec![*self]
    }
}

/// Where the objects of an image are, in pixels of the network's input.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A box round each object of the image's class. The pixels are those of any box. The box of a map is compared with
    /// the box that it overlaps most.
    Boxes(Vec<Rect>),
    /// The objects' pixels, `[H, W]`. The box of a map is compared with the box round all of them.
    Mask(Array2<bool>),
}

impl Truth {
    /// The share of an image `[H, W]` that the objects cover: the energy of a map that is the same everywhere. `None` if
    /// they cover nothing.
    #[must_use]
    pub fn share(&self, [height, width]: [usize; 2]) -> Option<f64> {
        let pixels = ndarray::indices((height, width)).into_iter().filter(|&(y, x)| self.contains(y, x)).count();
        NonZeroUsize::new(pixels).map(|pixels| pixels.get() as f64 / (height * width) as f64)
    }
}

impl Object for Truth {
    fn contains(&self, row: usize, column: usize) -> bool {
        match self {
            Self::Boxes(boxes) => boxes.iter().any(|place| place.contains(row, column)),
            Self::Mask(mask) => mask.get((row, column)).is_some_and(|&inside| inside),
        }
    }

    fn boxes(&self) -> Vec<Rect> {
        match self {
            Self::Boxes(boxes) => boxes.clone(),
            Self::Mask(mask) => {
                let inside = mask.indexed_iter().filter(|(_, inside)| **inside).map(|(pixel, _)| pixel);
                Rect::enclosing(inside).into_iter().collect()
            }
        }
    }
}

impl From<Rect> for Truth {
    fn from(place: Rect) -> Self {
        Self::Boxes(vec![place])
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CAM_THRESHOLD, box_score, energy_in_box, localization_error, pointing_game};
    use super::*;

    const LEFT: Rect = Rect { top: 1, left: 0, height: 3, width: 2 };
    const RIGHT: Rect = Rect { top: 2, left: 5, height: 4, width: 3 };

    fn map() -> Array2<f32> {
        Array2::from_shape_fn((8, 10), |(y, x)| match (LEFT.contains(y, x), RIGHT.contains(y, x)) {
            (true, _) => 1.0,
            (_, true) => 3.0,
            _ => 0.25,
        })
    }

    #[test]
    fn a_mask_of_a_box_scores_as_the_box() {
        let mask = Truth::Mask(Array2::from_shape_fn((8, 10), |(y, x)| RIGHT.contains(y, x)));
        let map = map();
        assert_eq!(mask.boxes(), [RIGHT]);
        assert_eq!(energy_in_box(map.view(), &mask), energy_in_box(map.view(), &RIGHT));
        assert_eq!(box_score(map.view(), &mask, CAM_THRESHOLD), box_score(map.view(), &RIGHT, CAM_THRESHOLD));
        assert_eq!(mask.share([8, 10]), Some(12.0 / 80.0));
        for (tolerance, row) in [(0, 2), (1, 1), (1, 0), (2, 0), (3, 7)] {
            let mut peak = Array2::<f32>::zeros((8, 10));
            peak[[row, 6]] = 1.0;
            let hit = |truth: &dyn Object| pointing_game(peak.view(), truth, tolerance);
            assert_eq!(hit(&mask), hit(&RIGHT), "{tolerance} {row}");
        }
        let nothing = Truth::Mask(Array2::from_elem((8, 10), false));
        assert_eq!((nothing.boxes().len(), nothing.share([8, 10])), (0, None));
        assert!(!pointing_game(map.view(), &nothing, 9) && energy_in_box(map.view(), &nothing) == 0.0);
    }

    #[test]
    fn any_of_several_boxes_is_right() {
        let both = Truth::Boxes(vec![LEFT, RIGHT]);
        let map = map();
        // 6 · 1 and 12 · 3 inside, 62 · ¼ outside.
        assert!((energy_in_box(map.view(), &both) - 42.0 / 57.5).abs() < 1e-12);
        assert!(pointing_game(map.view(), &both, 0) && !pointing_game(map.view(), &LEFT, 0));
        assert_eq!(box_score(map.view(), &both, CAM_THRESHOLD), 1.0);
        assert!(!localization_error(&[(4, Some(LEFT))], 4, &both) && localization_error(&[(4, None)], 4, &both));
        assert_eq!(both.share([8, 10]), Some(18.0 / 80.0));
        // Pixels of two boxes count once.
        assert_eq!(Truth::Boxes(vec![LEFT, LEFT]).share([8, 10]), Truth::from(LEFT).share([8, 10]));
    }
}
