//! A picture of the page: the network's prediction, and the maps.

use attribution::certificates::{Certificate, Finding};
use attribution::map::Cells;
use attribution::question::About;
use attribution::render::encode_png;
use attribution::rules::Coverage;
use attribution::{Map, Pass, Placement, Prediction, Quantity, Says};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use nn::data::Rect;
use serde::{Deserialize, Serialize};

use super::Shown;
use super::encode::{Encoded, Values, block, means};
use crate::program::files::picture::Picture;
use crate::program::terminal::Failure;

/// Number of classes listed for each picture, likeliest first.
const LISTED: usize = 5;
/// JPEG quality of photographs.
const JPEG_QUALITY: u8 = 80;

/// A method's map for a class, before encoding.
pub(crate) struct Explanation<'a> {
    /// The method's name on the page.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) about: &'static About,
    pub(crate) map: &'a Map,
    /// The value with the full colour.
    pub(crate) scale: f32,
}

/// A picture of the page, finished.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    pub(super) name: String,
    /// The picture as a `data:` URL.
    pub(super) picture: String,
    /// Width and height.
    pub(super) size: (u32, u32),
    /// The likeliest class, and whether it is the true one.
    pub(super) answer: String,
    pub(super) right: Option<bool>,
    /// The data for the page's script: JSON that is safe inside HTML, because it contains no `<`.
    pub(super) data: String,
}

/// A picture of the page.
pub(crate) struct Entry {
    name: String,
    picture: String,
    size: (u32, u32),
    answer: String,
    right: Option<bool>,
    methods: Vec<Shown>,
    /// The data for the page's script.
    data: Data,
    values: Values,
    /// Limit in bytes on the pixel maps of one class.
    budget: usize,
}

/// The data for the page's script. Lengths are in pixels of the input, except in `part`.
#[derive(Serialize)]
struct Data {
    name: String,
    /// Height and width of the input.
    input: [usize; 2],
    /// Height and width of the picture, before it was enlarged.
    picture: [usize; 2],
    /// The part of the picture that became the input: top, left, height, width.
    part: [usize; 4],
    /// Whether each pixel is drawn as a square.
    pixelated: bool,
    /// Name, share of the bar (null without a bar), and the number in words.
    top: Vec<(String, Option<f64>, String)>,
    truth: Option<Truth>,
    classes: Vec<Explained>,
    certificates: Vec<Line>,
    /// See [`Values::text`].
    values: String,
}

#[derive(Serialize)]
struct Truth {
    class: String,
    /// Top, left, height, width.
    place: Option<[usize; 4]>,
}

#[derive(Serialize)]
struct Explained {
    why: String,
    maps: Vec<Drawn>,
}

#[derive(Serialize)]
struct Drawn {
    method: String,
    layer: String,
    /// The operations that a backward rule replaced, as a sentence.
    rule: Option<String>,
    quantity: Quantity,
    verdict: String,
    evidence: bool,
    /// The value with the full colour.
    full: f32,
    /// `None` if the cells are stretched over the input.
    cells: Option<Grid>,
    /// Whether the cells are pixels of the input, or blocks of them.
    pixels: bool,
    #[serde(flatten)]
    values: Encoded,
}

/// The positions of cells, in pairs of rows and columns.
#[derive(Serialize)]
struct Grid {
    /// The centre of the first cell.
    first: [f64; 2],
    stride: [usize; 2],
    /// Height and width of a cell's receptive field, around its centre.
    field: [usize; 2],
}

impl From<&Cells> for Grid {
    fn from(cells: &Cells) -> Self {
        Self { first: cells.centre([0, 0]), stride: cells.stride(), field: cells.receptive_field() }
    }
}

/// A certificate in words.
#[derive(Serialize)]
struct Line {
    identity: &'static str,
    meaning: &'static str,
    layer: Option<String>,
    finding: String,
    holds: Option<bool>,
}

impl Entry {
    /// An entry for a picture after its forward pass. The pixel maps of one class may take `budget` bytes.
    pub(crate) fn new(name: String, picture: &Picture, pass: &Pass<'_>, budget: usize) -> Result<Self, Failure> {
        let framing = &picture.framing;
        let (small, pixelated) = (&picture.display, picture.is_enlarged());
        let part = framing.part;
        let top: Vec<(String, Option<f64>, String)> = pass.top(LISTED).into_iter().map(listed).collect();
        let data = Data {
            name: name.clone(),
            input: framing.input.into(),
            picture: framing.picture.into(),
            part: [part.top, part.left, part.height, part.width],
            pixelated,
            truth: None,
            classes: Vec::new(),
            certificates: Vec::new(),
            values: String::new(),
            top,
        };
        let answer = answer(pass);
        let (size, picture) = (small.dimensions(), url(small, pixelated)?);
        let (values, methods) = (Values::default(), Vec::new());
        Ok(Self { name, picture, size, answer, right: None, methods, data, values, budget })
    }

    /// Adds the true class, and the object's box on the input if it is known.
    pub(crate) fn with_truth(mut self, class: String, place: Option<&Rect>) -> Self {
        self.right = self.data.top.first().map(|(name, ..)| *name == class);
        let place = place.map(|place| [place.top, place.left, place.height, place.width]);
        self.data.truth = Some(Truth { class, place });
        self
    }

    /// Adds certificates.
    pub(crate) fn with_certificates(mut self, certificates: &[Certificate]) -> Self {
        self.data.certificates = certificates.iter().map(line).collect();
        self
    }

    /// Adds the methods' maps for a class.
    pub(crate) fn explain<'a>(&mut self, why: &str, explanations: impl Iterator<Item = Explanation<'a>>) {
        let explanations: Vec<Explanation<'_>> = explanations.collect();
        let pixels = explanations.iter().filter(|explanation| explanation.map.is_of_pixels()).count();
        let block = block(pixels, self.data.input, self.budget);
        let maps = explanations.iter().map(|&Explanation { id, title, about, map, scale }| {
            let values = map.per_cell();
            let (values, cells) = match map.placement() {
                Placement::Cells(cells) => (values, Some(Grid::from(&cells))),
                Placement::Stretched => (values, None),
                Placement::Pixels => {
                    let grid = Grid { first: [block as f64 / 2.0; 2], stride: [block; 2], field: [block; 2] };
                    (means(&values, block), Some(grid))
                }
            };
            if self.methods.iter().all(|known| known.id != id) {
                self.methods.push(Shown { id: id.into(), title: title.into(), about });
            }
            Drawn {
                method: id.into(),
                layer: map.layers().join(" + "),
                rule: map.coverage().map(sentence),
                quantity: map.quantity(),
                verdict: map.verdict().to_string(),
                evidence: map.verdict().is_evidence(),
                full: scale,
                cells,
                pixels: map.is_of_pixels(),
                values: self.values.push(values.view()),
            }
        });
        let maps = maps.collect();
        self.data.classes.push(Explained { why: why.into(), maps });
    }

    /// The finished picture, and its methods.
    pub(crate) fn finish(mut self) -> Result<(Choice, Vec<Shown>), Failure> {
        self.data.values = self.values.text();
        let Self { name, picture, size, answer, right, methods, data, .. } = self;
        let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
        Ok((Choice { name, picture, size, answer, right, data }, methods))
    }
}

/// The name, the share of the bar and the number of a prediction.
fn listed(said: Prediction) -> (String, Option<f64>, String) {
    let (share, amount) = match said.says {
        Says::Probability | Says::Share => (Some(said.value), format!("{:.1} %", 100.0 * said.value)),
        Says::Value(_) | Says::Mean(_) => (None, said.amount()),
    };
    (said.name, share, amount)
}

/// The network's first answer: the likeliest class with its probability, or the first value.
fn answer(pass: &Pass<'_>) -> String {
    match &pass.top(1)[..] {
        [said] if said.says == Says::Probability => format!("{} {:.0} %", said.name, 100.0 * said.value),
        [said] => format!("{} {}", said.name, said.amount()),
        _ => format!("an embedding of {} numbers", pass.model().scores()),
    }
}

fn line(certificate: &Certificate) -> Line {
    let finding = match &certificate.finding {
        Finding::Checked(found) => format!(
            "{:.6} and {:.6}: {:.2} ulps apart, at most {:.0} allowed",
            found.left, found.right, found.ulps, found.allowed
        ),
        Finding::Estimated(found) => format!(
            "{:.6} and {:.6}: {:.2} ulps apart, {:.0} by an estimate",
            found.left, found.right, found.ulps, found.allowed
        ),
        Finding::Inapplicable { reason } => format!("doesn't apply: {reason}"),
        Finding::Unconserved { arrived, score } => {
            format!("nothing is conserved: {arrived:.6} arrives of a score of {score:.6}")
        }
    };
    let (identity, meaning, layer) = (certificate.identity, certificate.meaning, certificate.layer.clone());
    Line { identity, meaning, layer, finding, holds: certificate.holds() }
}

/// The operations that a backward rule replaced, as a sentence.
fn sentence(coverage: &Coverage) -> String {
    match coverage {
        Coverage::Relevance { .. } => format!("Relevance was handed down by {coverage}."),
        _ => format!("The rule replaced {coverage}."),
    }
}

/// A picture as a `data:` URL: small pictures without loss, photographs as JPEG.
pub(super) fn url(picture: &RgbImage, lossless: bool) -> Result<String, Failure> {
    let (kind, file) = if lossless {
        ("png", encode_png(picture)?)
    } else {
        let mut file = Vec::new();
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY))?;
        ("jpeg", file)
    };
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(file)))
}
