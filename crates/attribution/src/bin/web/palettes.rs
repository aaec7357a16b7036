//! The colours of maps.

use attribution::render::Palette;
use serde_json::{Value, json};

/// Steps of a palette.
const STEPS: usize = 256;

/// Each palette, from its lower end to its upper one: red, green, blue of each step.
pub(crate) fn colours() -> Value {
    let steps = |palette: Palette| -> Vec<u8> {
        (0..STEPS).flat_map(|step| palette.at(step as f32 / (STEPS - 1) as f32).0).collect()
    };
    json!({ "strength": steps(Palette::Strength), "signed": steps(Palette::Signed) })
}
