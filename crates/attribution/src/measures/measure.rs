//! Measures and their inputs.

use std::cell::OnceCell;
use std::fmt;

use ndarray::Array2;
use rayon::prelude::*;

use super::{Confidence, Truth, rank_correlation};
use crate::baseline::Baseline;
use crate::error::ExplainError;
use crate::pass::Pass;
use crate::progress::Watch;

/// A measure of a method's maps, with a figure for each image.
pub struct Measure {
    /// Its name on the command line and in files: `pointing`.
    pub id: &'static str,
    /// Its name in prose: `pointing`.
    pub title: &'static str,
    /// The computation in a few words.
    pub what: &'static str,
    /// The question that it answers.
    pub group: Group,
    /// Whether higher figures are better.
    pub higher_is_better: bool,
    /// The inputs that it needs besides the maps.
    pub needs: Needs,
    /// The figures, one for each image; NaN for an image without the truth that the measure needs.
    pub figures: fn(&Trial<'_>) -> Result<Vec<f64>, ExplainError>,
}

/// The question that a group of measures answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Does the map show where the object is?
    Localization,
    /// Does the network agree?
    Faithfulness,
    /// Does the map depend on the class and on the weights?
    Sanity,
    /// Is the map concise, and does it hold still?
    Form,
}

/// The inputs that a measure needs besides the maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Where the objects are.
    Truth,
    /// The network, which it runs again.
    Network,
    /// The maps of the likeliest wrong class.
    Rivals,
    /// The maps of the network with more and more random weights ([`cascade`](super::cascade)).
    Randomized,
    /// The maps of copies of the pictures with noise ([`shaken`](super::shaken)).
    Shaken,
    /// Nothing.
    Nothing,
}

/// The maps of a batch of images, and the data about these images.
pub struct Trial<'a> {
    /// The images and the network.
    pub pass: &'a Pass<'a>,
    /// The true class of each image. The maps are those of these classes.
    pub labels: &'a [usize],
    /// The strength of each pixel, `[H, W]` for each image ([`Map::over_input`](crate::Map::over_input)).
    pub maps: &'a [Array2<f32>],
    /// Where the objects of each image are, if that is known; for measures that need truth.
    pub truths: &'a [Option<Truth>],
    /// The maps of the likeliest wrong class; for measures that need rivals.
    pub rivals: &'a [Array2<f32>],
    /// For each step of a cascade, the similarity to the maps of the randomized network: rank correlation and SSIM of
    /// each image; for measures that need it.
    pub cascade: &'a [[Vec<f64>; 2]],
    /// The maps of copies of the images with noise; for measures that need them.
    pub shaken: &'a [Vec<Array2<f32>>],
    /// Called with the progress of measures that run the network many times.
    pub watch: Option<Watch<'a>>,
    /// Computed once for all measures that need it.
    pub confidence: OnceCell<Vec<Confidence>>,
}

impl Measure {
    /// Its title with an arrow for the better direction.
    #[must_use]
    pub fn head(&self) -> String {
        format!("{} {}", self.title, if self.higher_is_better { '↑' } else { '↓' })
    }
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 4] = [Self::Localization, Self::Faithfulness, Self::Sanity, Self::Form];

    /// The question of the group, and the unit of its figures.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Localization => "Does it say where the object is? Against the truth, %",
            Self::Faithfulness => "Does the network agree? Probability of the class, %",
            Self::Sanity => "Does it depend on the class and on the weights? Likeness to the map without, 1 the same",
            Self::Form => "Is it concise, and does it hold still? 0 to 1; a change of the map, as a share of it",
        }
    }
}

impl Trial<'_> {
    /// The figures of each map against the truth.
    pub(super) fn on_truths(&self, figure: impl Fn(&Array2<f32>, &Truth) -> f64 + Sync) -> Vec<f64> {
        let of =
            |(map, truth): (&Array2<f32>, &Option<Truth>)| truth.as_ref().map_or(f64::NAN, |truth| figure(map, truth));
        self.maps.par_iter().zip(self.truths).map(of).collect()
    }

    /// The network's confidence in the part that each map keeps.
    pub(super) fn confidence(&self) -> Result<&[Confidence], ExplainError> {
        if self.confidence.get().is_none() {
            let found = self.pass.confidence(self.maps, self.labels, &Baseline::default())?;
            let _ = self.confidence.set(found);
        }
        Ok(self.confidence.get().expect("just computed"))
    }
}

/// The index of the step of a cascade after which the upper half of the layers is random; `steps` is the number of steps.
#[must_use]
pub fn half(steps: usize) -> usize {
    (steps / 2).saturating_sub(1)
}

/// The rank correlation of each image's maps; 0 if one of them has the same value everywhere.
#[must_use]
pub fn rank_correlations(a: &[Array2<f32>], b: &[Array2<f32>]) -> Vec<f64> {
    a.par_iter().zip(b).map(|(a, b)| rank_correlation(a.view(), b.view()).unwrap_or(0.0)).collect()
}

/// 1 for yes, 0 for no.
pub(super) fn share(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Measure({})", self.id)
    }
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial").field("labels", &self.labels).finish_non_exhaustive()
    }
}
