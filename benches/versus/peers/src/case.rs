//! The cases as `cases.py` sends them.

use std::path::PathBuf;

use serde::Deserialize;

use crate::fill;

/// A case of one of the suites.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "suite", rename_all = "lowercase")]
pub enum Case {
    /// One product of a convolution.
    Conv(Conv),
    /// One product of a fully connected layer.
    Fc(Dense),
    /// A training step.
    Train(Net),
    /// An explanation.
    Explain(Net),
    /// A whole network, from its file.
    Nets(Whole),
}

/// One product of a convolution.
#[derive(Clone, Debug, Deserialize)]
pub struct Conv {
    /// `"fwd"`, `"dx"` or `"dw"`.
    pub pass: String,
    /// `[N, H, W, Cin]`.
    pub x: [usize; 4],
    /// `[Kh, Kw, Cin / groups, Cout]`.
    pub w: [usize; 4],
    /// `[N, Ho, Wo, Cout]`.
    pub y: [usize; 4],
    /// Down and right.
    pub stride: usize,
    /// On all sides.
    pub padding: usize,
    /// Groups of channels.
    pub groups: usize,
}

impl Conv {
    /// The input.
    #[must_use]
    pub fn images(&self) -> Vec<f32> {
        fill(1, self.x.iter().product())
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> Vec<f32> {
        fill(2, self.w.iter().product())
    }

    /// The output's gradient.
    #[must_use]
    pub fn upstream(&self) -> Vec<f32> {
        fill(3, self.y.iter().product())
    }
}

/// One product of a fully connected layer.
#[derive(Clone, Debug, Deserialize)]
pub struct Dense {
    /// `"fwd"`, `"dx"` or `"dw"`.
    pub pass: String,
    /// `[N, in]`.
    pub x: [usize; 2],
    /// `[in, out]`.
    pub w: [usize; 2],
    /// `[N, out]`.
    pub y: [usize; 2],
}

/// A network and what to do with it.
#[derive(Clone, Debug, Deserialize)]
pub struct Net {
    /// `"step"`, `"grad-cam"` or `"guided"`.
    pub pass: String,
    /// Images.
    pub n: usize,
    /// `[H, W, C]`.
    pub input: [usize; 3],
    /// In order, each reading the one before it.
    pub layers: Vec<Layer>,
    /// In the order of the layers.
    pub parameters: Vec<Drawn>,
}

impl Net {
    /// Steps of a training before its parameters are compared.
    pub const CHECKED_STEPS: usize = 2;
    /// Of the training.
    pub const LEARNING_RATE: f64 = 0.01;
    /// Of the training.
    pub const MOMENTUM: f64 = 0.9;

    /// The shape of the images, `[N, H, W, C]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        shape(self.n, self.input)
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> Vec<f32> {
        fill(1, self.shape().iter().product())
    }

    /// A class for each image.
    #[must_use]
    pub fn labels(&self) -> Vec<usize> {
        labels(self.n)
    }

    /// Whether any layer reads another than the layer before it.
    #[must_use]
    pub fn branches(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Add { .. } | Layer::Conv { from: Some(_), .. }))
    }

    /// Each parameter's shape and first values.
    pub fn parameters(&self) -> impl Iterator<Item = (&[usize], Vec<f32>)> {
        self.parameters.iter().zip(100..).map(|(drawn, stream)| {
            let values = fill(stream, drawn.shape.iter().product());
            (&drawn.shape[..], values.into_iter().map(|v| v * drawn.scale + drawn.offset).collect())
        })
    }
}

/// A network in a file and what to do with it.
#[derive(Clone, Debug, Deserialize)]
pub struct Whole {
    /// `"fwd"`, `"grad-cam"`, `"guided"`, `"gradient"`, `"step"` or `"load"`.
    pub pass: String,
    /// Images.
    pub n: usize,
    /// `[H, W, C]`.
    pub input: [usize; 3],
    /// The ONNX file for forward passes and explanations.
    pub prediction: PathBuf,
    /// The ONNX file for training, with batch norms.
    pub training: PathBuf,
}

impl Whole {
    /// The shape of the images, `[N, H, W, C]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        shape(self.n, self.input)
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> Vec<f32> {
        fill(1, self.shape().iter().product())
    }

    /// A class for each image.
    #[must_use]
    pub fn labels(&self) -> Vec<usize> {
        labels(self.n)
    }
}

fn shape(n: usize, [h, w, c]: [usize; 3]) -> [usize; 4] {
    [n, h, w, c]
}

fn labels(n: usize) -> Vec<usize> {
    (0..n).map(|image| image % 10).collect()
}

/// A parameter: its value is `offset + scale · fill`.
#[derive(Clone, Debug, Deserialize)]
pub struct Drawn {
    /// `[Kh, Kw, Cin / groups, Cout]`, `[in, out]` or `[C]`.
    pub shape: Vec<usize>,
    /// Half the range.
    pub scale: f32,
    /// Its middle.
    pub offset: f32,
}

/// A layer.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Layer {
    /// Convolution.
    Conv {
        /// Output channels.
        out: usize,
        /// Its extent down and right.
        kernel: usize,
        /// Down and right.
        stride: usize,
        /// On all sides.
        padding: usize,
        /// Groups of channels.
        groups: usize,
        /// Whether there is one.
        bias: bool,
        /// The place of the layer that it reads, from 0, unless it is the layer before it.
        from: Option<usize>,
    },
    /// Batch normalisation.
    Bn,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// Largest value of windows side by side.
    MaxPool {
        /// Their extent down and right.
        size: usize,
    },
    /// Mean over all positions.
    Gap,
    /// Fully connected.
    Linear {
        /// Outputs.
        out: usize,
    },
    /// The sum of the layer before it and the one at that place.
    Add {
        /// From 0.
        with: usize,
    },
}
