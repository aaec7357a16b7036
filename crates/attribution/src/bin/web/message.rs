//! Messages and replies: JSON, and bytes that it refers to.
//!
//! A message is the length of its JSON (u32, little-endian), the JSON, and bytes. A reply is the length of its JSON, that of its
//! bytes, the JSON (padded with spaces to a multiple of 4), and the bytes. In the JSON, `{"f32": [at, count]}` and
//! `{"u8": [at, count]}` stand for arrays of numbers among the bytes.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::Mistake;
use crate::files::asked::Asked;
use crate::learn::Settings;
use crate::terminal::Failure;

/// What the page asks for.
#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Ask {
    /// The network for photographs; its weights are the bytes.
    Photographs,
    /// The network in an ONNX file.
    Onnx { name: String },
    /// How pictures are prepared for a network whose file doesn't say it, and the names of its classes.
    Prepare { mean: Vec<f32>, std: Vec<f32>, classes: Vec<String> },
    /// Looks at a picture.
    Photo { name: String },
    /// A map of the picture; if several workers computed its scores, those are the bytes, and this many are each one's.
    Explain {
        method: String,
        target: Asked,
        layer: Option<String>,
        #[serde(default)]
        shares: Vec<usize>,
    },
    /// The scores that a worker computes for such a map.
    Share { method: String, target: Asked, layer: Option<String>, worker: usize, count: usize },
    /// Checks what theory says of the picture's scores.
    Certify { target: Asked },
    /// The record of maps, as `glassbox verify` reads it.
    Record { explained: Vec<Wanted> },
    /// Begins a training; the pictures are the bytes.
    Begin { settings: Settings },
    /// Takes steps.
    Train { steps: usize, learning_rate: f64 },
    /// What the network that learns says now.
    Look,
    /// What it says of a picture, whose pixels are the bytes.
    Guess,
    /// The network as a file.
    Save { onnx: bool },
    /// Its tape for a picture that is watched, with gradients.
    Tape { picture: usize },
    /// Where its cells lie.
    Fields,
    /// Convolves a grey picture of this height and width, whose pixels are the bytes.
    Convolve { kernel: [f64; 9], size: [usize; 2] },
    /// Passes gradients through a ReLU.
    Relu { x: Vec<f32>, upstream: Vec<f32> },
    /// Checks a gradient that may be wrong.
    Check { x: Vec<f64>, mistake: Mistake },
}

/// A map that is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) method: String,
    pub(crate) target: Asked,
    pub(crate) layer: Option<String>,
}

/// A reply under construction.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) json: Value,
    bytes: Vec<u8>,
}

impl Reply {
    /// Adds numbers to the bytes, and returns what stands for them.
    pub(crate) fn floats(&mut self, values: impl IntoIterator<Item = f32>) -> Value {
        let at = self.bytes.len();
        self.bytes.extend(values.into_iter().flat_map(f32::to_le_bytes));
        json!({ "f32": [at, (self.bytes.len() - at) / 4] })
    }

    /// Adds bytes, and returns what stands for them.
    pub(crate) fn bytes(&mut self, values: impl IntoIterator<Item = u8>) -> Value {
        let at = self.bytes.len();
        self.bytes.extend(values);
        let count = self.bytes.len() - at;
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        json!({ "u8": [at, count] })
    }
}

/// The parts of a message.
pub(crate) fn read(message: &[u8]) -> Result<(Ask, &[u8]), Failure> {
    let (length, rest) = message.split_first_chunk().ok_or("a message without a length")?;
    let length = u32::from_le_bytes(*length) as usize;
    let (json, bytes) = rest.split_at_checked(length).ok_or("a message without its JSON")?;
    Ok((serde_json::from_slice(json)?, bytes))
}

/// Bytes as lists of numbers, of these lengths.
pub(crate) fn floats(bytes: &[u8], lengths: &[usize]) -> Result<Vec<Vec<f32>>, Failure> {
    let mut values = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let list = |&length: &usize| {
        let list: Vec<f32> = values.by_ref().take(length).collect();
        if list.len() == length { Ok(list) } else { Err("fewer numbers than were announced".into()) }
    };
    lengths.iter().map(list).collect()
}

/// A reply as JavaScript reads it; a failure is an object with a sentence, `failed`.
pub(crate) fn written(reply: Result<Reply, Failure>) -> Vec<u8> {
    // Errors of libraries may have several lines.
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Reply { json, bytes } =
        reply.unwrap_or_else(|failure| said(json!({ "failed": one_line(failure.to_string()) })));
    let mut json = json.to_string();
    json.push_str(&" ".repeat(json.len().next_multiple_of(4) - json.len()));
    let lengths = [json.len(), bytes.len()].map(|length| (length as u32).to_le_bytes()).concat();
    [&lengths, json.as_bytes(), &bytes].concat()
}

/// The reply that a panic leaves.
pub(crate) fn last_words(panic: &str) -> Vec<u8> {
    written(Ok(said(json!({ "panicked": panic }))))
}

pub(crate) fn said(json: Value) -> Reply {
    Reply { json, ..Reply::default() }
}
