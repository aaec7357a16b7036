//! What is measured: methods, and maps that know nothing.

use attribution::measures::{centred_gaussian, noise};
use attribution::{ExplainError, LayerRef, Pass};
use ndarray::Array2;

use crate::interrupt::patiently;
use crate::method::Method;

/// A method, or a map that any method must beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Method(Method),
    /// A Gaussian in the middle of the picture.
    Centre,
    /// Every pixel drawn at random.
    Chance,
}

impl Subject {
    /// These methods, and the maps that know nothing.
    pub(crate) fn all(methods: &[Method]) -> Vec<Self> {
        methods.iter().copied().map(Self::Method).chain([Self::Centre, Self::Chance]).collect()
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Method(method) => method.title(),
            Self::Centre => "centred Gaussian",
            Self::Chance => "chance",
        }
    }

    pub(crate) fn id(self) -> String {
        match self {
            Self::Method(method) => method.id(),
            Self::Centre => "centre".into(),
            Self::Chance => "chance".into(),
        }
    }

    /// Whether it looks at the network at all.
    pub(crate) fn is_method(self) -> bool {
        matches!(self, Self::Method(_))
    }

    /// How strongly each pixel of each image speaks for its class, `[H, W]` each; `places` are the images' places in the data
    /// set.
    pub(crate) fn strengths(
        self,
        pass: &Pass<'_>,
        layers: &[LayerRef<'_>],
        classes: &[usize],
        places: &[usize],
        seed: u64,
    ) -> Result<Vec<Array2<f32>>, ExplainError> {
        let [height, width, _] = pass.model().input_shape();
        Ok(match self {
            Self::Method(method) => {
                let found = method.explain(pass, layers, &classes.into(), &patiently)?;
                found.maps.iter().map(|map| map.strength()).collect()
            }
            Self::Centre => vec![centred_gaussian(height, width); places.len()],
            Self::Chance => places.iter().map(|&place| noise(height, width, seed, place as u64)).collect(),
        })
    }
}
