//! The random resized crop: a part of the image is resized to the size of the image (C. Szegedy et al., *Going Deeper with
//! Convolutions*, 2015, §6).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::data::Rect;
use crate::layers::Interpolation;
use crate::layers::resize::gather;

/// The largest aspect ratio of a part, width over height; the smallest is its inverse.
const LARGEST_RATIO: f64 = 4.0 / 3.0;
/// Number of draws of a part, until one fits into the image.
const DRAWS: usize = 10;

/// Draws a part of an image `[h, w]`: its share of the area uniformly from [`least`, 1], the logarithm of its aspect ratio
/// uniformly between those of 3:4 and 4:3, and its position uniformly. If ten such parts don't fit, it is the whole image.
pub(super) fn part(rng: &mut ChaCha8Rng, [h, w]: [usize; 2], least: f64) -> Rect {
    for _ in 0..DRAWS {
        let area = (h * w) as f64 * rng.random_range(least..=1.0);
        let ratio = super::symmetric(rng, LARGEST_RATIO.ln()).exp();
        let [height, width] = [area / ratio, area * ratio].map(|square| square.sqrt().round().max(1.0) as usize);
        if height <= h && width <= w {
            let [top, left] = [h - height, w - width].map(|room| rng.random_range(0..=room as u64) as usize);
            return Rect { top, left, height, width };
        }
    }
    Rect { top: 0, left: 0, height: h, width: w }
}

/// Resizes a part of `from` bilinearly to `to`; both are `[H, W, C]`.
pub(super) fn crop(from: &[f32], to: &mut [f32], [h, w, c]: [usize; 3], part: Rect) {
    let taps = |from, to| Interpolation::Bilinear { align_corners: false }.taps::<f32>(from, to);
    let (rows, columns) = (taps(part.height, h), taps(part.width, w));
    let mut wide = vec![0.0; part.height * w * c];
    for (y, wide) in (part.top..).zip(wide.chunks_exact_mut(w * c)) {
        gather(&columns, c, &from[(y * w + part.left) * c..], wide);
    }
    gather(&rows, w * c, &wide, to);
}

/// Resizes a part of a mask `[H, W]` to `to`. Each pixel gets the class at its centre's place in the part.
pub(super) fn crop_nearest(from: &[f32], to: &mut [f32], [h, w]: [usize; 2], part: Rect) {
    // The pixel that (i + ½)·part/whole lies in.
    let place = |i: usize, part: usize, whole: usize| (2 * i + 1) * part / (2 * whole);
    for (i, value) in to.iter_mut().enumerate() {
        let (y, x) = (place(i / w, part.height, h), place(i % w, part.width, w));
        *value = from[(part.top + y) * w + part.left + x];
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use tensor::{Tape, Tensor};

    use super::*;
    use crate::layers::{Apply, Resize};

    /// The result is that of cutting out the part and `resize`.
    #[test]
    fn a_part_is_cut_out_and_resized() {
        let [h, w, c] = [7, 9, 2];
        let image: Vec<f32> = (0..h * w * c).map(|value| (value * value % 97) as f32).collect();
        for [top, left, height, width] in [[0, 0, 7, 9], [2, 3, 4, 5], [6, 8, 1, 1], [0, 4, 7, 2]] {
            let pixels = (top..top + height).flat_map(|y| image[(y * w + left) * c..][..width * c].iter().copied());
            let cut = Tape::new().leaf(Tensor::new([1, height, width, c], pixels.collect::<Vec<_>>()));
            let expected =
                cut.apply(Resize { size: [h, w], interpolation: Interpolation::Bilinear { align_corners: false } });
            let mut found = vec![9.0; image.len()];
            crop(&image, &mut found, [h, w, c], Rect { top, left, height, width });
            assert_eq!(found, expected.value().as_slice());
        }
    }

    /// Shares of the area and aspect ratios span their ranges; positions reach every edge.
    #[test]
    fn parts_are_inside_the_image_and_of_every_size() {
        let (mut rng, [h, w]) = (ChaCha8Rng::seed_from_u64(1), [60, 80]);
        let parts: Vec<Rect> = (0..4000).map(|_| part(&mut rng, [h, w], 0.25)).collect();
        assert!(parts.iter().all(|part| part.area() > 0 && part.bottom() <= h && part.right() <= w));
        let shares = || parts.iter().map(|part| part.area() as f64 / (h * w) as f64);
        let [least, most] = [shares().reduce(f64::min).unwrap(), shares().reduce(f64::max).unwrap()];
        assert!((0.24..0.26).contains(&least) && (0.97..=1.0).contains(&most), "{least} {most}");
        let ratios = || parts.iter().map(|part| part.width as f64 / part.height as f64);
        assert!(ratios().all(|ratio| (0.73..1.37).contains(&ratio)));
        assert!(ratios().any(|ratio| ratio < 0.78) && ratios().any(|ratio| ratio > 1.3));
        assert!(parts.iter().any(|part| part.top == 0) && parts.iter().any(|part| part.bottom() == h));
        assert!(parts.iter().any(|part| part.left == 0) && parts.iter().any(|part| part.right() == w));
        // No such part fits into a strip.
        assert_eq!(part(&mut rng, [3, 300], 1.0), Rect { top: 0, left: 0, height: 3, width: 300 });
    }
}
