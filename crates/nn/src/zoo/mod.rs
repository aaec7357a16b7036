//! Well-known architectures, to be trained or filled with weights from elsewhere
//! ([`ModelBuilder::build_with`](crate::ModelBuilder::build_with)).
//!
//! [`u_net`] gives a map of scores. Each other network can end with global average pooling and one fully connected layer, so that CAM applies, or with flattening ([`Head`]).
//!
//! ```
//! use nn::zoo::{Head, Net};
//!
//! let net: Net = "resnet20".parse()?;
//! let model = net.builder([32, 32, 3], 10, Head::GlobalAvgPool).build(42)?;
//! assert_eq!(model.summary().parameters, 272_474);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod all_cnn;
mod efficientnet_lite;
mod lenet;
mod mobilenet;
mod resnet;
mod u_net;
mod vgg;
mod vit;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use efficientnet_lite::{BatchNorms, efficientnet_lite0};
pub use u_net::u_net;

use crate::layers::{BatchNorm, Conv2d, Flatten, GlobalAvgPool, Linear, Relu};
use crate::model::ModelBuilder;

/// An architecture of the zoo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Net {
    /// LeNet-5, with ReLU and max pooling (LeCun et al. 1998).
    #[serde(rename = "lenet5")]
    LeNet5,
    /// All-CNN-C (Springenberg et al. 2015): strides instead of pooling.
    AllCnn,
    /// The residual network for small pictures with 6·1 + 2 layers (He et al. 2016, §4.2).
    #[serde(rename = "resnet8")]
    ResNet8,
    /// The residual network for small pictures with 6·3 + 2 layers (He et al. 2016, §4.2).
    #[serde(rename = "resnet20")]
    ResNet20,
    /// Depthwise separable convolutions, for small pictures (after Howard et al. 2017).
    #[serde(rename = "mobilenet")]
    MobileNet,
    /// Pairs of 3×3 convolutions, then max pooling (after Simonyan and Zisserman 2015).
    Vgg,
    /// A vision transformer for small pictures (after Dosovitskiy et al. 2021).
    Vit,
    /// EfficientNet-Lite0 (Liu 2020, after Tan and Le 2019), for photographs of 224×224.
    #[serde(rename = "efficientnet-lite0")]
    EfficientNetLite0,
}

/// The head of a network: its last layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Global average pooling and one fully connected layer: what CAM needs.
    #[default]
    GlobalAvgPool,
    /// Flattening and fully connected layers, with separate weights for each position: CAM doesn't apply.
    Flatten,
}

/// The zoo has no network of this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no network `{name}`; the zoo has {}", Net::ALL.map(Net::name).join(", "))]
pub struct UnknownNet {
    /// The name.
    pub name: String,
}

impl Net {
    /// All networks, the simplest first.
    pub const ALL: [Self; 8] = [
        Self::LeNet5,
        Self::Vgg,
        Self::AllCnn,
        Self::ResNet8,
        Self::ResNet20,
        Self::MobileNet,
        Self::Vit,
        Self::EfficientNetLite0,
    ];

    /// The name on the command line and in files, such as `resnet20`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LeNet5 => "lenet5",
            Self::AllCnn => "all-cnn",
            Self::ResNet8 => "resnet8",
            Self::ResNet20 => "resnet20",
            Self::MobileNet => "mobilenet",
            Self::Vgg => "vgg",
            Self::Vit => "vit",
            Self::EfficientNetLite0 => "efficientnet-lite0",
        }
    }

    /// A description in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::LeNet5 => "two convolutions, two poolings, and fully connected layers: where it all began",
            Self::AllCnn => "only convolutions and ReLUs: the network that guided backpropagation was made for",
            Self::ResNet8 => "three residual blocks, one for each resolution: gradients can bypass every layer",
            Self::ResNet20 => "nine residual blocks, as in the paper's experiments on small pictures",
            Self::MobileNet => "depthwise separable convolutions: few multiply–adds, many layers",
            Self::Vgg => "pairs of 3×3 convolutions and max pooling: CAM's and Grad-CAM's first subject",
            Self::Vit => "four blocks of attention over patches of 4×4 or 6×6: the mean of the tokens is classified",
            Self::EfficientNetLite0 => "inverted residuals with ReLU6, for photographs of 224×224",
        }
    }

    /// The head in the network's paper.
    #[must_use]
    pub fn head(self) -> Head {
        match self {
            Self::LeNet5 | Self::Vgg => Head::Flatten,
            _ => Head::GlobalAvgPool,
        }
    }

    /// The network for images `[H, W, C]` and this number of classes. If the images are too small for it,
    /// [`ModelBuilder::build`] returns an error.
    #[must_use]
    pub fn builder(self, input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
        match self {
            Self::LeNet5 => lenet::lenet5(input, classes, head),
            Self::AllCnn => all_cnn::all_cnn_c(input, classes, head),
            Self::ResNet8 => resnet::resnet(input, classes, head, 1),
            Self::ResNet20 => resnet::resnet(input, classes, head, 3),
            Self::MobileNet => mobilenet::mobilenet(input, classes, head),
            Self::Vgg => vgg::vgg(input, classes, head),
            Self::Vit => vit::vit(input, classes, head),
            Self::EfficientNetLite0 => efficientnet_lite0(input, classes, head, BatchNorms::Separate),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Net {
    type Err = UnknownNet;

    fn from_str(name: &str) -> Result<Self, UnknownNet> {
        Self::ALL.into_iter().find(|net| net.name() == name).ok_or_else(|| UnknownNet { name: name.into() })
    }
}

/// Adds the head, with one fully connected layer.
fn end(builder: ModelBuilder, head: Head, classes: usize) -> ModelBuilder {
    pooled(builder, head).layer("fc", Linear::new(classes))
}

/// Adds the pooling or flattening of the head: `[N, H, W, C]` → `[N, K]`.
fn pooled(builder: ModelBuilder, head: Head) -> ModelBuilder {
    match head {
        Head::GlobalAvgPool => builder.layer("gap", GlobalAvgPool),
        Head::Flatten => builder.layer("flatten", Flatten),
    }
}

/// Adds a convolution without a bias, a batch norm `NAME.bn` and a ReLU `NAME.relu`.
fn conv_bn_relu(builder: ModelBuilder, name: &str, conv: Conv2d) -> ModelBuilder {
    builder
        .layer(name, conv.without_bias())
        .layer(format!("{name}.bn"), BatchNorm::new())
        .layer(format!("{name}.relu"), Relu)
}

#[cfg(test)]
mod tests {
    use tensor::Tensor;

    use super::*;
    use crate::ModelError;
    use crate::optim::Adam;
    use crate::train::train_step;

    fn parameters(net: Net, input: [usize; 3], classes: usize, head: Head) -> usize {
        net.builder(input, classes, head).build(1).unwrap().summary().parameters
    }

    #[test]
    fn parameters_are_as_many_as_published() {
        // LeNet-5 whose third convolution layer is full; All-CNN-C; ResNet-20 with projections (0.27 million in the
        // paper); EfficientNet-Lite0 (4.7 million).
        assert_eq!(parameters(Net::LeNet5, [28, 28, 1], 10, Head::Flatten), 61_706);
        assert_eq!(parameters(Net::AllCnn, [32, 32, 3], 10, Head::GlobalAvgPool), 1_369_738);
        assert_eq!(parameters(Net::ResNet20, [32, 32, 3], 10, Head::GlobalAvgPool), 272_474);
        assert_eq!(parameters(Net::EfficientNetLite0, [224, 224, 3], 1000, Head::GlobalAvgPool), 4_652_008);
    }

    #[test]
    fn names_are_found_again() {
        for net in Net::ALL {
            assert_eq!(net.name().parse(), Ok(net));
            assert_eq!(serde_json::to_string(&net).unwrap(), format!("\"{net}\""));
            assert!(!net.about().is_empty());
        }
        let error = "resnet".parse::<Net>().unwrap_err().to_string();
        assert!(error.contains("no network `resnet`") && error.contains("resnet8, resnet20"), "{error}");
    }

    #[test]
    fn cam_applies_to_one_head_and_not_to_the_other() {
        for net in Net::ALL {
            let model = |head| net.builder([32, 32, 3], 4, head).build(1).unwrap();
            assert!(model(Head::GlobalAvgPool).gap_head().is_some(), "{net}");
            assert_eq!(model(Head::Flatten).gap_head(), None, "{net}");
            assert_ne!(net.head() == Head::GlobalAvgPool, model(net.head()).gap_head().is_none(), "{net}");
        }
    }

    #[test]
    fn a_picture_that_is_too_small_is_an_error() {
        let error = Net::LeNet5.builder([6, 6, 1], 4, Head::Flatten).build(1).unwrap_err();
        assert!(matches!(error, ModelError::Layer { .. }), "{error}");
    }

    /// The mean loss of the first three and of the last three of thirty steps on four images, each bright in one quarter.
    fn losses(net: Net) -> (f64, f64) {
        let light = |image: usize, y: usize, x: usize| f32::from(u8::from((y / 8, x / 8) == (image / 2, image % 2)));
        let images =
            Tensor::from_fn([4, 16, 16, 1], |i| light(i / 256, i / 16 % 16, i % 16) + (i * 37 % 40) as f32 / 200.0);
        let mut model = net.builder([16, 16, 1], 4, net.head()).build(3).unwrap();
        let mut adam = Adam::new(1e-3);
        let mut step = |seed| train_step(&mut model, &mut adam, images.clone(), &[0, 1, 2, 3], 0.0, seed).unwrap();
        let losses: Vec<f64> = (0..30).map(|seed| f64::from(step(seed))).collect();
        assert!(model.parameters().iter().all(|p| p.value.as_slice().iter().all(|x| x.is_finite())), "{net}");
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        (mean(&losses[..3]), mean(&losses[27..]))
    }

    #[test]
    fn a_few_steps_of_training_lower_the_loss() {
        for net in Net::ALL {
            let (first, last) = losses(net);
            assert!(last < first, "{net}: {first} to {last}");
        }
    }
}
