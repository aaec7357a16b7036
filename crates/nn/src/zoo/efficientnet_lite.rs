//! EfficientNet-Lite0.

use super::{Head, pooled};
use crate::geometry::{Convolution, Padding};
use crate::layers::{Add, BatchNorm, Clip, Conv2d, Dropout, Linear};
use crate::model::{Model, ModelBuilder};

/// Whether there are batch norms after the convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchNorms {
    /// There is one after each, with ε = 10⁻³: for training.
    Separate,
    /// They are folded into the convolutions' weights and biases: for explanations.
    Folded,
}

/// For each stage: number of blocks, kernel size, stride of the first block, expansion, output channels.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
];

/// EfficientNet-Lite0: the network of Tan and Le, *EfficientNet*, 2019, table 1, without squeeze-and-excitation and with
/// ReLU6 instead of SiLU (Liu, *Higher accuracy on vision models with EfficientNet-Lite*, 2020). Designed for `[224, 224, 3]`.
///
/// It consists of `stem`, inverted residual blocks, `head` and `fc`. The layers of block I are `blocks.I.expand` (1×1) and
/// `blocks.I.dw` (depthwise), each with ReLU6, `blocks.I.project` (1×1) without, and `blocks.I.add` if the shape doesn't change.
/// The padding is TensorFlow's ([`Padding::same`]).
#[must_use]
pub fn efficientnet_lite0(input: [usize; 3], classes: usize, head: Head, batch_norms: BatchNorms) -> ModelBuilder {
    let [height, width, channels] = input;
    let last = String::new();
    let trunk = Trunk { builder: Model::builder(input), extent: [height, width], channels, last, batch_norms };
    let mut trunk = trunk.conv("stem", 32, 3, 2, 1).relu6();
    let mut block = 0;
    for (blocks, kernel, first_stride, expansion, out_channels) in STAGES {
        for index in 0..blocks {
            let at = |part: &str| format!("blocks.{block}.{part}");
            let stride = if index == 0 { first_stride } else { 1 };
            let (before, inner) = (trunk.last.clone(), trunk.channels * expansion);
            if expansion > 1 {
                trunk = trunk.conv(&at("expand"), inner, 1, 1, 1).relu6();
            }
            trunk = trunk.conv(&at("dw"), inner, kernel, stride, inner).relu6();
            trunk = trunk.conv(&at("project"), out_channels, 1, 1, 1);
            if index > 0 {
                trunk = trunk.plus(&at("add"), &before);
            }
            block += 1;
        }
    }
    let builder = pooled(trunk.conv("head", 1280, 1, 1, 1).relu6().builder, head);
    builder.layer("dropout", Dropout { probability: 0.2 }).layer("fc", Linear::new(classes))
}

/// The layers so far.
struct Trunk {
    builder: ModelBuilder,
    /// `[H, W]` of the last layer's output.
    extent: [usize; 2],
    /// Number of channels of the last layer's output.
    channels: usize,
    /// Name of the last layer that isn't an activation or a batch norm.
    last: String,
    batch_norms: BatchNorms,
}

impl Trunk {
    fn conv(self, name: &str, out_channels: usize, kernel: usize, stride: usize, groups: usize) -> Self {
        let padding = Padding::same(self.extent, [kernel; 2], [stride; 2], [1, 1]);
        let conv = Convolution { padding, ..Convolution::default().stride(stride).groups(groups) };
        let bias = self.batch_norms == BatchNorms::Folded;
        let mut builder = self.builder.layer(name, Conv2d { out_channels, kernel: [kernel; 2], conv, bias });
        if !bias {
            builder = builder.layer(format!("{name}.bn"), BatchNorm { epsilon: 1e-3, momentum: 0.01 });
        }
        let extent = self.extent.map(|side| side.div_ceil(stride));
        Self { builder, extent, channels: out_channels, last: name.into(), ..self }
    }

    fn relu6(self) -> Self {
        let name = format!("{}.relu6", self.last);
        Self { builder: self.builder.layer(name, Clip::RELU6), ..self }
    }

    /// Adds the block's shortcut, from the layer before the block.
    fn plus(self, name: &str, before: &str) -> Self {
        let project = match self.batch_norms {
            BatchNorms::Separate => format!("{}.bn", self.last),
            BatchNorms::Folded => self.last,
        };
        Self { builder: self.builder.layer_from(name, Add, &[&project, before]), last: name.into(), ..self }
    }
}
