//! Random augmentation of training images.
//!
//! The draws for an image depend only on the seed, the epoch and the image's index.

mod affine;
mod colour;
mod crop;
mod cutout;
mod flip;
mod mixup;
mod motion;
mod shift;

use std::ops::RangeInclusive;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub(super) use mixup::{mix, mixing_share};
use motion::Motion;

use super::DataError;

/// The settings of the augmentation, which draws its changes for each image and epoch and applies them in this order. The default
/// changes nothing; a setting of 0 turns off its change.
///
/// ```
/// # use nn::data::Augmentation;
/// let augmentation = Augmentation { flip: true, shift: 4, ..Augmentation::default() };
/// augmentation.check([32, 32, 3])?;
/// # Ok::<(), nn::data::DataError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Largest share of the area that is cropped away. The rest is resized to the whole image, with a slightly changed aspect
    /// ratio. 0.92 is the usual random resized crop of photographs, to between 0.08 and 1 of the area.
    pub crop: f64,
    /// Largest rotation about the centre in either direction, in degrees. Uncovered corners are black.
    pub rotation: f64,
    /// Largest change of scale about the centre: 0.2 for factors from 1/1.2 to 1.2. Uncovered borders are black.
    pub scale: f64,
    /// Largest shift in each direction, in pixels: the image is padded with this many black pixels, then cropped at random to its
    /// original size.
    pub shift: usize,
    /// Whether to flip half of the images horizontally.
    pub flip: bool,
    /// Largest change of brightness: 0.2 for factors from 0.8 to 1.2.
    pub brightness: f64,
    /// Largest change of contrast: 0.2 for factors from 0.8 to 1.2 of the difference to the image's mean grey.
    pub contrast: f64,
    /// Largest change of saturation: 0.2 for factors from 0.8 to 1.2 of the difference to each pixel's grey.
    pub saturation: f64,
    /// Side in pixels of a square that is filled with the mean colour. Its centre is anywhere in the image (T. DeVries, G. Taylor,
    /// *Improved Regularization of Convolutional Neural Networks with Cutout*, 2017).
    pub cutout: usize,
    /// α of mixup: an image and its label are mixed with those of another image, with weights λ and 1 − λ, λ ~ Beta(α, α) (H.
    /// Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*, 2018).
    pub mixup: f64,
}

impl Augmentation {
    /// Checks the ranges of the settings for images `[H, W, C]`.
    ///
    /// # Errors
    /// If a setting is outside its range; the error names it.
    pub fn check(&self, [h, w, _]: [usize; 3]) -> Result<(), DataError> {
        let side = h.min(w) as f64;
        let ranges: [(&'static str, f64, RangeInclusive<f64>); 9] = [
            ("crop", self.crop, 0.0..=1.0),
            ("rotation", self.rotation, 0.0..=180.0),
            ("scale", self.scale, 0.0..=10.0),
            ("shift", self.shift as f64, 0.0..=side - 1.0),
            ("brightness", self.brightness, 0.0..=1.0),
            ("contrast", self.contrast, 0.0..=1.0),
            ("saturation", self.saturation, 0.0..=1.0),
            ("cutout", self.cutout as f64, 0.0..=side),
            ("mixup", self.mixup, 0.0..=100.0),
        ];
        match ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((field, found, range)) => Err(DataError::Augmentation { field, found, range }),
            None => Ok(()),
        }
    }

    /// Draws how an image `[H, W, C]` is moved. These draws are an image's first.
    fn motion(&self, rng: &mut ChaCha8Rng, [h, w, _]: [usize; 3]) -> Motion {
        let mut motion = Motion::default();
        if self.crop > 0.0 {
            motion.part = Some(crop::part(rng, [h, w], 1.0 - self.crop));
        }
        if self.rotation > 0.0 || self.scale > 0.0 {
            let angle = symmetric(rng, self.rotation).to_radians();
            motion.turn = Some((angle, symmetric(rng, (1.0 + self.scale).ln()).exp()));
        }
        if self.shift > 0 {
            let most = self.shift as i64;
            motion.by = Some([0; 2].map(|_| rng.random_range(-most..=most) as isize));
        }
        motion.flip = self.flip && rng.random();
        motion
    }

    /// Moves a mask `[H, W]` as [`apply`](Self::apply) moves its image with the same draws.
    pub(super) fn apply_to_mask(&self, rng: &mut ChaCha8Rng, mask: &mut [f32], [h, w]: [usize; 2]) {
        self.motion(rng, [h, w, 1]).move_mask(mask, [h, w]);
    }

    /// Augments an image `[H, W, C]` with values from 0 to 255. `mean` is the colour of cutout; `scratch` is a buffer that grows to
    /// the size of the image.
    pub(super) fn apply(
        &self,
        rng: &mut ChaCha8Rng,
        image: &mut [f32],
        shape: [usize; 3],
        mean: &[f32],
        scratch: &mut Vec<f32>,
    ) {
        self.motion(rng, shape).move_image(image, shape, scratch);
        if self.brightness > 0.0 {
            colour::brightness(image, factor(rng, self.brightness));
        }
        if self.contrast > 0.0 {
            colour::contrast(image, shape[2], factor(rng, self.contrast));
        }
        if self.saturation > 0.0 {
            colour::saturation(image, shape[2], factor(rng, self.saturation));
        }
        if self.cutout > 0 {
            let centre = [rng.random_range(0..shape[0]), rng.random_range(0..shape[1])];
            cutout::cutout(image, shape, centre, self.cutout, mean);
        }
    }
}

/// Uniform in [−most, most].
fn symmetric(rng: &mut ChaCha8Rng, most: f64) -> f64 {
    rng.random_range(-most..=most)
}

/// Uniform in [1 − most, 1 + most].
fn factor(rng: &mut ChaCha8Rng, most: f64) -> f32 {
    (1.0 + symmetric(rng, most)) as f32
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn all() -> Augmentation {
        Augmentation {
            crop: 0.5,
            rotation: 15.0,
            scale: 0.2,
            shift: 2,
            flip: true,
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            cutout: 3,
            mixup: 0.0,
        }
    }

    fn applied(augmentation: &Augmentation, seed: u64) -> Vec<f32> {
        let mut image: Vec<f32> = (0..8 * 9 * 3).map(|value| value as f32).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        augmentation.apply(&mut rng, &mut image, [8, 9, 3], &[1.0, 2.0, 3.0], &mut Vec::new());
        image
    }

    #[test]
    fn the_default_changes_nothing_and_each_field_something() {
        let plain = applied(&Augmentation::default(), 0);
        assert!(plain.iter().enumerate().all(|(at, &value)| value == at as f32));
        let default = Augmentation::default;
        for (name, one) in [
            ("crop", Augmentation { crop: 0.5, ..default() }),
            ("rotation", Augmentation { rotation: 15.0, ..default() }),
            ("scale", Augmentation { scale: 0.2, ..default() }),
            ("shift", Augmentation { shift: 2, ..default() }),
            ("flip", Augmentation { flip: true, ..default() }),
            ("brightness", Augmentation { brightness: 0.2, ..default() }),
            ("contrast", Augmentation { contrast: 0.2, ..default() }),
            ("saturation", Augmentation { saturation: 0.2, ..default() }),
            ("cutout", Augmentation { cutout: 3, ..default() }),
        ] {
            assert!((0..20).any(|seed| applied(&one, seed) != plain), "{name}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_image() {
        assert_eq!(applied(&all(), 1), applied(&all(), 1));
        assert_ne!(applied(&all(), 1), applied(&all(), 2));
        // Values stay from 0 to 255.
        assert!((0..50).all(|seed| applied(&all(), seed).iter().all(|value| (0.0..=255.0).contains(value))));
    }

    #[test]
    fn settings_outside_their_range_are_named() {
        all().check([8, 9, 3]).unwrap();
        let refused = |augmentation: Augmentation| augmentation.check([8, 9, 3]).unwrap_err().to_string();
        let message = refused(Augmentation { shift: 8, ..all() });
        assert_eq!(message, "expected an augmentation with shift from 0 to 7, found 8");
        assert!(refused(Augmentation { contrast: f64::NAN, ..all() }).contains("contrast from 0 to 1, found NaN"));
        assert!(refused(Augmentation { mixup: -0.1, ..all() }).contains("mixup"));
        let error = serde_json::from_str::<Augmentation>(r#"{"filp":true}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `filp`"), "{error}");
        let read: Augmentation = serde_json::from_str(r#"{"flip":true,"shift":4}"#).unwrap();
        assert_eq!(read, Augmentation { flip: true, shift: 4, ..Augmentation::default() });
    }
}
