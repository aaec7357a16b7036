//! The boxes of maps.

use std::path::Path;

use attribution::Map;
use attribution::measures::{CAM_THRESHOLD, estimated_box};
use nn::data::Rect;
use serde::{Deserialize, Serialize};

use crate::program::files::folder;
use crate::program::files::picture::Picture;
use crate::program::terminal::Failure;

/// The box round the strong part of a map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Boxed {
    /// The method's name on the command line.
    pub(super) method: String,
    pub(super) layers: Vec<String>,
    /// The target in words.
    pub(super) why: String,
    /// The left, top, right and bottom edges in pixels of the picture; `None` for a map without evidence.
    pub(super) edges: Option<[f64; 4]>,
}

/// The box round the largest connected part of the map that is above 20 % of its maximum, in pixels of the input.
pub(super) fn of_map(map: &Map) -> Option<Rect> {
    estimated_box(map.over_input().view(), CAM_THRESHOLD)
}

impl Boxed {
    pub(super) fn new(method: &str, map: &Map, why: &str, picture: &Picture) -> Self {
        let edges = of_map(map).map(|found| picture.edges(&found));
        Self { method: method.into(), layers: map.layers().to_vec(), why: why.into(), edges }
    }

    /// For the terminal.
    pub(super) fn words(&self) -> String {
        match self.edges.map(|edges| edges.map(f64::round)) {
            Some([left, top, right, bottom]) => format!("box: left {left}, top {top}, right {right}, bottom {bottom}"),
            None => "no box".into(),
        }
    }
}

/// Writes the boxes of a picture as JSON, atomically.
pub(super) fn write(path: &Path, boxes: &[Boxed]) -> Result<(), Failure> {
    folder::write(path, &(serde_json::to_string_pretty(boxes)? + "\n"))
}
