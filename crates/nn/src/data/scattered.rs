//! The scattered task: an object at a random position, surrounded by clutter. Its bounding box is known.
//!
//! A classifier is trained with labels only, so it must find the object by itself. Explanations of its decisions can then be
//! scored against the box. Similar to the cluttered translated MNIST of V. Mnih, N. Heess, A. Graves, K. Kavukcuoglu, *Recurrent
//! Models of Visual Attention*, 2014, arXiv:1406.6247.

use std::ops::{Range, RangeInclusive};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{DataError, Dataset, LabelledImages, Rect, stream};

/// Number of random draws of a size and a position after which a piece of clutter is omitted.
const DRAWS: usize = 100;

/// The settings of the scattered task. The default suits images of 28×28 pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scatter {
    /// `[height, width]` of the canvas in pixels.
    pub canvas: [usize; 2],
    /// Number of pieces of clutter on each canvas.
    pub patches: usize,
    /// Range of the height and of the width of a piece of clutter in pixels.
    pub patch_sides: RangeInclusive<usize>,
    /// A pixel belongs to the object if one of its channels is above this value.
    pub threshold: u8,
    /// Seed of the random draws. Image `i` is drawn with stream `i`, so it doesn't depend on the other images or on threads.
    pub seed: u64,
}

impl Default for Scatter {
    fn default() -> Self {
        Self { canvas: [48, 48], patches: 8, patch_sides: 6..=12, threshold: 16, seed: 0 }
    }
}

/// Scattered images, and the box of the object in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scattered {
    /// The canvases, with the labels and class names of the source.
    pub images: LabelledImages,
    /// For each canvas the bounding box of the object's pixels.
    pub boxes: Vec<Rect>,
}

impl Scattered {
    /// The probability that a random pixel lies in the box: the mean of the box's area over the canvas's. 0 if there are no
    /// images.
    #[must_use]
    pub fn chance(&self) -> f64 {
        let [n, h, w, _] = self.images.shape();
        let covered: usize = self.boxes.iter().map(Rect::area).sum();
        covered as f64 / (n * h * w).max(1) as f64
    }
}

impl Scatter {
    /// Makes a canvas of each image of `source`, in the same order. The image is at a uniformly drawn position on a black
    /// background. Clutter is cut from images of other classes and doesn't overlap the object's box. Elsewhere, the brighter one
    /// of overlapping pixels is visible.
    ///
    /// A piece of clutter is omitted if 100 draws of its size and position all overlap the box.
    ///
    /// # Errors
    /// If the canvas is smaller than the images, clutter can't be cut from them (it is too large, or they are all of one class),
    /// or an image has no pixel above the threshold.
    pub fn scatter(&self, source: &LabelledImages) -> Result<Scattered, DataError> {
        let [n, h, w, c] = source.shape();
        let [canvas_h, canvas_w] = self.canvas;
        if canvas_h < h || canvas_w < w {
            return Err(DataError::Canvas { image: [h, w], canvas: self.canvas });
        }
        let clutter = if self.patches > 0 { Some(Clutter::new(source, self.patch_sides.clone())?) } else { None };
        let objects = (0..n).map(|index| {
            let (pixels, threshold) = (source.image(index).chunks_exact(c).enumerate(), self.threshold);
            let bright = pixels.filter(|(_, pixel)| pixel.iter().any(|&value| value > threshold));
            Rect::enclosing(bright.map(|(at, _)| (at / w, at % w))).ok_or(DataError::Blank { index, threshold })
        });
        let mut boxes = objects.collect::<Result<Vec<_>, _>>()?;

        let size = canvas_h * canvas_w * c;
        let mut pixels = vec![0; n * size];
        pixels.par_chunks_exact_mut(size).zip(&mut boxes).enumerate().for_each(|(index, (pixels, object))| {
            let mut rng = stream(self.seed, index as u64);
            let mut canvas = Canvas { pixels, extent: self.canvas, channels: c };
            let Rect { top, left, .. } = random_box(&mut rng, [h, w], self.canvas);
            canvas.lighten([top, left], source.image(index), w, Rect { top: 0, left: 0, height: h, width: w });
            *object = object.shifted(top, left);
            if let Some(clutter) = &clutter {
                (0..self.patches).for_each(|_| clutter.add(&mut rng, source.labels()[index], object, &mut canvas));
            }
        });
        let labels = source.labels().to_vec();
        let images = LabelledImages::new(pixels, [n, canvas_h, canvas_w, c], labels, source.class_names().to_vec())?;
        Ok(Scattered { images, boxes })
    }
}

/// The source of clutter.
struct Clutter<'a> {
    source: &'a LabelledImages,
    sides: RangeInclusive<usize>,
    /// The indices of the images, class by class.
    by_class: Vec<usize>,
    /// For each class its range in `by_class`.
    ranges: Vec<Range<usize>>,
}

impl<'a> Clutter<'a> {
    fn new(source: &'a LabelledImages, sides: RangeInclusive<usize>) -> Result<Self, DataError> {
        let [n, h, w, _] = source.shape();
        let largest = h.min(w);
        if sides.is_empty() || *sides.start() == 0 || *sides.end() > largest {
            return Err(DataError::PatchSides { largest, found: sides });
        }
        let counts = source.class_counts();
        if let Some(class) = counts.iter().position(|&count| count == n && n > 0) {
            return Err(DataError::OneClass { images: n, class: source.class_names()[class].clone() });
        }
        let mut by_class: Vec<usize> = (0..n).collect();
        by_class.sort_by_key(|&index| source.labels()[index]);
        let ends = counts.iter().scan(0, |end, count| {
            *end += count;
            Some(*end)
        });
        let ranges = ends.zip(&counts).map(|(end, count)| end - count..end).collect();
        Ok(Self { source, sides, by_class, ranges })
    }

    /// Adds a crop of an image of a class other than `label`, outside `object`.
    fn add(&self, rng: &mut ChaCha8Rng, label: usize, object: &Rect, canvas: &mut Canvas) {
        let own = &self.ranges[label];
        let other = rng.random_range(0..self.by_class.len() - own.len());
        let image = self.source.image(self.by_class[if other < own.start { other } else { other + own.len() }]);
        let [_, h, w, _] = self.source.shape();
        for _ in 0..DRAWS {
            let sides = [0; 2].map(|_| rng.random_range(self.sides.clone()));
            let target = random_box(rng, sides, canvas.extent);
            if target.intersection(object).area() == 0 {
                return canvas.lighten([target.top, target.left], image, w, random_box(rng, sides, [h, w]));
            }
        }
    }
}

/// A box of size `[height, width]` at a uniformly drawn position within an area of size `within`.
fn random_box(rng: &mut ChaCha8Rng, [height, width]: [usize; 2], within: [usize; 2]) -> Rect {
    let top = rng.random_range(0..=within[0] - height);
    let left = rng.random_range(0..=within[1] - width);
    Rect { top, left, height, width }
}

/// A picture being drawn, `[H, W, C]`.
struct Canvas<'a> {
    pixels: &'a mut [u8],
    extent: [usize; 2],
    channels: usize,
}

impl Canvas<'_> {
    /// Draws a crop of an image of this width at `[top, left]`. Each value becomes the maximum of the old and the new one.
    fn lighten(&mut self, [top, left]: [usize; 2], image: &[u8], width: usize, crop: Rect) {
        let c = self.channels;
        for row in 0..crop.height {
            let from = &image[((crop.top + row) * width + crop.left) * c..][..crop.width * c];
            let to = &mut self.pixels[((top + row) * self.extent[1] + left) * c..][..crop.width * c];
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.max(*to));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::fashion_mnist;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    /// Images filled with 100 + their class.
    fn plain(labels: &[usize], [h, w, c]: [usize; 3]) -> LabelledImages {
        let pixels = labels.iter().flat_map(|&label| vec![100 + label as u8; h * w * c]).collect();
        LabelledImages::new(pixels, [labels.len(), h, w, c], labels.to_vec(), names(5)).unwrap()
    }

    /// Whether a box is the bounding box by its definition: its outer rows and columns contain pixels above the threshold, and
    /// none are outside.
    fn is_tight(image: &[u8], width: usize, threshold: u8, found: &Rect) -> bool {
        let above = |row: usize, column: usize| image[row * width + column] > threshold;
        let rows = found.top..found.bottom();
        let columns = found.left..found.right();
        let outside = (0..image.len() / width).any(|r| (0..width).any(|c| above(r, c) && !found.contains(r, c)));
        !outside
            && [rows.start, rows.end - 1].iter().all(|&r| columns.clone().any(|c| above(r, c)))
            && [columns.start, columns.end - 1].iter().all(|&c| rows.clone().any(|r| above(r, c)))
    }

    #[test]
    fn the_box_holds_the_garment_and_nothing_else() {
        let source = fashion_mnist::test();
        let scatter = Scatter { seed: 3, ..Scatter::default() };
        let scattered = scatter.scatter(source).unwrap();
        assert_eq!(scattered.images.shape(), [1000, 48, 48, 1]);
        assert_eq!(scattered.images.labels(), source.labels());
        assert_eq!(scattered.images.class_names(), source.class_names());
        for (index, object) in scattered.boxes.iter().enumerate() {
            assert!(object.bottom() <= 48 && object.right() <= 48, "{object:?}");
            let (canvas, garment) = (scattered.images.image(index), source.image(index));
            // At some position of the garment, the box is its bounding box, and the canvas has its pixels there.
            let positions = (0..=20).flat_map(|top| (0..=20).map(move |left| (top, left)));
            let fits = positions.filter(|&(top, left)| object.top >= top && object.left >= left).any(|(top, left)| {
                let home = Rect { top: object.top - top, left: object.left - left, ..*object };
                home.bottom() <= 28
                    && home.right() <= 28
                    && is_tight(garment, 28, scatter.threshold, &home)
                    && (home.top..home.bottom()).all(|row| {
                        let columns = home.left..home.right();
                        canvas[(row + top) * 48 + left..][columns.clone()] == garment[row * 28..][columns]
                    })
            });
            assert!(fits, "image {index}, {object:?}");
        }
        assert!((scattered.chance() - 0.22).abs() < 0.005, "{}", scattered.chance());
    }

    proptest! {
        #[test]
        fn clutter_is_of_other_classes_and_beside_the_object(
            labels in prop::collection::vec(0..5usize, 2..12),
            image in (3..9usize, 3..9usize, 1..4usize),
            room in (0..9usize, 0..9usize),
            seed: u64,
        ) {
            prop_assume!(labels.iter().any(|label| *label != labels[0]));
            let (h, w, c) = image;
            let source = plain(&labels, [h, w, c]);
            let canvas = [h + room.0, w + room.1];
            let scatter = Scatter { canvas, patches: 5, patch_sides: 1..=3, threshold: 16, seed };
            let scattered = scatter.scatter(&source).unwrap();
            for (index, object) in scattered.boxes.iter().enumerate() {
                prop_assert_eq!([object.height, object.width], [h, w]);
                let own = 100 + labels[index] as u8;
                for (at, pixel) in scattered.images.image(index).chunks_exact(c).enumerate() {
                    let value = pixel[0];
                    prop_assert!(pixel.iter().all(|&v| v == value));
                    if object.contains(at / canvas[1], at % canvas[1]) {
                        prop_assert_eq!(value, own);
                    } else {
                        prop_assert!(value == 0 || labels.iter().any(|&l| 100 + l as u8 == value) && value != own);
                    }
                }
            }
        }
    }

    #[test]
    fn most_canvases_are_cluttered() {
        let scattered = Scatter::default().scatter(&plain(&[0, 1, 2, 3, 4].repeat(40), [28, 28, 1])).unwrap();
        let cluttered = (0..200).map(|i| scattered.images.image(i).iter().filter(|&&v| v > 0).count() - 28 * 28);
        // Eight pieces of 81 pixels on average, on 1520 free pixels, partly overlapping.
        let mean = cluttered.sum::<usize>() as f64 / 200.0;
        assert!((300.0..600.0).contains(&mean), "{mean}");
    }

    #[test]
    fn an_image_depends_only_on_its_seed_and_index() {
        let source = fashion_mnist::test().subset(&(0..64).collect::<Vec<_>>());
        let scatter = |seed| Scatter { seed, ..Scatter::default() }.scatter(&source).unwrap();
        let with_threads =
            |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| scatter(5));
        assert_eq!(with_threads(1), with_threads(3));
        assert_ne!(scatter(5), scatter(6));
        // The first images of a longer set are those of a shorter one.
        let shorter = Scatter { seed: 5, ..Scatter::default() }.scatter(&source.subset(&(0..9).collect::<Vec<_>>()));
        assert_eq!(shorter.unwrap().boxes, scatter(5).boxes[..9]);
    }

    /// The draws for a seed must not change with the platform or the version of a dependency.
    #[test]
    fn the_draws_are_pinned() {
        let scattered = Scatter::default().scatter(&fashion_mnist::test().subset(&[0, 1, 2])).unwrap();
        let sums: Vec<u64> = (0..3).map(|i| scattered.images.image(i).iter().map(|&v| u64::from(v)).sum()).collect();
        let expected = [[20, 14, 15, 28], [16, 19, 28, 21], [1, 15, 28, 11]];
        assert_eq!(scattered.boxes, expected.map(|[top, left, height, width]| Rect { top, left, height, width }));
        assert_eq!(sums, [129_036, 137_611, 117_077]);
    }

    #[test]
    fn without_patches_only_the_object_is_drawn() {
        let scatter = Scatter { patches: 0, ..Scatter::default() };
        let scattered = scatter.scatter(&plain(&[1, 1], [28, 28, 3])).unwrap();
        for index in 0..2 {
            assert_eq!(scattered.images.image(index).iter().filter(|&&value| value > 0).count(), 28 * 28 * 3);
        }
        assert_eq!(scattered.chance(), (28.0 * 28.0) / (48.0 * 48.0));
    }

    #[test]
    fn invalid_settings_are_refused() {
        let source = plain(&[0, 1], [8, 9, 1]);
        let good = Scatter { patch_sides: 2..=8, ..Scatter::default() };
        let message = |scatter: &Scatter, source: &LabelledImages| scatter.scatter(source).unwrap_err().to_string();
        assert!(good.scatter(&source).is_ok());
        assert_eq!(
            message(&Scatter { canvas: [8, 8], ..good.clone() }, &source),
            "expected a canvas of at least [8, 9] (height, width), found [8, 8]"
        );
        for sides in [2..=9, 0..=3, RangeInclusive::new(4, 3)] {
            let text = format!("expected sides of clutter from 1 to 8, the image's smaller side; found {sides:?}");
            assert_eq!(message(&Scatter { patch_sides: sides, ..good.clone() }, &source), text);
        }
        assert!(message(&good, &plain(&[1, 1], [8, 9, 1])).contains("all 2 images are of class \"1\""));
        assert_eq!(
            message(&Scatter { threshold: 100, ..good }, &source),
            "expected a pixel above 100 in each image, found none in image 0"
        );
    }
}
