//! Boxes in Pascal VOC's XML.

use std::fs;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

use super::{Annotation, BoxesError, checked};

/// Limit on the elements and texts of a file.
const NODES: u32 = 1 << 20;

/// Reads the `.xml` files of a folder, in the order of their names.
pub(super) fn read(folder: &Path) -> Result<Vec<Annotation>, BoxesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| BoxesError::Read { path, cause }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml")) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(BoxesError::Kind { path: folder.to_owned() });
    }
    files.sort();
    let mut annotations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(unreadable(&file))?;
        annotations.extend(parse(&text, &file.display().to_string())?);
    }
    Ok(annotations)
}

/// Reads an XML file; errors call it `name`.
pub(super) fn parse(text: &str, name: &str) -> Result<Vec<Annotation>, BoxesError> {
    const EXPECTED: &str = "an <annotation> of Pascal VOC";
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| BoxesError::content(name, EXPECTED, error.to_string()))?;
    let root = document.root_element();
    if !root.has_tag_name("annotation") {
        return Err(BoxesError::content(name, EXPECTED, format!("<{}>", root.tag_name().name())));
    }
    let place = |node: Node| format!("{name}, line {}", document.text_pos_at(node.range().start).row);
    let child = |node: Node<'_, '_>, tag: &str| {
        let found = node.children().find(|child| child.has_tag_name(tag)).and_then(|child| child.text());
        let missing = || BoxesError::content(place(node), format!("<{tag}> with a value"), "none");
        found.map(str::trim).filter(|text| !text.is_empty()).map(String::from).ok_or_else(missing)
    };
    let number = |node: Node<'_, '_>, tag: &str| {
        let text = child(node, tag)?;
        text.parse::<f64>().map_err(|_| BoxesError::content(place(node), format!("a number in <{tag}>"), text))
    };
    let objects: Vec<Node<'_, '_>> = root.children().filter(|node| node.has_tag_name("object")).collect();
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    let picture = PathBuf::from(child(root, "filename")?);
    let size = match root.children().find(|node| node.has_tag_name("size")) {
        Some(size) => Some((number(size, "height")? as usize, number(size, "width")? as usize)),
        None => None,
    };
    let annotation = |object: Node<'_, '_>| {
        let corners = object.children().find(|node| node.has_tag_name("bndbox"));
        let corners = corners.ok_or_else(|| BoxesError::content(place(object), "a <bndbox>", "none"))?;
        // Some programs count from 0.
        let first = |tag| Ok((number(corners, tag)? - 1.0).max(0.0));
        let edges = [first("xmin")?, first("ymin")?, number(corners, "xmax")?, number(corners, "ymax")?];
        let (class, place) = (Some(child(object, "name")?), place(corners));
        Ok(Annotation { picture: picture.clone(), edges: checked(edges, &place)?, class, size, place })
    };
    objects.into_iter().map(annotation).collect()
}
