//! The class-activation family: methods that make a map from a layer's features and their gradients.

use ndarray::{Array2, ArrayView3};
use nn::{Real, Source};

use crate::error::ExplainError;
use crate::explanation::Explanation;
use crate::geometry::Cells;
use crate::gradients::Reading;
use crate::heatmap::{Heatmap, Placement};
use crate::methods::{grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam};
use crate::pass::{LayerRef, Pass, of_image};
use crate::target::Target;

/// A method that makes a map from a layer's features and their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// [`grad_cam`].
    #[default]
    GradCam,
    /// [`grad_cam_plus_plus`].
    GradCamPlusPlus,
    /// [`hires_cam`].
    HiResCam,
    /// [`layer_cam`].
    LayerCam,
    /// [`xgrad_cam`].
    XGradCam,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::GradCam, Self::GradCamPlusPlus, Self::HiResCam, Self::LayerCam, Self::XGradCam];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
            Self::HiResCam => "HiResCAM",
            Self::LayerCam => "LayerCAM",
            Self::XGradCam => "XGrad-CAM",
        }
    }

    /// The map `[h, w]` of features and gradients `[h, w, C]`.
    #[must_use]
    pub fn map<T: Real>(self, features: ArrayView3<T>, gradients: ArrayView3<T>) -> Array2<T> {
        match self {
            Self::GradCam => grad_cam(features, gradients),
            Self::GradCamPlusPlus => grad_cam_plus_plus(features, gradients),
            Self::HiResCam => hires_cam(features, gradients),
            Self::LayerCam => layer_cam(features, gradients),
            Self::XGradCam => xgrad_cam(features, gradients),
        }
    }
}

/// The methods of one layer: for each a function of [`Pass`] by its name.
macro_rules! named {
    ($($method:ident $kind:ident $name:literal),+ $(,)?) => {
        $(
            #[doc = concat!($name, " at any layer whose output has positions: [`", stringify!($method), "`](crate::methods::", stringify!($method), ").")]
            ///
            /// # Errors
            /// Where there is no such layer, its output has no positions, or the target doesn't fit.
            pub fn $method<'a>(
                &self,
                layer: impl Into<LayerRef<'a>>,
                target: impl Into<Target<T>>,
            ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
                self.class_activation(Family::$kind, layer, target)
            }
        )+
    };
}

impl<T: Real> Pass<'_, T> {
    named! {
        grad_cam GradCam "Grad-CAM",
        grad_cam_plus_plus GradCamPlusPlus "Grad-CAM++",
        hires_cam HiResCam "HiResCAM",
        layer_cam LayerCam "LayerCAM",
        xgrad_cam XGradCam "XGrad-CAM",
    }

    /// A map of one layer by any method of the family. All of them, at all layers, share the target's one backward pass.
    ///
    /// # Errors
    /// Where there is no such layer, its output has no positions, or the target doesn't fit.
    pub fn class_activation<'a>(
        &self,
        method: Family,
        layer: impl Into<LayerRef<'a>>,
        target: impl Into<Target<T>>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let (layer, target) = (self.spatial(layer.into())?, target.into());
        let backward = self.backward(Reading::Exact, Source::Layer(layer), &self.seed(&target)?)?;
        let gradients = backward.at(Source::Layer(layer)).expect("computed");
        let features = self.var(Source::Layer(layer)).value();
        let map = |image| {
            let gradients = of_image(gradients, image);
            let zero = gradients.iter().all(|g| g.is_zero());
            let map = self.heatmap(image, layer, method.map(of_image(features, image), gradients), zero);
            Heatmap { verdict: self.traced(map.verdict, image, &backward), ..map }
        };
        Ok(Explanation {
            method: method.name(),
            target: target.to_string(),
            layers: vec![self.layer_name(layer)],
            coverage: None,
            maps: (0..self.images()).map(map).collect(),
        })
    }

    /// The mean of several layers' maps, each upsampled to the image (bilinear, stretched edge to edge) and scaled to
    /// [0, 1]. A layer whose map isn't evidence adds nothing; if none is, the verdict is that of the last one.
    ///
    /// # Errors
    /// As for one layer, and without any.
    pub fn mean_over_layers<'a, L: Into<LayerRef<'a>>>(
        &self,
        method: Family,
        layers: impl IntoIterator<Item = L>,
        target: impl Into<Target<T>>,
    ) -> Result<Explanation<Heatmap<T>>, ExplainError> {
        let (target, [height, width, _]) = (target.into(), self.model.input_shape());
        let one = |layer: L| self.class_activation(method, layer, target.clone());
        let each: Vec<_> = layers.into_iter().map(one).collect::<Result<_, _>>()?;
        let last = each.last().ok_or(ExplainError::NoLayers)?;
        let mean = |image: usize| {
            let maps = each.iter().map(|explanation| explanation[image].over_input(Placement::Stretched));
            let sum = maps.fold(Array2::zeros((height, width)), |sum, map| sum + map);
            let mean = self.heatmap_of_pixels(image, sum.mapv(|v: T| v / T::from_f64(each.len() as f64)));
            let silent = !each.iter().any(|explanation| explanation[image].verdict().is_evidence());
            if silent { Heatmap { verdict: last[image].verdict.clone(), ..mean } } else { mean }
        };
        Ok(Explanation {
            method: method.name(),
            target: target.to_string(),
            layers: each.iter().flat_map(|explanation| explanation.layers.clone()).collect(),
            coverage: None,
            maps: (0..self.images()).map(mean).collect(),
        })
    }

    /// A map of the image's pixels, `[H, W]`.
    pub(crate) fn heatmap_of_pixels(&self, image: usize, values: Array2<T>) -> Heatmap<T> {
        self.heatmap_of(image, Some(Cells::PIXELS), values, false)
    }
}
