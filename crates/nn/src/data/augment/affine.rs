//! Rotation and scale about the centre.

/// Rotates `from` counter-clockwise by `angle` (radians) and scales it by `factor`, both about the centre, and writes the result
/// to `to`; both are `[H, W, C]`. Values between pixels are interpolated bilinearly, values outside the image are black.
///
/// With pixel centres at integers and m the image's centre, the value at p is read at m + R·(p − m)/factor, where R is a clockwise
/// rotation in the picture (rows run down).
pub(super) fn affine(from: &[f32], to: &mut [f32], [h, w, c]: [usize; 3], angle: f64, factor: f64) {
    let place = places([h, w], angle, factor);
    to.fill(0.0);
    for (index, pixel) in to.chunks_exact_mut(c).enumerate() {
        let (y, x) = place(index);
        let (top, left) = (y.floor(), x.floor());
        let (below, beside) = ((y - top) as f32, (x - left) as f32);
        let taps = [
            (0, 0, (1.0 - below) * (1.0 - beside)),
            (0, 1, (1.0 - below) * beside),
            (1, 0, below * (1.0 - beside)),
            (1, 1, below * beside),
        ];
        for (down, right, weight) in taps {
            let (row, column) = (top as isize + down, left as isize + right);
            if (0..h as isize).contains(&row) && (0..w as isize).contains(&column) {
                let tap = &from[(row as usize * w + column as usize) * c..][..c];
                pixel.iter_mut().zip(tap).for_each(|(value, tap)| *value += weight * tap);
            }
        }
    }
}

/// As [`affine`], for a mask `[H, W]`: each pixel gets the nearest one's class, or 0 outside the mask.
pub(super) fn affine_nearest(from: &[f32], to: &mut [f32], [h, w]: [usize; 2], angle: f64, factor: f64) {
    let place = places([h, w], angle, factor);
    for (index, value) in to.iter_mut().enumerate() {
        let (y, x) = place(index);
        let (row, column) = (y.round() as isize, x.round() as isize);
        let inside = (0..h as isize).contains(&row) && (0..w as isize).contains(&column);
        *value = if inside { from[row as usize * w + column as usize] } else { 0.0 };
    }
}

/// Where (row, column) the pixel with an index is read.
fn places([h, w]: [usize; 2], angle: f64, factor: f64) -> impl Fn(usize) -> (f64, f64) {
    let (sin, cos) = (angle.sin() / factor, angle.cos() / factor);
    let (middle_y, middle_x) = ((h as f64 - 1.0) / 2.0, (w as f64 - 1.0) / 2.0);
    move |index| {
        let (y, x) = ((index / w) as f64 - middle_y, (index % w) as f64 - middle_x);
        (middle_y + cos * y + sin * x, middle_x + cos * x - sin * y)
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, PI};

    use super::*;

    fn turned(image: &[f32], shape: [usize; 3], angle: f64, factor: f64) -> Vec<f32> {
        let mut found = vec![9.0; image.len()];
        affine(image, &mut found, shape, angle, factor);
        found
    }

    #[test]
    fn quarter_turns_move_pixels() {
        let side = 5;
        let image: Vec<f32> = (0..side * side * 2).map(|value| value as f32).collect();
        let shape = [side, side, 2];
        let at = |image: &[f32], y: usize, x: usize, k: usize| image[(y * side + x) * 2 + k];
        let (quarter, half) = (turned(&image, shape, FRAC_PI_2, 1.0), turned(&image, shape, PI, 1.0));
        for (y, x, k) in (0..side).flat_map(|y| (0..side).flat_map(move |x| [(y, x, 0), (y, x, 1)])) {
            // Counter-clockwise: the right column becomes the top row.
            approx::assert_abs_diff_eq!(at(&quarter, y, x, k), at(&image, x, side - 1 - y, k), epsilon = 1e-4);
            approx::assert_abs_diff_eq!(at(&half, y, x, k), at(&image, side - 1 - y, side - 1 - x, k), epsilon = 1e-4);
        }
        assert_eq!(turned(&image, shape, 0.0, 1.0), image);
    }

    /// Bilinear interpolation of a linear function is exact wherever all taps are inside the image.
    #[test]
    fn a_plane_stays_a_plane() {
        let (h, w) = (20, 26);
        let plane = |y: f64, x: f64| 3.0 * y - 2.0 * x + 100.0;
        let image: Vec<f32> = (0..h * w).map(|at| plane((at / w) as f64, (at % w) as f64) as f32).collect();
        for (angle, factor) in [(0.3, 1.0), (-0.7, 1.3), (0.0, 2.0), (0.1, 0.8)] {
            let found = turned(&image, [h, w, 1], angle, factor);
            let mut inside = 0;
            for (at, &value) in found.iter().enumerate() {
                let [dy, dx] = [(at / w) as f64 - 9.5, (at % w) as f64 - 12.5].map(|offset| offset / factor);
                // The position that is moved here.
                let y = 9.5 + dy * f64::cos(angle) + dx * f64::sin(angle);
                let x = 12.5 - dy * f64::sin(angle) + dx * f64::cos(angle);
                if (0.0..=19.0).contains(&y) && (0.0..=25.0).contains(&x) {
                    approx::assert_abs_diff_eq!(f64::from(value), plane(y, x), epsilon = 1e-3);
                    inside += 1;
                } else if !(-1.0..=20.0).contains(&y) || !(-1.0..=26.0).contains(&x) {
                    assert_eq!(value, 0.0);
                }
            }
            assert!(inside > 200, "{inside}");
        }
    }
}
