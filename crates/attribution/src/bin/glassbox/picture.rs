//! Pictures on their way in: what the network gets, and what is shown of them.

use std::path::Path;

use attribution::framing::Framing;
use attribution::npy::read_npy;
use attribution::render::{enlarge, outline};
use attribution::{ExplainError, Explainer, Observable, Pass, Photo};
use image::RgbImage;
use ndarray::{Array3, ArrayView3};
use nn::Model;
use nn::data::{Crop, Rect};
use tensor::Tensor;

use crate::Failure;

/// Longer sides are reduced to this for display.
const SHOWN: usize = 480;

/// A picture that fits the network.
pub(crate) struct Picture {
    /// `[1, H, W, C]`, normalised.
    pub(crate) input: Tensor<f32>,
    /// To draw on: small pictures enlarged, large ones reduced.
    pub(crate) shown: RgbImage,
    /// How the input lies on the picture, in pixels before it was enlarged.
    pub(crate) framing: Framing,
    /// Whether it came as numbers, not as a picture.
    pub(crate) is_array: bool,
}

impl Picture {
    /// Opens a picture, or an `.npy` array that is already preprocessed.
    ///
    /// # Errors
    /// Names the file, and says why it can't become an input of this network.
    pub(crate) fn open(path: &Path, model: &Model) -> Result<Self, Failure> {
        let array = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"));
        if array { Self::from_array(path, model) } else { Self::from_photo(&Photo::open(path)?, model, path) }
    }

    /// The pixels `[H, W, C]` of an embedded image.
    pub(crate) fn from_pixels(pixels: ArrayView3<u8>, model: &Model) -> Result<Self, Failure> {
        Self::from_photo(&Photo::from_pixels(pixels), model, Path::new("embedded image"))
    }

    fn from_photo(photo: &Photo, model: &Model, path: &Path) -> Result<Self, Failure> {
        let input = photo.input_of(model).map_err(|error| match error {
            ExplainError::NoNormalization => {
                format!("{}: {error}, or say with --mean and --std what becomes of pixels", path.display())
            }
            error => format!("{}: {error}", path.display()),
        })?;
        let (height, width) = (photo.height(), photo.width());
        let longer = height.max(width);
        let reduced = |side: usize| (side * SHOWN / longer).max(1);
        let shown =
            if longer > SHOWN { photo.fit(reduced(height), reduced(width), Crop::Squeezed) } else { photo.clone() };
        let [input_height, input_width, _] = model.input_shape();
        let framing = Framing::new((shown.height(), shown.width()), (input_height, input_width), model.info().crop);
        Ok(Self { input, shown: enlarge(&shown.to_rgb()), framing, is_array: false })
    }

    fn from_array(path: &Path, model: &Model) -> Result<Self, Failure> {
        let array = read_npy(path)?;
        let (found, expected) = (<[usize; 3]>::from(array.dim()), model.input_shape());
        if found != expected {
            return Err(format!("{}: expected an array {expected:?}, found {found:?}", path.display()).into());
        }
        let [height, width, channels] = expected;
        let shown = enlarge(&Photo::from_pixels(pixels(&array, model).view()).to_rgb());
        let framing = Framing::new((height, width), (height, width), Crop::Largest);
        let input = Tensor::new([1, height, width, channels], array.into_iter().collect());
        Ok(Self { input, shown, framing, is_array: true })
    }

    /// A drawing of the whole input with a box on it, given in the input's pixels.
    pub(crate) fn outlined(&self, mut panel: RgbImage, truth: &Rect) -> RgbImage {
        let factor = panel.width() / self.framing.input.1 as u32;
        outline(&mut panel, truth, factor);
        panel
    }

    /// The forward pass.
    pub(crate) fn observe<'m>(&self, model: &'m Model) -> Result<Pass<'m>, ExplainError> {
        Explainer::new(model).observe(&self.input)
    }
}

/// A preprocessed array as pixels `[H, W, 1]` or `[H, W, 3]`: the normalization undone, or without one stretched from the
/// least value to the greatest. Other numbers of channels show their mean, stretched likewise.
fn pixels(array: &Array3<f32>, model: &Model) -> Array3<u8> {
    let (height, width, channels) = array.dim();
    if let Some(normalization) = model.info().normalization.as_ref().filter(|_| matches!(channels, 1 | 3)) {
        let values: Vec<f32> = array.iter().copied().collect();
        return Array3::from_shape_vec(array.dim(), normalization.undo(&values)).expect("a byte for each value");
    }
    let finite = array.iter().copied().filter(|v| v.is_finite());
    let (least, most) = finite.fold((f32::MAX, f32::MIN), |(least, most), v| (least.min(v), most.max(v)));
    let extent = if most > least { most - least } else { 1.0 };
    // What is no number becomes 0.
    let byte = |value: f32| ((value - least) / extent * 255.0).round() as u8;
    match channels {
        1 | 3 => array.mapv(byte),
        _ => Array3::from_shape_fn((height, width, 1), |(y, x, _)| {
            byte((0..channels).map(|c| array[[y, x, c]]).sum::<f32>() / channels as f32)
        }),
    }
}
