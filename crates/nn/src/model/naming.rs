//! Names and layouts of the tensors in files of weights.

/// The names and the layout of the tensors in a file of weights.
///
/// ```
/// use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
/// use nn::{Model, Naming, WeightLayout};
/// let net = Model::builder([28, 28, 1])
///     .layer("conv1", Conv2d::new(8, 3)).layer("relu1", Relu)
///     .layer("gap", GlobalAvgPool).layer("fc", Linear::new(10));
/// // As for torch.nn.Sequential: `0.weight` [8, 1, 3, 3] and `4.weight` [10, 8].
/// let naming = Naming { layout: WeightLayout::PyTorch, layers: &[("conv1", "0"), ("fc", "4")] };
/// let file = net.clone().build(1)?.weights_to_bytes(&naming)?;
/// assert_eq!(net.clone().build_with(&file, &naming)?, net.build(1)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Naming<'a> {
    /// The layout.
    pub layout: WeightLayout,
    /// Pairs of a layer's name in the model and its name in the file, for layers whose names differ.
    pub layers: &'a [(&'a str, &'a str)],
}

/// The order of the axes of weights in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightLayout {
    /// That of this crate: convolutions `[Kh, Kw, Cin/groups, Cout]`, fully connected layers `[in, out]`, flattened from
    /// `[H, W, C]`.
    #[default]
    ChannelsLast,
    /// That of PyTorch: convolutions `[Cout, Cin/groups, Kh, Kw]`, fully connected layers `[out, in]`, flattened from
    /// `[C, H, W]`.
    PyTorch,
}

impl WeightLayout {
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::ChannelsLast => "convolutions [Kh, Kw, Cin/groups, Cout], fully connected layers [in, out]",
            Self::PyTorch => {
                "in PyTorch's layout: convolutions [Cout, Cin/groups, Kh, Kw], fully connected layers [out, in]"
            }
        }
    }
}

impl Naming<'_> {
    /// The name in the file, such as `features.0.weight`, of a parameter.
    pub(super) fn tensor(&self, parameter: &str) -> String {
        let (layer, kind) = parameter.rsplit_once('.').expect("parameters are named LAYER.KIND");
        let theirs = self.layers.iter().find(|(ours, _)| *ours == layer).map_or(layer, |(_, theirs)| theirs);
        format!("{theirs}.{kind}")
    }
}
