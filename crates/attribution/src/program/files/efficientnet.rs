//! EfficientNet-Lite0, trained on ImageNet, with batch norms folded, given its weights.

use nn::data::Normalization;
use nn::zoo::{BatchNorms, Head, efficientnet_lite0};
use nn::{Model, ModelInfo, Naming};

use super::Failure;

/// The name that replaces a file name in the output.
pub(crate) const NAME: &str = "EfficientNet-Lite0";

const LABELS: &str = include_str!("../../../pretrained/efficientnet-lite0/labels.txt");

/// The network, for photographs.
pub(crate) fn with_weights(file: &[u8]) -> Result<Model, Failure> {
    let classes: Vec<String> = LABELS.lines().map(String::from).collect();
    let normalization = Normalization::new(vec![127.0; 3], vec![128.0; 3])?.with_scale(1.0)?;
    let builder = efficientnet_lite0([224, 224, 3], classes.len(), Head::GlobalAvgPool, BatchNorms::Folded);
    let info = ModelInfo { classes, normalization: Some(normalization), ..ModelInfo::default() };
    Ok(builder.info(info).build_with(file, &Naming::default())?)
}
