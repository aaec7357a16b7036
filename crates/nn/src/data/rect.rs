//! Boxes of pixels.

use serde::{Deserialize, Serialize};

/// An axis-parallel box of whole pixels: rows `top .. top + height`, columns `left .. left + width`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl Rect {
    /// The smallest box that contains all these pixels `(row, column)`; `None` if there are none.
    #[must_use]
    pub fn enclosing(pixels: impl IntoIterator<Item = (usize, usize)>) -> Option<Self> {
        let mut pixels = pixels.into_iter();
        let (row, column) = pixels.next()?;
        let [mut top, mut bottom, mut left, mut right] = [row, row, column, column];
        for (row, column) in pixels {
            (top, bottom) = (top.min(row), bottom.max(row));
            (left, right) = (left.min(column), right.max(column));
        }
        Some(Self { top, left, height: bottom - top + 1, width: right - left + 1 })
    }

    /// The first row below the box.
    #[must_use]
    pub const fn bottom(&self) -> usize {
        self.top + self.height
    }

    /// The first column to the right of the box.
    #[must_use]
    pub const fn right(&self) -> usize {
        self.left + self.width
    }

    /// Number of pixels.
    #[must_use]
    pub const fn area(&self) -> usize {
        self.height * self.width
    }

    /// Whether the pixel lies in the box.
    #[must_use]
    pub fn contains(&self, row: usize, column: usize) -> bool {
        (self.top..self.bottom()).contains(&row) && (self.left..self.right()).contains(&column)
    }

    /// The pixels that both boxes contain; a box of area 0 if there are none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (top, left) = (self.top.max(other.top), self.left.max(other.left));
        Self {
            top,
            left,
            height: self.bottom().min(other.bottom()).saturating_sub(top),
            width: self.right().min(other.right()).saturating_sub(left),
        }
    }

    /// Intersection over union, |A ∩ B| / |A ∪ B|, in `[0, 1]`; 0 for two boxes without pixels.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        let intersection = self.intersection(other).area();
        let union = self.area() + other.area() - intersection;
        if union == 0 { 0.0 } else { intersection as f64 / union as f64 }
    }

    /// The box moved down by `rows` and right by `columns`.
    #[must_use]
    pub const fn shifted(self, rows: usize, columns: usize) -> Self {
        Self { top: self.top + rows, left: self.left + columns, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn pixels(rect: &Rect) -> HashSet<(usize, usize)> {
        let (rows, columns) = (0..40, 0..40);
        rows.flat_map(|r| columns.clone().map(move |c| (r, c))).filter(|&(r, c)| rect.contains(r, c)).collect()
    }

    fn rect() -> impl Strategy<Value = Rect> {
        (0..20usize, 0..20usize, 0..20usize, 0..20usize).prop_map(|(top, left, height, width)| Rect {
            top,
            left,
            height,
            width,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_sets_of_pixels(a in rect(), b in rect()) {
            let (pa, pb) = (pixels(&a), pixels(&b));
            prop_assert_eq!(a.area(), pa.len());
            let both = &pa & &pb;
            prop_assert_eq!(a.intersection(&b).area(), both.len());
            if !both.is_empty() {
                prop_assert_eq!(&pixels(&a.intersection(&b)), &both);
            }
            let union = (&pa | &pb).len();
            prop_assert_eq!(a.iou(&b), if union == 0 { 0.0 } else { both.len() as f64 / union as f64 });
            prop_assert_eq!(a.iou(&b), b.iou(&a));
            prop_assert_eq!(Rect::enclosing(pa), (a.area() > 0).then_some(a));
        }
    }

    #[test]
    fn encloses_scattered_pixels() {
        assert_eq!(Rect::enclosing([]), None);
        let enclosing = Rect::enclosing([(7, 2), (3, 9), (5, 5)]);
        assert_eq!(enclosing, Some(Rect { top: 3, left: 2, height: 5, width: 8 }));
    }
}
