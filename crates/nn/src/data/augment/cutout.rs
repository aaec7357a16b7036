//! Cutout: a square of the image is covered.

/// Fills the square of this side and with this centre (row, column) with a colour, as far as it is inside the image `[H, W, C]`.
pub(super) fn cutout(image: &mut [f32], [h, w, c]: [usize; 3], centre: [usize; 2], side: usize, colour: &[f32]) {
    let range = |centre: usize, extent: usize| {
        // As many pixels before the centre as after it; an even side has one more after it.
        (centre + side / 2 + 1).saturating_sub(side)..(centre + side / 2 + 1).min(extent)
    };
    let columns = range(centre[1], w);
    for y in range(centre[0], h) {
        for pixel in image[(y * w + columns.start) * c..(y * w + columns.end) * c].chunks_exact_mut(c) {
            pixel.copy_from_slice(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_square_inside_the_image_is_filled() {
        let (h, w, c) = (6, 7, 2);
        let image: Vec<f32> = (0..h * w * c).map(|value| value as f32).collect();
        for (row, column, side) in (0..h).flat_map(|y| (0..w).flat_map(move |x| (1..=6).map(move |s| (y, x, s)))) {
            let mut found = image.clone();
            cutout(&mut found, [h, w, c], [row, column], side, &[-1.0, -2.0]);
            for (at, &value) in found.iter().enumerate() {
                let (y, x) = (at / c / w, at / c % w);
                // The centre of the square is that of the pixel, or the pixel's lower right corner.
                let within = |position: usize, centre: usize| {
                    let distance = position as f64 - centre as f64 - if side % 2 == 0 { 0.5 } else { 0.0 };
                    distance.abs() < side as f64 / 2.0
                };
                let filled = within(y, row) && within(x, column);
                assert_eq!(value, if filled { -1.0 - (at % c) as f32 } else { image[at] });
            }
        }
    }
}
