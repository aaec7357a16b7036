//! Pictures whose classes are known: of the demo and of an evaluation.

use attribution::LayerRef;
use ndarray::ArrayView3;
use nn::data::{LabelledImages, Rect};
use nn::{Layer, Model, ModelNode};

use super::{Entry, Page, Said};
use crate::Failure;
use crate::interrupt::patiently;
use crate::method::Method;
use crate::picture::Picture;

/// Shows these images: the true class of each and the strongest other one, by each of the methods. Those of the
/// class-activation family look at each of these layers, or at each ReLU if none is named; the others at the first that is
/// named, or where they look by themselves.
pub(crate) fn labelled(
    page: &mut Page,
    model: &Model,
    (images, boxes): (&LabelledImages, Option<&[Rect]>),
    places: &[usize],
    methods: &[Method],
    layers: &[LayerRef<'_>],
) -> Result<(), Failure> {
    let [_, height, width, channels] = images.shape();
    let rectified: Vec<LayerRef<'_>> = model.layers().iter().enumerate().filter_map(rectified).collect();
    let looks = |method: &Method| match (method.takes_layers(), layers) {
        (true, []) if !rectified.is_empty() => rectified.iter().map(|&layer| vec![layer]).collect(),
        (true, [_, ..]) => layers.iter().map(|&layer| vec![layer]).collect(),
        _ => vec![layers.to_vec()],
    };
    for (number, &place) in (1..).zip(places) {
        let label = images.labels()[place];
        let picture =
            Picture::from_pixels(ArrayView3::from_shape((height, width, channels), images.image(place))?, model)?;
        let pass = picture.observe(model)?;
        let rival = pass.top(2).into_iter().map(|best| best.class).find(|&class| class != label);
        let name = format!("{number:02} {}", model.class_name(label));
        let mut entry = Entry::new(name, &picture, &pass, page.budget(2))?
            .with_truth(model.class_name(label), boxes.map(|boxes| &boxes[place]))
            .with_certificates(&pass.certify(label)?);
        for class in std::iter::once(label).chain(rival) {
            let each = methods.iter().flat_map(|method| looks(method).into_iter().map(move |layers| (method, layers)));
            let found =
                each.map(|(method, layers)| Ok((method, method.explain(&pass, &layers, &class.into(), &patiently)?)));
            let found = found.collect::<Result<Vec<_>, Failure>>()?;
            let said = found.iter().map(|(method, found)| Said {
                method: **method,
                layers: &found.layers,
                rule: found.coverage.as_deref(),
                map: &found.maps[0],
                full: found.maps[0].full(),
            });
            entry.explain(&model.class_name(class), said);
        }
        page.add(entry)?;
    }
    Ok(())
}

/// A layer of ReLUs, if its output has positions.
fn rectified<'a>((place, node): (usize, &ModelNode)) -> Option<LayerRef<'a>> {
    let rectifies = matches!(node.layer, Layer::Relu(_) | Layer::Clip(_)) && node.output_shape.len() == 3;
    rectifies.then_some(LayerRef::Index(place))
}
