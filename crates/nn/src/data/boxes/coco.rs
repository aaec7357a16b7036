//! Boxes in COCO's JSON.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Annotation, BoxesError, checked};

#[derive(Deserialize)]
struct Coco {
    images: Vec<Image>,
    annotations: Vec<Object>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    height: Option<usize>,
    width: Option<usize>,
}

#[derive(Deserialize)]
struct Object {
    image_id: u64,
    category_id: Option<u64>,
    /// Left, top, width, height.
    bbox: [f64; 4],
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// Reads a JSON file; errors call it `name`.
pub(super) fn parse(text: &[u8], name: &str) -> Result<Vec<Annotation>, BoxesError> {
    const EXPECTED: &str = "COCO's images (id, file_name), annotations (image_id, bbox) and categories (id, name)";
    let coco: Coco =
        serde_json::from_slice(text).map_err(|error| BoxesError::content(name, EXPECTED, error.to_string()))?;
    let images: HashMap<u64, &Image> = coco.images.iter().map(|image| (image.id, image)).collect();
    let categories: HashMap<u64, &str> =
        coco.categories.iter().map(|category| (category.id, category.name.as_str())).collect();
    let annotation = |(index, object): (usize, &Object)| {
        let place = format!("{name}, annotations[{index}]");
        let unknown =
            |what: &str, id: u64| BoxesError::content(&place, format!("the id of one of the {what}"), id.to_string());
        let image = images.get(&object.image_id).ok_or_else(|| unknown("images", object.image_id))?;
        let class = object
            .category_id
            .map(|id| categories.get(&id).map(ToString::to_string).ok_or_else(|| unknown("categories", id)));
        let [left, top, width, height] = object.bbox;
        Ok(Annotation {
            picture: image.file_name.clone().into(),
            edges: checked([left, top, left + width, top + height], &place)?,
            class: class.transpose()?,
            size: image.height.zip(image.width),
            place,
        })
    };
    coco.annotations.iter().enumerate().map(annotation).collect()
}
