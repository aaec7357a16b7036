//! The trait of all methods.

use std::fmt;

use nn::{Model, Real};
use serde_json::Value;

use super::Question;
use crate::error::ExplainError;
use crate::layer::LayerRef;
use crate::map::{Map, Quantity};
use crate::pass::Pass;

/// A method answers [questions](Question). Its settings are the fields of the type, as in
/// `SmoothGrad { samples: 200, ..SmoothGrad::default() }`.
///
/// The methods of this crate are listed in [`methods`](crate::methods). Your own methods are used in the same way:
///
/// ```
/// use attribution::question::{About, Cost, LooksAt, Method};
/// use attribution::{ExplainError, Map, Pass, Quantity, Question};
/// use nn::{Model, Real, layers::{Conv2d, GlobalAvgPool, Linear, Relu}};
/// use tensor::Tensor;
///
/// /// The sum of a layer's features.
/// #[derive(Debug)]
/// struct Activity;
///
/// static ABOUT: About = About {
///     id: "activity",
///     title: "activity",
///     source: "this example",
///     formula: "the sum of the layer's features",
///     looks_at: LooksAt::Layer,
///     quantity: Quantity::Magnitude,
///     cost: Cost::OnePass,
///     tells: "where the layer's features are strong",
///     does_not_tell: "anything about the class",
///     elsewhere: &[],
///     chapter: "chapter_09_cam",
/// };
///
/// impl<T: Real> Method<T> for Activity {
///     fn about(&self) -> &'static About {
///         &ABOUT
///     }
///
///     fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError> {
///         question.maps_from_features(ABOUT.quantity, |features, _| features.sum_axis(ndarray::Axis(2)))
///     }
/// }
///
/// # let model = Model::builder([16, 16, 1]).layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
/// #     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(3)).build(7)?;
/// let pass = Pass::new(&model, Tensor::from_fn([16, 16, 1], |i| (i as f32).sin()))?;
/// let map = pass.why(0).at("relu1").explain(&Activity)?;
/// assert!(map.verdict().is_evidence());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Method<T: Real = f32>: fmt::Debug + Send + Sync {
    /// The method's name, its source, and the meaning of its maps.
    fn about(&self) -> &'static About;

    /// Returns a map for each image of the pass.
    ///
    /// # Errors
    /// If the target or a layer doesn't fit the model, the method or its settings don't apply to the model, or the
    /// caller stopped the method.
    fn explain(&self, question: &Question<'_, T>) -> Result<Vec<Map<T>>, ExplainError>;

    /// Checks that the method and its settings apply to the model of a pass, without explaining anything.
    ///
    /// # Errors
    /// If they don't apply.
    fn check(&self, pass: &Pass<'_, T>) -> Result<(), ExplainError> {
        match self.about().looks_at {
            LooksAt::Layer => pass.spatial(LayerRef::Last).map(|_| ()),
            LooksAt::Head | LooksAt::Attention | LooksAt::Input => Ok(()),
        }
    }

    /// The settings as an object, or null if the method has none. With a model, the settings that depend on it are
    /// computed.
    fn settings(&self, model: Option<&Model<T>>) -> Value {
        let _ = model;
        Value::Null
    }
}

/// The description of a method.
#[derive(Debug)]
pub struct About {
    /// Its name on the command line and in files: `grad-cam`.
    pub id: &'static str,
    /// Its name in prose: `Grad-CAM`.
    pub title: &'static str,
    /// Authors and year of the paper: `Selvaraju et al. 2017`.
    pub source: &'static str,
    /// The computation in a few words.
    pub formula: &'static str,
    /// The values that it explains.
    pub looks_at: LooksAt,
    /// The meaning of its maps' values.
    pub quantity: Quantity,
    /// How often it runs the network.
    pub cost: Cost,
    /// The question that its maps answer. Completes "It tells …".
    pub tells: &'static str,
    /// A question that its maps don't answer. Completes "It doesn't tell …".
    pub does_not_tell: &'static str,
    /// Its names in other programs: Captum, pytorch-grad-cam, TorchCAM, zennit.
    pub elsewhere: &'static [&'static str],
    /// The chapter of the book with its derivation.
    pub chapter: &'static str,
}

/// The values that a method explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LooksAt {
    /// The features before global average pooling and the last layer.
    Head,
    /// Any layer whose output has positions.
    Layer,
    /// The attention between the tokens of all blocks.
    Attention,
    /// The image itself.
    Input,
}

/// How often a method runs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// At most one backward pass for a class.
    OnePass,
    /// A forward pass for each channel of the layer.
    EachChannel,
    /// A forward pass for each variant of the image, of which its settings say how many.
    EachVariant,
    /// Several backward passes, of which its settings say how many.
    Gradients,
}

impl Cost {
    /// Whether it runs the network for scores alone, many times, so that workers can [share](super::Question::share) the runs.
    #[must_use]
    pub fn is_many_scores(self) -> bool {
        matches!(self, Self::EachChannel | Self::EachVariant)
    }
}

impl About {
    /// Whether it can explain any layer.
    #[must_use]
    pub fn takes_layer(&self) -> bool {
        self.looks_at == LooksAt::Layer
    }
}
