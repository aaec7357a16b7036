//! Shifts: random crops of the padded image.

/// Writes `to[y, x] = from[y + dy, x + dx]`, or black where this is outside; both are `[H, W, C]`.
pub(super) fn shift(from: &[f32], to: &mut [f32], [h, w, c]: [usize; 3], [dy, dx]: [isize; 2]) {
    to.fill(0.0);
    // The first column of `to` that is read from `from`, and the column it is read from.
    let (start, first) = (0.max(-dx) as usize, 0.max(dx) as usize);
    let count = w.saturating_sub(dx.unsigned_abs());
    for (y, row) in to.chunks_exact_mut(w * c).enumerate() {
        if let Some(source) = y.checked_add_signed(dy).filter(|&source| source < h && count > 0) {
            row[start * c..][..count * c].copy_from_slice(&from[(source * w + first) * c..][..count * c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_crop_of_the_padded_image() {
        let (h, w, c, padding) = (4, 5, 2, 6);
        let image: Vec<f32> = (1..=h * w * c).map(|value| value as f32).collect();
        let wide = w + 2 * padding;
        let mut padded = vec![0.0; (h + 2 * padding) * wide * c];
        for y in 0..h {
            padded[((y + padding) * wide + padding) * c..][..w * c].copy_from_slice(&image[y * w * c..][..w * c]);
        }
        for (top, left) in (0..=2 * padding).flat_map(|top| (0..=2 * padding).map(move |left| (top, left))) {
            let mut found = vec![9.0; h * w * c];
            let by = [top, left].map(|offset| offset as isize - padding as isize);
            shift(&image, &mut found, [h, w, c], by);
            let crop = (0..h).flat_map(|y| padded[((top + y) * wide + left) * c..][..w * c].iter().copied());
            assert!(crop.eq(found.iter().copied()), "{by:?}");
        }
    }
}
