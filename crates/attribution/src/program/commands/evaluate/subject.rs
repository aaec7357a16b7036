//! The subjects of an evaluation: methods, and trivial maps.

use attribution::measures::{centred_gaussian, noise};
use attribution::{ExplainError, LayerRef, Pass};
use ndarray::Array2;

use super::given::Given;
use crate::program::commands::methods::Chosen;
use crate::program::terminal::interrupt::until_asked;

/// A method, maps that were made elsewhere, or a trivial map that any method must beat.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Method(&'a Chosen),
    Given(&'a Given),
    /// A Gaussian in the middle of the picture.
    Centre,
    /// Random pixels.
    Chance,
}

impl<'a> Subject<'a> {
    /// These methods, then the given maps and the trivial ones.
    pub(crate) fn all(methods: &'a [Chosen], given: Option<&'a Given>) -> Vec<Self> {
        let others = given.map(Self::Given).into_iter().chain([Self::Centre, Self::Chance]);
        methods.iter().map(Self::Method).chain(others).collect()
    }

    pub(crate) fn title(self) -> &'a str {
        match self {
            Self::Method(method) => &method.title,
            Self::Given(given) => &given.name,
            Self::Centre => "centred Gaussian",
            Self::Chance => "chance",
        }
    }

    pub(crate) fn id(self) -> &'a str {
        match self {
            Self::Method(method) => &method.id,
            Self::Given(given) => &given.name,
            Self::Centre => "centre",
            Self::Chance => "chance",
        }
    }

    /// Whether any method must beat it.
    pub(crate) fn is_trivial(self) -> bool {
        matches!(self, Self::Centre | Self::Chance)
    }

    /// Whether it can be asked again, about another class or another network.
    pub(crate) fn is_method(self) -> bool {
        matches!(self, Self::Method(_))
    }

    /// Whether its maps were made elsewhere, and can't be made again.
    pub(crate) fn is_given(self) -> bool {
        matches!(self, Self::Given(_))
    }

    /// The strength of each pixel as evidence for the image's class, `[H, W]` for each image; `indices` are the images'
    /// indices in the data set.
    pub(crate) fn strengths(
        self,
        pass: &Pass<'_>,
        layers: &[LayerRef<'_>],
        classes: &[usize],
        indices: &[usize],
        seed: u64,
    ) -> Result<Vec<Array2<f32>>, ExplainError> {
        let [height, width, _] = pass.model().input_shape();
        Ok(match self {
            Self::Method(chosen) => {
                let layers = if layers.is_empty() { &[LayerRef::Last] } else { layers };
                let question = pass.why(classes).at_each(layers.iter().copied()).watched(&until_asked);
                question.explain_each(&*chosen.method)?.iter().map(|map| map.over_input()).collect()
            }
            Self::Given(given) => indices.iter().map(|&index| given.of(index)).collect(),
            Self::Centre => vec![centred_gaussian(height, width); indices.len()],
            Self::Chance => indices.iter().map(|&index| noise(height, width, seed, index as u64)).collect(),
        })
    }
}
