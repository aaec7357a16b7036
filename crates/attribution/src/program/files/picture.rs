//! Pictures as the input of a network, and for display.

use std::path::Path;

use attribution::map::Framing;
use attribution::npy::read_npy;
use attribution::pass::Input;
use attribution::render::{enlarge, enlargement, outline};
use attribution::{ExplainError, Map, Pass, Photo};
use image::RgbImage;
use ndarray::{Array2, Array3, ArrayView3, Axis};
use nn::Model;
use nn::data::{Crop, Rect};
use tensor::Tensor;

use super::Failure;

/// Limit on a picture's longer side for display; larger pictures are reduced.
const SHOWN: usize = 480;

/// A picture prepared for a network.
pub(crate) struct Picture {
    /// `[1, H, W, C]`, normalised.
    pub(crate) input: Tensor<f32>,
    /// How the input lies on the picture's file.
    of_file: Framing,
    /// The picture for display, reduced if it is large.
    pub(crate) display: RgbImage,
    /// How the input lies on the picture for display.
    pub(crate) framing: Framing,
    /// Whether it was read from an array, not from a picture.
    pub(crate) is_array: bool,
}

impl Picture {
    /// Opens a picture, or a preprocessed `.npy` array.
    ///
    /// # Errors
    /// If the file can't become an input of this network. The error names the file.
    pub(crate) fn open(path: &Path, model: &Model) -> Result<Self, Failure> {
        if is_array(path) { Self::from_array(path, model) } else { Self::from_photo(&Photo::open(path)?, model, path) }
    }

    /// The pixels `[H, W, C]` of an embedded image.
    pub(crate) fn from_pixels(pixels: ArrayView3<u8>, model: &Model) -> Result<Self, Failure> {
        Self::from_photo(&Photo::from_pixels(pixels), model, Path::new("embedded image"))
    }

    /// A photograph; errors name it `path`.
    pub(crate) fn from_photo(photo: &Photo, model: &Model, path: &Path) -> Result<Self, Failure> {
        let input = photo.input_of(model).map_err(|error| match error {
            ExplainError::NoNormalization => {
                format!("{}: {error}, or set --mean and --std", path.display())
            }
            error => format!("{}: {error}", path.display()),
        })?;
        let (height, width) = (photo.height(), photo.width());
        let longer = height.max(width);
        let reduced = |side: usize| (side * SHOWN / longer).max(1);
        let display =
            if longer > SHOWN { photo.fit(reduced(height), reduced(width), Crop::Squeezed) } else { photo.clone() };
        let [input_height, input_width, _] = model.input_shape();
        let framing = Framing::new((display.height(), display.width()), (input_height, input_width), model.info().crop);
        let of_file = Framing::new((height, width), (input_height, input_width), model.info().crop);
        Ok(Self { input, of_file, display: display.to_rgb(), framing, is_array: false })
    }

    fn from_array(path: &Path, model: &Model) -> Result<Self, Failure> {
        let array = read_npy(path)?;
        let (found, expected) = (<[usize; 3]>::from(array.dim()), model.input_shape());
        if found != expected {
            return Err(format!("{}: expected an array {expected:?}, found {found:?}", path.display()).into());
        }
        let [height, width, channels] = expected;
        let display = Photo::from_pixels(pixels(&array, model).view()).to_rgb();
        let framing = Framing::new((height, width), (height, width), Crop::Largest);
        let input = Tensor::new([1, height, width, channels], array.into_iter().collect());
        Ok(Self { input, of_file: framing, display, framing, is_array: true })
    }

    /// A box in pixels of the picture's file, on the input.
    ///
    /// # Errors
    /// If it lies outside the part of the picture that became the input.
    pub(crate) fn on_input(&self, area: &Rect) -> Result<Rect, Failure> {
        let edges = [area.left, area.top, area.right(), area.bottom()].map(|edge| edge as f64);
        self.of_file.box_on_input(edges).ok_or_else(|| {
            let Rect { top, left, height, width } = area;
            format!("the box {top},{left},{height},{width} lies outside what the network sees of the picture").into()
        })
    }

    /// The pixels of the input, `[H, W]`, at which a mask of the picture's size isn't black.
    ///
    /// # Errors
    /// If the mask can't be read or has another size. The error names its file.
    pub(crate) fn mask_on_input(&self, file: &Path) -> Result<Array2<bool>, Failure> {
        let mask = Photo::open(file)?;
        if (mask.height(), mask.width()) != self.of_file.picture {
            let ((height, width), (rows, columns)) = (self.of_file.picture, (mask.height(), mask.width()));
            return Err(format!(
                "{}: expected a mask of the picture's size, {height} × {width} pixels, found {rows} × {columns}",
                file.display()
            )
            .into());
        }
        let at = |axis: usize, pixel: usize| self.of_file.to_picture(axis, pixel as f64 + 0.5) as usize;
        Ok(Array2::from_shape_fn(self.of_file.input, |(row, column)| {
            let pixel = mask.pixels().index_axis_move(Axis(0), at(0, row)).index_axis_move(Axis(0), at(1, column));
            pixel.iter().any(|&value| value > 0)
        }))
    }

    /// The network's input, as a picture of its size.
    pub(crate) fn seen(&self, model: &Model) -> RgbImage {
        let [_, height, width, channels] = self.input.shape()[..] else { unreachable!("one image") };
        let values = self.input.as_slice().to_vec();
        let array = Array3::from_shape_vec((height, width, channels), values).expect("one image");
        Photo::from_pixels(pixels(&array, model).view()).to_rgb()
    }

    /// The picture, enlarged if it is small.
    pub(crate) fn shown(&self) -> RgbImage {
        enlarge(&self.display)
    }

    /// Whether it is so small that each pixel is drawn as a square.
    pub(crate) fn is_enlarged(&self) -> bool {
        enlargement(self.display.width(), self.display.height()) > 1
    }

    /// The map over the picture, enlarged if it is small; `scale` is the value with the full colour.
    pub(crate) fn draw(&self, map: &Map, scale: f32) -> RgbImage {
        map.draw(self.shown(), &self.framing, scale)
    }

    /// Draws a box, in pixels of the input, on a drawing of the whole input.
    pub(crate) fn outlined(&self, mut panel: RgbImage, truth: &Rect) -> RgbImage {
        let factor = panel.width() / self.framing.input.1 as u32;
        outline(&mut panel, truth, factor);
        panel
    }

    /// The left, top, right and bottom edges, in pixels of the picture's file, of a box in pixels of the input.
    pub(crate) fn edges(&self, found: &Rect) -> [f64; 4] {
        edges(&self.of_file, found)
    }

    /// Draws a box, in pixels of the input, on a drawing of the whole picture.
    pub(crate) fn boxed(&self, mut panel: RgbImage, found: &Rect) -> RgbImage {
        let [left, top, right, bottom] = edges(&self.framing, found).map(|edge| edge.round() as usize);
        let factor = panel.width() / self.display.width();
        outline(&mut panel, &Rect { top, left, height: bottom - top, width: right - left }, factor);
        panel
    }

    /// Runs the forward pass.
    pub(crate) fn observe<'m>(&self, model: &'m Model) -> Result<Pass<'m>, ExplainError> {
        Pass::new(model, &self.input)
    }
}

/// The left, top, right and bottom edges, in pixels of a picture, of a box in pixels of its input.
fn edges(framing: &Framing, found: &Rect) -> [f64; 4] {
    let at = |axis: usize, edge: usize| framing.to_picture(axis, edge as f64);
    [at(1, found.left), at(0, found.top), at(1, found.right()), at(0, found.bottom())]
}

/// Height and width of a picture, or of a preprocessed `.npy` array.
///
/// # Errors
/// If the file can't be read. The error names it.
pub(crate) fn size_of(path: &Path) -> Result<[usize; 2], Failure> {
    if is_array(path) {
        let (height, width, _) = read_npy(path)?.dim();
        return Ok([height, width]);
    }
    let photo = Photo::open(path)?;
    Ok([photo.height(), photo.width()])
}

fn is_array(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// A preprocessed array as pixels `[H, W, 1]` or `[H, W, 3]`. The normalization is undone; without one, the range from
/// the least value to the greatest is stretched to that of a byte. For other numbers of channels, the mean of the
/// channels is stretched in the same way.
fn pixels(array: &Array3<f32>, model: &Model) -> Array3<u8> {
    let (height, width, channels) = array.dim();
    if let Some(normalization) = model.info().normalization.as_ref().filter(|_| matches!(channels, 1 | 3)) {
        let values: Vec<f32> = array.iter().copied().collect();
        return Array3::from_shape_vec(array.dim(), normalization.undo(&values)).expect("a byte for each value");
    }
    let finite = array.iter().copied().filter(|v| v.is_finite());
    let (least, most) = finite.fold((f32::MAX, f32::MIN), |(least, most), v| (least.min(v), most.max(v)));
    let extent = if most > least { most - least } else { 1.0 };
    // The cast turns NaN into 0.
    let byte = |value: f32| ((value - least) / extent * 255.0).round() as u8;
    match channels {
        1 | 3 => array.mapv(byte),
        _ => Array3::from_shape_fn((height, width, 1), |(y, x, _)| {
            byte((0..channels).map(|c| array[[y, x, c]]).sum::<f32>() / channels as f32)
        }),
    }
}
