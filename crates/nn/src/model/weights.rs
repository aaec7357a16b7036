//! Weights in safetensors files without an architecture: saved by PyTorch, or for it.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tensor::Tensor;

use super::error::{FileError, FileErrorKind, WeightError};
use super::file::{bytes, floats};
use super::{Model, ModelBuilder, Source, most_similar};
use crate::files::write_whole;
use crate::layer::Layer;
use crate::layout::permuted;

/// How the tensors of a file of weights are named and laid out.
///
/// ```
/// use nn::{Layer, Model, Naming, WeightLayout};
/// let net = Model::builder([28, 28, 1])
///     .layer("conv1", Layer::conv(8, 3)).layer("relu1", Layer::Relu)
///     .layer("gap", Layer::GlobalAvgPool).layer("fc", Layer::linear(10));
/// // As of torch.nn.Sequential: `0.weight` [8, 1, 3, 3] and `4.weight` [10, 8].
/// let naming = Naming { layout: WeightLayout::PyTorch, layers: &[("conv1", "0"), ("fc", "4")] };
/// let file = net.clone().build(1)?.weights_to_bytes(&naming)?;
/// assert_eq!(net.clone().build_with(&file, &naming)?, net.build(1)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Naming<'a> {
    /// How they are laid out.
    pub layout: WeightLayout,
    /// Layers with other names in the file: pairs of ours and theirs. The others are called as here.
    pub layers: &'a [(&'a str, &'a str)],
}

/// How the weights in a file are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightLayout {
    /// As here: convolutions `[Kh, Kw, Cin/groups, Cout]`, fully connected layers `[in, out]`, flattened from `[H, W, C]`.
    #[default]
    ChannelsLast,
    /// As in PyTorch: convolutions `[Cout, Cin/groups, Kh, Kw]`, fully connected layers `[out, in]`, flattened from
    /// `[C, H, W]`.
    PyTorch,
}

impl WeightLayout {
    fn in_words(self) -> &'static str {
        match self {
            Self::ChannelsLast => "convolutions [Kh, Kw, Cin/groups, Cout], fully connected layers [in, out]",
            Self::PyTorch => {
                "in PyTorch's layout: convolutions [Cout, Cin/groups, Kh, Kw], fully connected layers [out, in]"
            }
        }
    }
}

/// A count that PyTorch's batch norms keep and nothing here needs.
const COUNT: &str = "num_batches_tracked";

impl Naming<'_> {
    /// What the file calls a parameter, such as `features.0.weight`.
    fn tensor(&self, parameter: &str) -> String {
        let (layer, kind) = parameter.rsplit_once('.').expect("parameters are called LAYER.KIND");
        let theirs = self.layers.iter().find(|(ours, _)| *ours == layer).map_or(layer, |(_, theirs)| theirs);
        format!("{theirs}.{kind}")
    }
}

/// Where the elements of a parameter stand in a file.
struct Arrangement {
    /// The tensor's shape in the file.
    stored: Vec<usize>,
    /// The same with dimensions that were flattened together apart.
    apart: Vec<usize>,
    /// Of these, the order in which they make our parameter.
    axes: Vec<usize>,
}

impl Arrangement {
    /// PyTorch's, of a parameter of this shape; `flattened` is `[H, W, C]` where the layer reads a flattened picture.
    fn pytorch(layer: &Layer, shape: &[usize], flattened: Option<[usize; 3]>) -> Self {
        let permuted = |axes: &[usize], shape: &[usize]| {
            let mut stored = vec![0; axes.len()];
            axes.iter().zip(shape).for_each(|(&axis, &extent)| stored[axis] = extent);
            stored
        };
        let (apart, axes): (Vec<usize>, Vec<usize>) = match (layer, shape, flattened) {
            // A fully connected layer behind flattening is a convolution with a kernel as large as the picture.
            (Layer::Linear { .. }, [_, out], Some([h, w, c])) => (vec![*out, c, h, w], vec![2, 3, 1, 0]),
            (Layer::BatchNorm { .. } | Layer::LayerNorm { .. } | Layer::PRelu, _, Some([h, w, c])) => {
                (vec![c, h, w], vec![1, 2, 0])
            }
            (_, [_, _, _, _], _) => (permuted(&[2, 3, 1, 0], shape), vec![2, 3, 1, 0]),
            (_, [_, _], _) => (permuted(&[1, 0], shape), vec![1, 0]),
            _ => (shape.to_vec(), (0..shape.len()).collect()),
        };
        let stored = match (shape, &apart[..]) {
            ([inputs, _], [out, _, _, _]) => vec![*out, *inputs],
            ([_], [_, _, _]) => shape.to_vec(),
            _ => apart.clone(),
        };
        Self { stored, apart, axes }
    }

    fn read(&self, values: Vec<f32>, shape: &[usize]) -> Tensor<f32> {
        Tensor::new(shape, permuted(&values, &self.apart, &self.axes))
    }

    fn write(&self, value: &Tensor<f32>) -> Tensor<f32> {
        let ours: Vec<usize> = self.axes.iter().map(|&axis| self.apart[axis]).collect();
        let back: Vec<usize> = (0..self.axes.len())
            .map(|axis| self.axes.iter().position(|&a| a == axis).expect("a permutation"))
            .collect();
        Tensor::new(&self.stored[..], permuted(value.as_slice(), &ours, &back))
    }
}

impl ModelBuilder {
    /// The model with its weights from the bytes of a safetensors file, whatever wrote it: of f16, bf16, f32 or f64. In
    /// the same layout as here, it needs no names but the layers'.
    ///
    /// # Errors
    /// Where the bytes aren't such a file; where a tensor is missing, is of another shape, or belongs to no layer (but for
    /// `num_batches_tracked`); where the model can't be built.
    pub fn build_with(self, file: &[u8], naming: &Naming<'_>) -> Result<Model<f32>, FileErrorKind> {
        let file = SafeTensors::deserialize(file)?;
        let mut model = self.assemble::<FileErrorKind>(|_, _, _, _, shape| Ok(Tensor::zeros(shape)))?;
        for (ours, _) in naming.layers {
            model.layer_index(ours)?;
        }
        let mut known = Vec::with_capacity(model.parameters.len());
        for (parameter, arrangement) in model.arrangements(naming.layout) {
            let (name, shape) = {
                let parameter = &model.parameters[parameter];
                (parameter.name.clone(), parameter.value.shape().to_vec())
            };
            let tensor = naming.tensor(&name);
            let view = file.tensor(&tensor).map_err(|_| missing(&file, &tensor, &name))?;
            if view.shape() != arrangement.stored {
                let (expected, found, layout) = (arrangement.stored, view.shape().to_vec(), naming.layout.in_words());
                let misfit = WeightError::Shape { tensor, parameter: name, expected, found, layout };
                return Err(Box::new(misfit).into());
            }
            model.parameters[parameter].value = arrangement.read(floats(&tensor, &view)?, &shape);
            known.push(tensor);
        }
        known.sort_unstable();
        let stray = |name: &&str| {
            let count = name.rsplit('.').next() == Some(COUNT);
            !count && known.binary_search_by(|known| known.as_str().cmp(name)).is_err()
        };
        match file.names().into_iter().find(stray) {
            Some(stray) => Err(Box::new(WeightError::Unknown(stray.into())).into()),
            None => Ok(model),
        }
    }

    /// As [`build_with`](Self::build_with), from a file.
    ///
    /// # Errors
    /// As [`build_with`](Self::build_with), and where the file can't be read.
    pub fn load_weights(self, path: impl AsRef<Path>, naming: &Naming<'_>) -> Result<Model<f32>, FileError> {
        let path = path.as_ref();
        let read = || self.build_with(&fs::read(path)?, naming);
        read().map_err(|kind| FileError { path: path.into(), kind })
    }
}

impl Model<f32> {
    /// The weights alone as the bytes of a safetensors file: `torch.nn.Module.load_state_dict` takes what PyTorch's
    /// layout gives.
    ///
    /// # Errors
    /// Where a layer named isn't the model's, or two tensors would have one name.
    pub fn weights_to_bytes(&self, naming: &Naming<'_>) -> Result<Vec<u8>, FileErrorKind> {
        for (ours, _) in naming.layers {
            self.layer_index(ours)?;
        }
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = (self.arrangements(naming.layout))
            .map(|(parameter, arrangement)| {
                let parameter = &self.parameters[parameter];
                let data = bytes(&arrangement.write(&parameter.value));
                (naming.tensor(&parameter.name), arrangement.stored, data)
            })
            .collect();
        let views = (tensors.iter())
            .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
            .collect::<Result<Vec<_>, FileErrorKind>>()?;
        Ok(safetensors::serialize(views, None)?)
    }

    /// As [`weights_to_bytes`](Self::weights_to_bytes), to a file, which appears whole or not at all.
    ///
    /// # Errors
    /// As [`weights_to_bytes`](Self::weights_to_bytes), and where the file can't be written.
    pub fn save_weights(&self, path: impl AsRef<Path>, naming: &Naming<'_>) -> Result<(), FileError> {
        let path = path.as_ref();
        let write = || Ok(write_whole(path, &self.weights_to_bytes(naming)?)?);
        write().map_err(|kind| FileError { path: path.into(), kind })
    }

    /// Where each parameter's elements stand in a file.
    fn arrangements(&self, layout: WeightLayout) -> impl Iterator<Item = (usize, Arrangement)> + use<> {
        let of = |(index, node): (usize, &super::ModelNode)| {
            let flattened = self.flattened_before(index);
            let arrangement = |parameter: usize| {
                let shape = self.parameters[parameter].value.shape();
                let arrangement = match layout {
                    WeightLayout::PyTorch => Arrangement::pytorch(&node.layer, shape, flattened),
                    WeightLayout::ChannelsLast => {
                        Arrangement { stored: shape.to_vec(), apart: shape.to_vec(), axes: (0..shape.len()).collect() }
                    }
                };
                (parameter, arrangement)
            };
            node.parameters.clone().map(arrangement).collect::<Vec<_>>()
        };
        self.nodes.iter().enumerate().flat_map(of).collect::<Vec<_>>().into_iter()
    }

    /// `[H, W, C]` of the picture whose flattened values a layer reads in their places.
    fn flattened_before(&self, layer: usize) -> Option<[usize; 3]> {
        let mut at = layer;
        loop {
            let input = self.nodes[at].inputs.first()?;
            match (self.shape_of(*input), input) {
                (&[h, w, c], _) => return matches!(self.nodes[at].layer, Layer::Flatten).then_some([h, w, c]),
                // The outputs of another fully connected layer have no places, and moved ones others.
                (_, Source::Layer(from))
                    if !matches!(
                        self.nodes[*from].layer,
                        Layer::Linear { .. } | Layer::Concat | Layer::Select { .. }
                    ) =>
                {
                    at = *from;
                }
                _ => return None,
            }
        }
    }
}

fn missing(file: &SafeTensors<'_>, tensor: &str, parameter: &str) -> FileErrorKind {
    let mut tensors: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    tensors.sort_unstable();
    let suggestion = most_similar(tensor, &tensors);
    Box::new(WeightError::Missing { tensor: tensor.into(), parameter: parameter.into(), suggestion, tensors }).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelError, ModelInfo};

    /// Channels in groups, batch norms before and behind flattening, a hidden fully connected layer.
    fn net() -> ModelBuilder {
        Model::builder([6, 4, 2])
            .layer("conv", Layer::conv(6, 3).groups(2))
            .layer("bn", Layer::batch_norm())
            .layer("flatten", Layer::Flatten)
            .layer("bn_flat", Layer::batch_norm())
            .layer("relu", Layer::Relu)
            .layer("fc1", Layer::linear(5))
            .layer("fc2", Layer::linear(3))
    }

    const NAMING: Naming<'_> =
        Naming { layout: WeightLayout::PyTorch, layers: &[("conv", "features.0"), ("fc1", "classifier.1")] };

    /// A net whose parameters are all different numbers.
    fn counted() -> Model {
        let mut model = net().build(1).unwrap();
        let mut count = 0.0;
        for index in 0..model.parameters().len() {
            model.value_mut(index).make_mut().iter_mut().for_each(|x| {
                count += 1.0;
                *x = count;
            });
        }
        model
    }

    /// A tensor's name, type, shape and bytes.
    type Stored = (&'static str, Dtype, Vec<usize>, Vec<u8>);

    fn file(tensors: impl IntoIterator<Item = Stored>) -> Vec<u8> {
        let tensors: Vec<Stored> = tensors.into_iter().collect();
        let views = tensors.iter().map(|t| (t.0, TensorView::new(t.1, t.2.clone(), &t.3).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    /// Index by index, as PyTorch's documentation says where each weight stands.
    #[test]
    fn tensors_stand_as_in_pytorch() {
        let model = counted();
        let bytes = model.weights_to_bytes(&NAMING).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let stored = |name: &str| {
            let view = file.tensor(name).unwrap();
            (view.shape().to_vec(), floats(name, &view).unwrap())
        };
        let ours = |name: &str| model.parameter(name).unwrap().as_slice();

        let (shape, values) = stored("features.0.weight");
        assert_eq!(shape, [6, 1, 3, 3]);
        for (o, y, x) in (0..6).flat_map(|o| (0..9).map(move |yx| (o, yx / 3, yx % 3))) {
            assert_eq!(values[o * 9 + y * 3 + x], ours("conv.weight")[(y * 3 + x) * 6 + o]);
        }
        let (shape, values) = stored("classifier.1.weight");
        assert_eq!(shape, [5, 144]);
        let (_, statistic) = stored("bn_flat.running_var");
        for (c, y, x) in (0..6).flat_map(|c| (0..24).map(move |yx| (c, yx / 4, yx % 4))) {
            let (theirs, here) = (c * 24 + y * 4 + x, (y * 4 + x) * 6 + c);
            assert_eq!(statistic[theirs], ours("bn_flat.running_var")[here]);
            for o in 0..5 {
                assert_eq!(values[o * 144 + theirs], ours("fc1.weight")[here * 5 + o]);
            }
        }
        let (shape, values) = stored("fc2.weight");
        assert_eq!(shape, [3, 5]);
        for (o, i) in (0..3).flat_map(|o| (0..5).map(move |i| (o, i))) {
            assert_eq!(values[o * 5 + i], ours("fc2.weight")[i * 3 + o]);
        }
        assert_eq!(stored("bn.bias").1, ours("bn.bias"));
    }

    #[test]
    fn weights_come_back_in_either_layout() {
        let model = counted();
        for naming in [NAMING, Naming { layout: WeightLayout::ChannelsLast, ..NAMING }, Naming::default()] {
            let file = model.weights_to_bytes(&naming).unwrap();
            assert_eq!(net().build_with(&file, &naming).unwrap(), model);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        model.save_weights(&path, &NAMING).unwrap();
        assert_eq!(net().load_weights(&path, &NAMING).unwrap(), model);
        let info = ModelInfo { classes: vec!["a".into(), "b".into(), "c".into()], ..ModelInfo::default() };
        assert_eq!(net().info(info.clone()).load_weights(&path, &NAMING).unwrap().info(), &info);
    }

    #[test]
    fn counts_of_batches_are_passed_over_and_half_precision_is_read() {
        let linear = || Model::builder([2, 1, 1]).layer("flat", Layer::Flatten).layer("fc", Layer::linear(1));
        let half =
            |values: &[f32]| values.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect::<Vec<u8>>();
        let weights = || {
            [("fc.weight", Dtype::F16, vec![1, 2], half(&[0.5, -2.0])), ("fc.bias", Dtype::F16, vec![1], half(&[1.5]))]
        };
        let count = ("bn.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]);
        let naming = Naming { layout: WeightLayout::PyTorch, layers: &[] };
        let model = linear().build_with(&file(weights().into_iter().chain([count])), &naming).unwrap();
        assert_eq!(model.parameter("fc.weight").unwrap().as_slice(), [0.5, -2.0]);
        let stray = ("bn.weight", Dtype::F16, vec![1], half(&[1.0]));
        let error = linear().build_with(&file(weights().into_iter().chain([stray])), &naming).unwrap_err();
        assert_eq!(error.to_string(), "tensor `bn.weight` belongs to no layer of the model");
    }

    #[test]
    fn misfits_name_both_sides() {
        let model = counted();
        let error = |net: ModelBuilder, naming: &Naming<'_>| {
            let file = model.weights_to_bytes(&NAMING).unwrap();
            net.build_with(&file, naming).unwrap_err().to_string()
        };
        let wider =
            Model::builder([6, 4, 2]).layer("conv", Layer::conv(8, 3).groups(2)).layer("gap", Layer::GlobalAvgPool);
        let named = Naming { layers: &NAMING.layers[..1], ..NAMING };
        let shape = error(wider, &named);
        for part in
            ["`features.0.weight`", "`conv.weight`", "expected [8, 1, 3, 3], found [6, 1, 3, 3]", "in PyTorch's layout"]
        {
            assert!(shape.contains(part), "{shape}");
        }
        let unnamed = error(net(), &Naming { layers: &[("conv", "feature.0")], ..NAMING });
        assert!(unnamed.contains("`feature.0.weight`, for the parameter `conv.weight`, is missing"), "{unnamed}");
        assert!(unnamed.contains("did you mean `features.0.weight`?"), "{unnamed}");
        let layer = error(net(), &Naming { layers: &[("covn", "features.0")], ..NAMING });
        assert!(layer.contains("no layer `covn`") && layer.contains("did you mean `conv`?"), "{layer}");
        let unfit =
            net().layer("conv2", Layer::conv(2, 3)).build_with(&model.weights_to_bytes(&NAMING).unwrap(), &NAMING);
        assert!(matches!(unfit, Err(FileErrorKind::Model(ModelError::Layer { .. }))));
        assert!(net().build_with(b"no file", &NAMING).is_err());
    }
}
