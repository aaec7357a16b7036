//! Horizontal flips.

/// Flips an image `[H, W, C]` horizontally.
pub(super) fn flip(image: &mut [f32], [_, w, c]: [usize; 3]) {
    for row in image.chunks_exact_mut(w * c) {
        row.reverse();
        row.chunks_exact_mut(c).for_each(<[f32]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_reversed_and_channels_are_not() {
        for [h, w, c] in [[2, 5, 3], [3, 4, 1], [1, 1, 3]] {
            let image: Vec<f32> = (0..h * w * c).map(|value| value as f32).collect();
            let mut mirrored = image.clone();
            flip(&mut mirrored, [h, w, c]);
            for (y, x, k) in (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..c).map(move |k| (y, x, k)))) {
                assert_eq!(mirrored[(y * w + x) * c + k], image[(y * w + w - 1 - x) * c + k]);
            }
        }
    }
}
