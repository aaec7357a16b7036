//! Brightness, contrast and saturation, as in PIL's `ImageEnhance`: a blend of the image with black, with its mean grey, or with
//! its grey version.

/// The luma of ITU-R BT.601, or the value of a grey pixel.
fn grey(pixel: &[f32]) -> f32 {
    match *pixel {
        [r, g, b] => 0.299 * r + 0.587 * g + 0.114 * b,
        _ => pixel[0],
    }
}

/// `factor`·`value` + (1 − `factor`)·`with`, clamped to the range of bytes.
fn blend(value: f32, with: f32, factor: f32) -> f32 {
    (factor * value + (1.0 - factor) * with).clamp(0.0, 255.0)
}

/// Blends the image with black.
pub(super) fn brightness(image: &mut [f32], factor: f32) {
    image.iter_mut().for_each(|value| *value = blend(*value, 0.0, factor));
}

/// Blends the image `[…, C]` with its mean grey.
pub(super) fn contrast(image: &mut [f32], channels: usize, factor: f32) {
    let pixels = image.chunks_exact(channels);
    let count = pixels.len() as f64;
    let mean = (pixels.map(|pixel| f64::from(grey(pixel))).sum::<f64>() / count) as f32;
    image.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
}

/// Blends each pixel of the image `[…, C]` with its grey; a grey image isn't changed.
pub(super) fn saturation(image: &mut [f32], channels: usize, factor: f32) {
    if channels == 3 {
        for pixel in image.chunks_exact_mut(3) {
            let grey = grey(pixel);
            pixel.iter_mut().for_each(|value| *value = blend(*value, grey, factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIXELS: [f32; 6] = [200.0, 100.0, 50.0, 0.0, 20.0, 255.0];

    fn changed(change: impl FnOnce(&mut [f32])) -> [f32; 6] {
        let mut image = PIXELS;
        change(&mut image);
        image
    }

    /// Greys 124.2 and 40.81; their mean 82.505.
    #[test]
    fn values_computed_by_hand() {
        let expected = [100.0, 50.0, 25.0, 0.0, 10.0, 127.5];
        assert_eq!(changed(|image| brightness(image, 0.5)), expected);
        let expected = [141.2525, 91.2525, 66.2525, 41.2525, 51.2525, 168.7525];
        let found = changed(|image| contrast(image, 3, 0.5));
        approx::assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-4);
        let expected = [162.1, 112.1, 87.1, 20.405, 30.405, 147.905];
        let found = changed(|image| saturation(image, 3, 0.5));
        approx::assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-4);
    }

    #[test]
    fn values_are_clamped_and_a_factor_of_one_changes_nothing() {
        assert_eq!(changed(|image| brightness(image, 2.0))[0], 255.0);
        assert_eq!(changed(|image| contrast(image, 3, 2.0))[3], 0.0);
        let same = changed(|image| {
            brightness(image, 1.0);
            contrast(image, 3, 1.0);
            saturation(image, 3, 1.0);
            saturation(image, 1, 0.0);
        });
        assert_eq!(same, PIXELS);
    }
}
