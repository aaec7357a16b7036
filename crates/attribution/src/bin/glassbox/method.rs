//! The methods by their names on the command line, and what they give.

use attribution::measures::{CAM_THRESHOLD, box_score, pointing_game};
use attribution::methods::Family;
use attribution::npy::{NpyError, write_npy};
use attribution::render::{Colormap, OPACITY, PERCENTILE, Reduction, enlarge, overlay, signed};
use attribution::{ExplainError, Explanation, Heatmap, LayerRef, Pass, Placement, Saliency, Target, Verdict};
use clap::ValueEnum;
use image::RgbImage;
use ndarray::Array2;
use nn::data::Rect;
use std::path::Path;

use crate::picture::Picture;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Class activation mapping (Zhou et al. 2016); needs global average pooling and one fully connected layer at the end
    Cam,
    /// Grad-CAM (Selvaraju et al. 2017); any network, any layer
    GradCam,
    /// Guided backpropagation (Springenberg et al. 2015); networks of ReLUs
    GuidedBackprop,
    /// Guided Grad-CAM (Selvaraju et al. 2017): the two multiplied
    GuidedGradCam,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::Cam, Self::GradCam, Self::GuidedBackprop, Self::GuidedGradCam];

    /// As it is called in prose.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cam => "CAM",
            Self::GradCam => "Grad-CAM",
            Self::GuidedBackprop => "guided backprop",
            Self::GuidedGradCam => "guided Grad-CAM",
        }
    }

    /// As it is called on the command line and in files.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Cam => "cam",
            Self::GradCam => "grad-cam",
            Self::GuidedBackprop => "guided-backprop",
            Self::GuidedGradCam => "guided-grad-cam",
        }
    }

    /// Whether its maps are of the input's own values, for and against, rather than of a layer's cells.
    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::GuidedBackprop | Self::GuidedGradCam)
    }

    /// Whether it can look at any layer; the others look where they must.
    pub(crate) fn takes_layer(self) -> bool {
        matches!(self, Self::GradCam | Self::GuidedGradCam)
    }

    /// A map for each image of the pass: at the first of these layers, the last with positions if there are none; Grad-CAM
    /// at several is their mean.
    pub(crate) fn explain(
        self,
        pass: &Pass<'_>,
        layers: &[LayerRef<'_>],
        target: &Target,
    ) -> Result<Explanation<Map>, ExplainError> {
        let (layer, target) = (layers.first().copied().unwrap_or_default(), target.clone());
        let cells = |found| each(found, Map::Cells);
        let pixels = |found| each(found, Map::Pixels);
        match self {
            Self::Cam => pass.cam(target).map(cells),
            Self::GradCam if layers.len() > 1 => {
                pass.mean_over_layers(Family::GradCam, layers.iter().copied(), target).map(cells)
            }
            Self::GradCam => pass.grad_cam(layer, target).map(cells),
            Self::GuidedBackprop => pass.guided_backprop(target).map(pixels),
            Self::GuidedGradCam => pass.guided_grad_cam(layer, target).map(pixels),
        }
    }
}

fn each<M>(found: Explanation<M>, map: impl Fn(M) -> Map) -> Explanation<Map> {
    let Explanation { method, target, layers, coverage, maps } = found;
    Explanation { method, target, layers, coverage, maps: maps.into_iter().map(map).collect() }
}

/// What a method says of one image.
pub(crate) enum Map {
    /// A value for each cell of a layer.
    Cells(Heatmap),
    /// A value for each value of the input.
    Pixels(Saliency),
}

impl Map {
    pub(crate) fn verdict(&self) -> &Verdict {
        match self {
            Self::Cells(map) => map.verdict(),
            Self::Pixels(map) => map.verdict(),
        }
    }

    /// As large as the input `[H, W]`, for the measures: the positive part of a layer's map, the magnitude of a pixel's.
    fn strength(&self) -> Array2<f32> {
        match self {
            Self::Cells(map) => map.over_input(Placement::Geometric),
            Self::Pixels(map) => map.magnitude(),
        }
    }

    /// Against the true box: the outcome of the pointing game, and the intersection over union of the estimated box.
    pub(crate) fn measure(&self, truth: &Rect) -> (bool, f64) {
        if !self.verdict().is_evidence() {
            return (false, 0.0);
        }
        let strength = self.strength();
        (pointing_game(strength.view(), truth, 0), box_score(strength.view(), truth, CAM_THRESHOLD))
    }

    /// Laid over the picture, or in colours of its own; the untouched picture where there is nothing to show. Large enough to
    /// be seen.
    pub(crate) fn draw(&self, picture: &Picture) -> RgbImage {
        match self {
            Self::Cells(map) => {
                let over_input = map.over_input(Placement::Geometric);
                overlay(&picture.shown, picture.framing.spread(over_input.view()).view(), Colormap::default(), OPACITY)
            }
            Self::Pixels(map) if map.verdict().is_evidence() => enlarge(&signed(map.raw(), Reduction::Sum, PERCENTILE)),
            Self::Pixels(_) => picture.shown.clone(),
        }
    }

    /// Writes the signed numbers: `[h, w]` of the layer's cells, or `[H, W, C]` of the input.
    pub(crate) fn write_raw(&self, path: &Path) -> Result<(), NpyError> {
        match self {
            Self::Cells(map) => write_npy(path, map.raw()),
            Self::Pixels(map) => write_npy(path, map.raw()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_on_the_command_line() {
        for method in Method::ALL {
            assert_eq!(method.to_possible_value().unwrap().get_name(), method.id());
        }
        assert_eq!(Method::value_variants(), Method::ALL);
    }
}
