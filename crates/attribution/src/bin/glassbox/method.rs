//! The methods by their names on the command line, and what they give.

use attribution::framing::Framing;
use attribution::measures::{CAM_THRESHOLD, box_score, pointing_game};
use attribution::methods::{Family, IntegratedGradients, Noise, Occlusion, Rise};
use attribution::npy::{NpyError, write_npy};
use attribution::render::{
    Colormap, OPACITY, PERCENTILE, Reduction, enlarge, overlay, signed, signed_color, signed_scale,
};
use attribution::rules::Lrp;
use attribution::{
    ExplainError, Explainer, Explanation, Heatmap, LayerRef, Pass, Photo, Placement, Saliency, Target, Verdict,
};
use clap::ValueEnum;
use image::RgbImage;
use image::imageops::{FilterType, replace, resize};
use ndarray::Array2;
use nn::Model;
use nn::data::Rect;
use std::path::Path;
use tensor::Tensor;

use crate::complain;
use crate::interrupt::{Watch, patiently};
use crate::picture::Picture;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Method {
    /// Class activation mapping (Zhou et al. 2016); needs global average pooling and one fully connected layer at the end
    Cam,
    /// Grad-CAM (Selvaraju et al. 2017); any network, any layer
    GradCam,
    /// Grad-CAM++ (Chattopadhay et al. 2018)
    #[value(name = "grad-cam++")]
    GradCamPlusPlus,
    /// HiResCAM (Draelos and Carin 2020)
    #[value(name = "hires-cam")]
    HiResCam,
    /// LayerCAM (Jiang et al. 2021)
    LayerCam,
    /// XGrad-CAM (Fu et al. 2020)
    #[value(name = "xgrad-cam")]
    XGradCam,
    /// Eigen-CAM (Muhammad and Yeasin 2020); knows no class
    EigenCam,
    /// Score-CAM (Wang et al. 2020); runs the network once for each channel
    ScoreCam,
    /// Ablation-CAM (Desai and Ramaswamy 2020); runs the rest of the network once for each channel
    AblationCam,
    /// Guided backpropagation (Springenberg et al. 2015); networks of ReLUs
    GuidedBackprop,
    /// Guided Grad-CAM (Selvaraju et al. 2017): the two multiplied
    GuidedGradCam,
    /// The deconvolutional network (Zeiler and Fergus 2014); networks of ReLUs
    Deconvnet,
    /// The gradient (Simonyan et al. 2014)
    Gradient,
    /// Input × gradient (Shrikumar et al. 2016)
    InputXGradient,
    /// SmoothGrad (Smilkov et al. 2017): the mean of 50 gradients
    SmoothGrad,
    /// VarGrad (Adebayo et al. 2018): their variance
    VarGrad,
    /// Integrated gradients (Sundararajan et al. 2017) from a black picture
    IntegratedGradients,
    /// Layer-wise relevance propagation (Bach et al. 2015): ε in fully connected layers, z⁺ in convolutions, zᴮ at the image
    Lrp,
    /// FullGrad (Srinivas and Fleuret 2019): the gradient of the image and of every bias
    FullGrad,
    /// Occlusion (Zeiler and Fergus 2014) by black squares of a sixth of the picture
    Occlusion,
    /// RISE (Petsiuk et al. 2018), 1000 masks
    Rise,
}

impl Method {
    /// Those that explain where nothing else is asked for.
    pub(crate) const USUAL: [Self; 4] = [Self::Cam, Self::GradCam, Self::GuidedBackprop, Self::GuidedGradCam];

    /// As it is called in prose.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cam => "CAM",
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
            Self::HiResCam => "HiResCAM",
            Self::LayerCam => "LayerCAM",
            Self::XGradCam => "XGrad-CAM",
            Self::EigenCam => "Eigen-CAM",
            Self::ScoreCam => "Score-CAM",
            Self::AblationCam => "Ablation-CAM",
            Self::GuidedBackprop => "guided backprop",
            Self::GuidedGradCam => "guided Grad-CAM",
            Self::Deconvnet => "deconvnet",
            Self::Gradient => "gradient",
            Self::InputXGradient => "input × gradient",
            Self::SmoothGrad => "SmoothGrad",
            Self::VarGrad => "VarGrad",
            Self::IntegratedGradients => "integrated grad.",
            Self::Lrp => "LRP",
            Self::FullGrad => "FullGrad",
            Self::Occlusion => "occlusion",
            Self::Rise => "RISE",
        }
    }

    /// As it is called on the command line and in files.
    pub(crate) fn id(self) -> String {
        self.to_possible_value().expect("every method can be asked for").get_name().to_string()
    }

    /// Whether its maps are of the input's own values, for and against, rather than of a layer's cells.
    pub(crate) fn is_signed(self) -> bool {
        matches!(
            self,
            Self::GuidedBackprop
                | Self::GuidedGradCam
                | Self::Deconvnet
                | Self::Gradient
                | Self::InputXGradient
                | Self::SmoothGrad
                | Self::VarGrad
                | Self::IntegratedGradients
                | Self::Lrp
        )
    }

    /// The member of the class-activation family that it is, of which several layers' maps have a mean.
    fn family(self) -> Option<Family> {
        match self {
            Self::GradCam => Some(Family::GradCam),
            Self::GradCamPlusPlus => Some(Family::GradCamPlusPlus),
            Self::HiResCam => Some(Family::HiResCam),
            Self::LayerCam => Some(Family::LayerCam),
            Self::XGradCam => Some(Family::XGradCam),
            _ => None,
        }
    }

    /// Whether it can look at several layers together.
    pub(crate) fn takes_layers(self) -> bool {
        self.family().is_some()
    }

    /// Whether it can look at any layer; the others look where they must.
    pub(crate) fn takes_layer(self) -> bool {
        let of_one = matches!(self, Self::EigenCam | Self::ScoreCam | Self::AblationCam | Self::GuidedGradCam);
        of_one || self.takes_layers()
    }

    /// A map for each image of the pass: at the first of these layers, the last with positions if there are none; of several
    /// layers a [family](Self::family) has the mean. `watch` is told how far those have come that run the network many times.
    pub(crate) fn explain(
        self,
        pass: &Pass<'_>,
        layers: &[LayerRef<'_>],
        target: &Target,
        watch: Watch<'_>,
    ) -> Result<Explanation<Map>, ExplainError> {
        let (layer, target) = (layers.first().copied().unwrap_or_default(), target.clone());
        let cells = |found| each(found, Map::Cells);
        let pixels = |found| each(found, Map::Pixels);
        match self {
            Self::Cam => pass.cam(target).map(cells),
            Self::GradCam | Self::GradCamPlusPlus | Self::HiResCam | Self::LayerCam | Self::XGradCam => {
                let family = self.family().expect("one of them");
                match layers.len() {
                    0 | 1 => pass.class_activation(family, layer, target).map(cells),
                    _ => pass.mean_over_layers(family, layers.iter().copied(), target).map(cells),
                }
            }
            Self::EigenCam => pass.eigen_cam(layer).map(cells),
            Self::ScoreCam => pass.score_cam(layer, target, watch).map(cells),
            Self::AblationCam => pass.ablation_cam(layer, target, watch).map(cells),
            Self::GuidedBackprop => pass.guided_backprop(target).map(pixels),
            Self::GuidedGradCam => pass.guided_grad_cam(layer, target).map(pixels),
            Self::Deconvnet => pass.deconvnet(target).map(pixels),
            Self::Gradient => pass.gradient(target).map(pixels),
            Self::InputXGradient => pass.input_x_gradient(target).map(pixels),
            Self::SmoothGrad => pass.smooth_grad(target, Noise::default(), watch).map(pixels),
            Self::VarGrad => pass.var_grad(target, Noise::default(), watch).map(pixels),
            Self::IntegratedGradients => {
                let path = IntegratedGradients::default();
                pass.integrated_gradients(target, &path, watch).map(|(found, _)| pixels(found))
            }
            Self::Lrp => pass.lrp(target, &Lrp::by_depth(pass.model())).map(pixels),
            Self::FullGrad => pass.full_grad(target).map(cells),
            Self::Occlusion => {
                let [height, width, _] = pass.model().input_shape();
                let squares = Occlusion::square(height.min(width).div_ceil(6));
                pass.occlusion(target, &squares, watch).map(cells)
            }
            Self::Rise => pass.rise(target, Rise { masks: 1000, ..Rise::default() }, watch).map(cells),
        }
    }
}

/// Those methods that have a reading for the network; of the others it says why not.
pub(crate) fn applicable(methods: &[Method], model: &Model) -> Result<Vec<Method>, ExplainError> {
    let pass = Explainer::new(model).observe(Tensor::zeros(model.input_shape()))?;
    let mut found = Vec::new();
    for method in methods {
        match method.explain(&pass, &[], &0.into(), &patiently) {
            Ok(_) => found.push(*method),
            Err(reason) => complain!("{} is left out: {reason}.", method.title()),
        }
    }
    Ok(found)
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

    /// As large as the input, `[H, W]`, values in [0, 1], for the measures: the positive part of a layer's map, the magnitude
    /// of a pixel's; zero where the map isn't evidence.
    pub(crate) fn strength(&self) -> Array2<f32> {
        match self {
            Self::Cells(map) => map.over_input(Placement::Geometric),
            Self::Pixels(map) => {
                let magnitude = map.magnitude();
                let most = magnitude.iter().copied().fold(0.0, f32::max);
                if map.verdict().is_evidence() { magnitude / most } else { Array2::zeros(magnitude.raw_dim()) }
            }
        }
    }

    /// Against the true box: the outcome of the pointing game, and the intersection over union of the estimated box.
    pub(crate) fn measure(&self, truth: &Rect) -> (bool, f64) {
        let strength = self.strength();
        (pointing_game(strength.view(), truth, 0), box_score(strength.view(), truth, CAM_THRESHOLD))
    }

    /// The value that gets the full colour where the map has a scale of its own; 0 where it isn't evidence.
    pub(crate) fn full(&self) -> f32 {
        match self {
            _ if !self.verdict().is_evidence() => 0.0,
            Self::Cells(map) => map.positive_over_input(Placement::Geometric).iter().copied().fold(0.0, f32::max),
            Self::Pixels(map) => signed_scale(map.raw(), Reduction::Sum, PERCENTILE),
        }
    }

    /// Laid over the picture, or in colours of its own; the untouched picture where there is nothing to show. Large enough to
    /// be seen. `full` is the value that gets the full colour.
    pub(crate) fn draw(&self, picture: &Picture, full: f32) -> RgbImage {
        match self {
            _ if !self.verdict().is_evidence() => picture.shown.clone(),
            Self::Cells(map) => {
                let strength = map.positive_over_input(Placement::Geometric) / full;
                overlay(&picture.shown, picture.framing.spread(strength.view()).view(), Colormap::default(), OPACITY)
            }
            Self::Pixels(map) => {
                let drawn = signed(map.raw(), Reduction::Sum, full);
                match picture.framing.part.area() == picture.framing.picture.0 * picture.framing.picture.1 {
                    true => enlarge(&drawn),
                    // Where it lies on the picture, so that the panels of a sheet can be compared.
                    false => {
                        let (width, height) = picture.shown.dimensions();
                        placed(&drawn, &picture.framing, RgbImage::from_pixel(width, height, signed_color(0.0)))
                    }
                }
            }
        }
    }

    /// Laid over the picture at its own size; the untouched picture where there is nothing to show.
    pub(crate) fn over(&self, photo: &Photo, model: &Model) -> RgbImage {
        match self {
            Self::Cells(map) => map.over(photo),
            Self::Pixels(map) if map.verdict().is_evidence() => {
                let [height, width, _] = model.input_shape();
                let framing = Framing::new((photo.height(), photo.width()), (height, width), model.info().crop);
                placed(&signed(map.raw(), Reduction::Sum, self.full()), &framing, photo.to_rgb())
            }
            Self::Pixels(_) => photo.to_rgb(),
        }
    }

    /// `[h, w]` of the layer's cells, or `[H, W, C]` of the input.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::Cells(map) => map.raw().shape().to_vec(),
            Self::Pixels(map) => map.raw().shape().to_vec(),
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

/// A drawing of the input, put on the canvas where the input lies on the picture.
fn placed(drawing: &RgbImage, framing: &Framing, mut canvas: RgbImage) -> RgbImage {
    let Rect { top, left, height, width } = framing.part;
    let part = resize(drawing, width as u32, height as u32, FilterType::Triangle);
    replace(&mut canvas, &part, left as i64, top as i64);
    canvas
}
