//! The results, as text and as JSON.

use std::path::Path;

use nn::Model;
use nn::data::Rect;
use serde_json::{Value, json};

use super::made::Made;
use super::seen::{Channel, Place, Seen};

/// Channels and other targets, each with the picture that was made for it.
pub(super) struct Results {
    pub(super) channels: Vec<(Channel, Option<Made>)>,
    pub(super) others: Vec<(String, Option<Made>)>,
}

/// Number of pictures named in a line.
const NAMED: usize = 3;

impl Results {
    /// A line for each channel.
    pub(super) fn lines(&self, seen: &Seen, model: &Model) -> Vec<String> {
        let [height, width, _] = model.input_shape();
        let line = |(Channel { unit, field, places, .. }, _): &(Channel, _)| {
            let sees = match field {
                Some([rows, columns]) => format!("sees {rows} × {columns} pixels of {height} × {width}"),
                None => "sees the whole picture".into(),
            };
            let named = places
                .iter()
                .take(NAMED)
                .map(|Place { peak, .. }| format!("{} {:.3}", seen.name(peak.picture), peak.value));
            let named: Vec<String> = named.collect();
            match &named[..] {
                [] if seen.pictures.is_empty() => format!("{unit}  {sees}"),
                [] => format!("{unit}  {sees}; no picture activates it"),
                named => format!("{unit}  {sees}; activated most by {}", named.join(", ")),
            }
        };
        self.channels.iter().map(line).collect()
    }

    pub(super) fn json(&self, seen: &Seen, report: &Path) -> Value {
        let place = |Place { peak, part, .. }: &Place| {
            let Rect { top, left, .. } = *part;
            let edges = [left, top, part.right(), part.bottom()];
            json!({ "picture": seen.pictures[peak.picture], "cell": peak.cell, "value": peak.value, "box": edges })
        };
        let channel = |(Channel { unit, field, places, .. }, made): &(Channel, Option<Made>)| {
            let pictures: Vec<Value> = places.iter().map(place).collect();
            let inactive = places.is_empty() && !seen.pictures.is_empty();
            json!({
                "unit": unit.to_string(), "inactive": inactive, "receptive_field": field, "pictures": pictures, "made": made,
            })
        };
        let other = |(target, made): &(String, Option<Made>)| json!({ "target": target, "made": made });
        json!({
            "report": report,
            "pictures": seen.pictures.len(),
            "channels": self.channels.iter().map(channel).collect::<Vec<_>>(),
            "targets": self.others.iter().map(other).collect::<Vec<_>>(),
        })
    }
}
