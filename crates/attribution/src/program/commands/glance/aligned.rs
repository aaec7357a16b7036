//! Maps aligned to the boxes of objects.

use ndarray::Array2;
use nn::data::Rect;

/// Number of rows and columns of an aligned map.
const SIDE: usize = 24;

/// The map `[H, W]` round a box, `[24, 24]`: the middle twelve rows and columns are the box, stretched to a square. Beyond the
/// picture it is 0.
pub(super) fn aligned(map: &Array2<f32>, place: &Rect) -> Array2<f32> {
    let (height, width) = map.dim();
    let at = |cell: usize, start: usize, extent: usize| {
        let half = extent as f64 / 2.0;
        start as f64 - half + (cell as f64 + 0.5) * 2.0 * extent as f64 / SIDE as f64
    };
    Array2::from_shape_fn((SIDE, SIDE), |(row, column)| {
        let (y, x) = (at(row, place.top, place.height), at(column, place.left, place.width));
        let is_inside = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
        if is_inside { map[[y as usize, x as usize]] } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_becomes_the_middle() {
        let place = Rect { top: 2, left: 30, height: 20, width: 10 };
        let map = Array2::from_shape_fn((40, 60), |(y, x)| f32::from(u8::from(place.contains(y, x))));
        let inside = |at: usize| (6..18).contains(&at);
        let expected = |(y, x): (usize, usize)| f32::from(u8::from(inside(y) && inside(x)));
        assert_eq!(aligned(&map, &place), Array2::from_shape_fn((SIDE, SIDE), expected));
        // The picture begins two pixels above the box: row 5 is at y = 1.2, row 4 at −0.5.
        let whole = aligned(&Array2::ones((40, 60)), &place);
        assert_eq!([whole[[5, 12]], whole[[4, 12]]], [1.0, 0.0]);
    }
}
