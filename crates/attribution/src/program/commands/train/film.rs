//! A film strip of Grad-CAM maps from the course of a training.

use std::fs;
use std::path::PathBuf;

use attribution::Photo;
use attribution::methods::GradCam;
use attribution::render::save_png;
use image::{Rgb, RgbImage, imageops};
use ndarray::Array3;
use nn::Model;
use nn::data::{Dataset, LabelledImages, Truth};

use crate::program::files::picture::Picture;
use crate::program::terminal::Failure;

/// Pixels between two pictures.
const GAP: u32 = 4;

/// Grad-CAM maps of a few pictures for their true classes, labels or values, with a column for each time.
pub(crate) struct Film {
    /// The pixels `[H, W, C]` and the class of each picture.
    pictures: Vec<(Array3<u8>, usize)>,
    /// The folder of the columns and the strip.
    folder: PathBuf,
    every: usize,
}

impl Film {
    /// Selects the first picture of each class, with each label, or for each value, but at most `most` pictures. A column is
    /// added every `every` epochs. No picture is selected if the truths are masks.
    pub(crate) fn new(images: &dyn Dataset, most: usize, folder: PathBuf, every: usize) -> Result<Self, Failure> {
        let shape = images.image_shape();
        let firsts = (0..images.class_names().len()).filter_map(|class| {
            let index = (0..images.len()).find(|&index| match images.truth(index) {
                Ok(Truth::Class(label)) => label == class,
                Ok(Truth::Labels(row)) => row[class] >= 0.5,
                Ok(Truth::Values(_)) => true,
                Ok(Truth::Mask(_)) | Err(_) => false,
            })?;
            Some((index, class))
        });
        let read = |(index, class)| {
            let mut pixels = vec![0; shape.iter().product()];
            images.read(index, &mut pixels)?;
            Ok::<_, Failure>((Array3::from_shape_vec(shape, pixels)?, class))
        };
        let pictures = firsts.take(most).map(read).collect::<Result<_, _>>()?;
        Ok(Self { pictures, folder, every })
    }

    /// Adds a column after this epoch (from 1) if one is due, and redraws the strip: the pictures, then all columns up
    /// to this epoch, including those from before a resume.
    pub(crate) fn add(&self, epoch: usize, model: &Model) -> Result<(), Failure> {
        if self.every == 0 || self.pictures.is_empty() || !epoch.is_multiple_of(self.every) {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let mut maps = Vec::new();
        for (pixels, class) in &self.pictures {
            let picture = Picture::from_pixels(pixels.view(), model)?;
            let pass = picture.observe(model)?;
            let map = pass.why(*class).explain(&GradCam)?;
            maps.push(picture.draw(&map, map.scale()));
        }
        save_png(self.file(epoch), &stacked(&maps, true))?;
        let columns: Vec<RgbImage> =
            self.columns(epoch, model, usize::MAX)?.into_iter().map(|(_, column)| column).collect();
        Ok(save_png(self.folder.join("film.png"), &stacked(&columns, false))?)
    }

    /// The pictures, then about `most` of the columns up to this epoch, each with a name. The last column is always
    /// included.
    pub(crate) fn columns(&self, last: usize, model: &Model, most: usize) -> Result<Vec<(String, RgbImage)>, Failure> {
        if self.every == 0 || self.pictures.is_empty() {
            return Ok(Vec::new());
        }
        let shown = |(pixels, _): &(Array3<u8>, usize)| Ok(Picture::from_pixels(pixels.view(), model)?.shown());
        let shown = self.pictures.iter().map(shown).collect::<Result<Vec<_>, Failure>>()?;
        let mut columns = vec![("pictures".to_string(), stacked(&shown, true))];
        let epochs = (self.every..=last).step_by(self.every).filter(|&epoch| self.file(epoch).exists());
        let epochs: Vec<usize> = epochs.collect();
        let step = epochs.len().div_ceil(most).max(1);
        for &epoch in epochs.iter().skip(epochs.len().saturating_sub(1) % step).step_by(step) {
            columns.push((format!("epoch {epoch}"), Photo::open(self.file(epoch))?.to_rgb()));
        }
        Ok(columns)
    }

    fn file(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("epoch-{epoch:04}.png"))
    }

    /// The pictures as a data set.
    pub(crate) fn images(&self, class_names: &[String]) -> Result<LabelledImages, Failure> {
        let pixels: Vec<u8> = self.pictures.iter().flat_map(|(pixels, _)| pixels.iter().copied()).collect();
        let (height, width, channels) = self.pictures.first().map_or((1, 1, 1), |(pixels, _)| pixels.dim());
        let labels = self.pictures.iter().map(|&(_, class)| class).collect();
        let shape = [self.pictures.len(), height, width, channels];
        Ok(LabelledImages::new(pixels, shape, labels, class_names.to_vec())?)
    }
}

/// The pictures in a column (`below`) or a row, on white.
fn stacked(pictures: &[RgbImage], below: bool) -> RgbImage {
    let extent = |of: fn(&RgbImage) -> u32, along: bool| match along {
        true => pictures.iter().map(|picture| of(picture) + GAP).sum::<u32>().saturating_sub(GAP),
        false => pictures.iter().map(of).max().unwrap_or(0),
    };
    let (width, height) = (extent(RgbImage::width, !below), extent(RgbImage::height, below));
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let mut at = 0;
    for picture in pictures {
        let (x, y) = if below { (0, at) } else { (at, 0) };
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
        at += GAP + if below { picture.height() } else { picture.width() };
    }
    sheet
}
