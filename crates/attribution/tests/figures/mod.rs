//! The book's figures, drawn from what the library computes.
//!
//! A figure is a function of the module of its chapter, which returns a [`Figure`], and a name in that module's list. A chapter
//! shows it by a line `![caption](figures/name.svg)`. `BLESS=1 cargo test -p glassbox --test book` writes the files; without
//! `BLESS` the test fails where a file isn't what the code draws.

mod cells;
mod drawing;
mod picture;
mod plot;

mod arithmetic;
mod attention;
mod cam;
mod cam_combined;
mod cam_family;
mod checks;
mod conservation;
mod convolution;
mod gradients;
mod localisation;
mod machines;
mod many_pictures;
mod measures;
mod norms;
mod photograph;
mod pooling;
mod readings;
mod relu;
mod removal;
mod softmax;
mod tape;
mod training;
mod units;
mod upsampling;

use ndarray::Array2;
use tensor::Tensor;

use drawing::{Drawing, at, escaped};

/// A drawing with its name, and what is said of it to those who don't see it.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    title: &'static str,
    description: String,
    drawing: Drawing,
}

fn figure(name: &'static str, title: &'static str, description: impl Into<String>, drawing: Drawing) -> Figure {
    Figure { name, title, description: description.into(), drawing }
}

/// All figures, in the order of the chapters.
pub(crate) fn all() -> Vec<Figure> {
    let first = [gradients::all, tape::all, arithmetic::all, convolution::all, pooling::all, norms::all, softmax::all];
    let maps =
        [relu::all, cam::all, cam_family::all, cam_combined::all, upsampling::all, readings::all, conservation::all];
    let last = [
        checks::all,
        localisation::all,
        measures::all,
        many_pictures::all,
        removal::all,
        machines::all,
        attention::all,
        units::all,
        training::all,
        photograph::all,
    ];
    let chapters = first.into_iter().chain(maps).chain(last);
    chapters.flat_map(|chapter| chapter()).collect()
}

impl Figure {
    /// The content of its file. The identifiers hold its name: a page has several figures.
    pub(crate) fn svg(&self) -> String {
        let Self { name, title, description, drawing } = self;
        let [width, height] = [drawing.width, drawing.height].map(|extent| at(extent.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"figure-{name}\" \
             aria-describedby=\"about-{name}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"currentColor\">\n\
             <title id=\"figure-{name}\">{}</title>\n<desc id=\"about-{name}\">{}</desc>\n{}</svg>\n",
            escaped(title),
            escaped(description),
            drawing.svg
        )
    }
}

/// The values of a tensor as a table of so many rows.
fn table(tensor: &Tensor<f64>, rows: usize) -> Array2<f64> {
    let columns = tensor.len() / rows;
    Array2::from_shape_vec((rows, columns), tensor.as_slice().to_vec()).unwrap()
}

/// A wave, as the book's examples use it.
fn wave(shape: &[usize], step: f64) -> Tensor<f64> {
    Tensor::from_fn(shape.to_vec(), |i| (i as f64 * step).sin())
}
