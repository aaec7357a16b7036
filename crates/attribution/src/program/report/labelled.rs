//! Labelled pictures in a report: those of a demo, a training or an evaluation.

use attribution::LayerRef;
use ndarray::ArrayView3;
use nn::data::{LabelledImages, Rect};
use nn::{Layer, Model, ModelNode};

use super::{Entry, Explanation, Page};
use crate::program::commands::methods::Chosen;
use crate::program::files::picture::Picture;
use crate::program::terminal::Failure;
use crate::program::terminal::interrupt::until_asked;

/// Labelled images, and the methods that explain them.
pub(crate) struct Labelled<'a> {
    pub(crate) model: &'a Model,
    pub(crate) images: &'a LabelledImages,
    /// The box of each image's object, if it is known; empty if none is.
    pub(crate) places: Vec<Option<Rect>>,
    pub(crate) methods: &'a [Chosen],
    /// The layers for methods that explain a layer; if empty, every ReLU.
    pub(crate) layers: &'a [LayerRef<'a>],
    /// Whether to add certificates.
    pub(crate) certified: bool,
}

impl Labelled<'_> {
    /// Adds the images with these indices to the page. Each method explains the true class and the likeliest other
    /// class.
    pub(crate) fn show(&self, page: &mut Page, indices: &[usize]) -> Result<(), Failure> {
        let [_, height, width, channels] = self.images.shape();
        for (number, &index) in (1..).zip(indices) {
            let label = self.images.labels()[index];
            let pixels = ArrayView3::from_shape((height, width, channels), self.images.image(index))?;
            let picture = Picture::from_pixels(pixels, self.model)?;
            let pass = picture.observe(self.model)?;
            let rival = pass.top(2).into_iter().map(|best| best.class).find(|&class| class != label);
            let name = format!("{number:02} {}", self.model.class_name(label));
            let mut entry = Entry::new(name, &picture, &pass, page.budget(2))?
                .with_truth(self.model.class_name(label), self.places.get(index).and_then(Option::as_ref));
            if self.certified {
                entry = entry.with_certificates(&pass.certify(label)?);
            }
            for class in std::iter::once(label).chain(rival) {
                let mut found = Vec::new();
                for chosen in self.methods {
                    for layer in self.layers_for(chosen) {
                        let question = pass.why(class).at(layer).watched(&until_asked);
                        found.push((chosen, question.explain(&*chosen.method)?));
                    }
                }
                let explanations = found.iter().map(|(chosen, map)| Explanation {
                    id: &chosen.id,
                    title: &chosen.title,
                    about: chosen.about(),
                    map,
                    scale: map.scale(),
                });
                entry.explain(&self.model.class_name(class), explanations);
            }
            page.add(entry)?;
        }
        Ok(())
    }

    /// The layers at which a method is applied.
    fn layers_for(&self, chosen: &Chosen) -> Vec<LayerRef<'_>> {
        let rectified: Vec<LayerRef<'_>> = self.model.layers().iter().enumerate().filter_map(rectified).collect();
        match self.layers {
            _ if !chosen.about().takes_layer() => vec![LayerRef::Last],
            [] if rectified.is_empty() => vec![LayerRef::Last],
            [] => rectified,
            named => named.to_vec(),
        }
    }
}

/// The layer, if it is a ReLU whose output has positions.
fn rectified<'a>((index, node): (usize, &ModelNode)) -> Option<LayerRef<'a>> {
    let rectifies = matches!(node.layer, Layer::Relu(_) | Layer::Clip(_)) && node.output_shape.len() == 3;
    rectifies.then_some(LayerRef::Index(index))
}
