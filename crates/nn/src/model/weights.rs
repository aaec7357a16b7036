//! Safetensors files of weights without an architecture, for exchange with PyTorch.

use std::fs;
use std::path::Path;

use safetensors::tensor::SafeTensors;
use tensor::Tensor;

use super::error::{FileError, WeightError};
use super::naming::{Naming, WeightLayout};
use super::tensors::{floats, serialize};
use super::{Model, ModelBuilder, Source, most_similar};
use crate::files::write_whole;
use crate::layers::kind::Reach;
use crate::layers::layer::Layer;
use crate::layers::parameter::ParameterSpec;
use crate::layout::permuted;

/// A statistic of PyTorch's batch norms that isn't needed here.
const COUNT: &str = "num_batches_tracked";

/// How the elements of a parameter are arranged in a file.
struct Arrangement {
    /// The tensor's shape in the file.
    stored: Vec<usize>,
    /// The same shape before axes were flattened together.
    apart: Vec<usize>,
    /// The axes of `apart` in the order of the parameter's axes.
    axes: Vec<usize>,
}

impl Arrangement {
    /// PyTorch's; `flattened` is `[H, W, C]` where the layer reads a flattened picture.
    fn pytorch(spec: &ParameterSpec, flattened: Option<[usize; 3]>) -> Self {
        let order: Vec<usize> =
            if spec.torch_axes.is_empty() { (0..spec.shape.len()).collect() } else { spec.torch_axes.to_vec() };
        let mut stored = vec![0; order.len()];
        order.iter().zip(&spec.shape).for_each(|(&axis, &extent)| stored[axis] = extent);
        let (Some(input), Some([h, w, c])) = (spec.input_axis, flattened) else {
            return Self { apart: stored.clone(), stored, axes: order };
        };
        // PyTorch flattens [C, H, W].
        let split = order[input];
        let mut apart = stored.clone();
        apart.splice(split..=split, [c, h, w]);
        let moved = |axis: usize| if axis > split { vec![axis + 2] } else { vec![axis] };
        let axes = order.iter().enumerate();
        let axes =
            axes.flat_map(|(ours, &axis)| if ours == input { vec![split + 1, split + 2, split] } else { moved(axis) });
        Self { stored, apart, axes: axes.collect() }
    }

    fn read(&self, values: Vec<f32>, shape: &[usize]) -> Tensor<f32> {
        Tensor::new(shape, permuted(&values, &self.apart, &self.axes, |value| value))
    }

    fn write(&self, value: &Tensor<f32>) -> Tensor<f32> {
        let ours: Vec<usize> = self.axes.iter().map(|&axis| self.apart[axis]).collect();
        let back: Vec<usize> = (0..self.axes.len())
            .map(|axis| self.axes.iter().position(|&a| a == axis).expect("a permutation"))
            .collect();
        Tensor::new(&self.stored[..], permuted(value.as_slice(), &ours, &back, |value| value))
    }
}

impl ModelBuilder {
    /// Builds the model with weights from the bytes of a safetensors file. Weights in f16, bf16 and f64 are converted to f32.
    ///
    /// # Errors
    /// If the bytes aren't such a file, a tensor is missing, has the wrong shape or belongs to no layer (except for
    /// `num_batches_tracked`), or the model can't be built.
    pub fn build_with(self, file: &[u8], naming: &Naming<'_>) -> Result<Model<f32>, WeightError> {
        let file = SafeTensors::deserialize(file).map_err(WeightError::Safetensors)?;
        let mut model = self.assemble::<WeightError>(|_, _, spec| Ok(Tensor::zeros(&spec.shape[..])))?;
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
                let (expected, found, layout) = (arrangement.stored, view.shape().to_vec(), naming.layout);
                return Err(WeightError::Shape { tensor, parameter: name, expected, found, layout });
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
            Some(stray) => Err(WeightError::Unknown(stray.into())),
            None => Ok(model),
        }
    }

    /// As [`build_with`](Self::build_with), from a file.
    ///
    /// # Errors
    /// As [`build_with`](Self::build_with), and if the file can't be read.
    pub fn load_weights(
        self,
        path: impl AsRef<Path>,
        naming: &Naming<'_>,
    ) -> Result<Model<f32>, FileError<WeightError>> {
        FileError::within(path.as_ref(), |path| self.build_with(&fs::read(path)?, naming))
    }
}

impl Model<f32> {
    /// The weights as the bytes of a safetensors file. In PyTorch's layout, `torch.nn.Module.load_state_dict` accepts them.
    ///
    /// # Errors
    /// If the naming has a layer that the model hasn't, or gives two tensors the same name.
    pub fn weights_to_bytes(&self, naming: &Naming<'_>) -> Result<Vec<u8>, WeightError> {
        for (ours, _) in naming.layers {
            self.layer_index(ours)?;
        }
        let tensors = self.arrangements(naming.layout).map(|(parameter, arrangement)| {
            let parameter = &self.parameters[parameter];
            (naming.tensor(&parameter.name), arrangement.write(&parameter.value))
        });
        serialize(tensors, None).map_err(WeightError::Safetensors)
    }

    /// As [`weights_to_bytes`](Self::weights_to_bytes), to a file, which is replaced atomically.
    ///
    /// # Errors
    /// As [`weights_to_bytes`](Self::weights_to_bytes), and if the file can't be written.
    pub fn save_weights(&self, path: impl AsRef<Path>, naming: &Naming<'_>) -> Result<(), FileError<WeightError>> {
        FileError::within(path.as_ref(), |path| Ok(write_whole(path, &self.weights_to_bytes(naming)?)?))
    }

    /// For each parameter its index and its arrangement in a file.
    fn arrangements(&self, layout: WeightLayout) -> impl Iterator<Item = (usize, Arrangement)> + use<> {
        let of = |(index, node): (usize, &super::ModelNode)| {
            let flattened = self.flattened_before(index);
            let specs = node.layer.parameters(self.shape_of(node.inputs[0]));
            let arrangement = |(parameter, spec): (usize, ParameterSpec)| match layout {
                WeightLayout::PyTorch => (parameter, Arrangement::pytorch(&spec, flattened)),
                WeightLayout::ChannelsLast => {
                    let axes = (0..spec.shape.len()).collect();
                    (parameter, Arrangement { apart: spec.shape.clone(), stored: spec.shape, axes })
                }
            };
            node.parameters.clone().zip(specs).map(arrangement).collect::<Vec<_>>()
        };
        self.nodes.iter().enumerate().flat_map(of).collect::<Vec<_>>().into_iter()
    }

    /// `[H, W, C]` if a layer reads a flattened picture, whose values still have their order.
    fn flattened_before(&self, layer: usize) -> Option<[usize; 3]> {
        let mut at = layer;
        loop {
            let source = *self.nodes[at].inputs.first()?;
            if let &[h, w, c] = self.shape_of(source) {
                return matches!(self.nodes[at].layer, Layer::Flatten(_)).then_some([h, w, c]);
            }
            // A row keeps its values in their places only through layers that compute each from the same place.
            let Source::Layer(from) = source else { return None };
            let node = &self.nodes[from];
            let keeps_places = node.layer.kind().reach() == Reach::SamePlace
                && self.shape_of(*node.inputs.first()?) == node.output_shape;
            if !keeps_places && !matches!(node.layer, Layer::Flatten(_)) {
                return None;
            }
            at = from;
        }
    }
}

fn missing(file: &SafeTensors<'_>, tensor: &str, parameter: &str) -> WeightError {
    let mut tensors: Vec<String> = file.names().into_iter().map(ToString::to_string).collect();
    tensors.sort_unstable();
    let suggestion = most_similar(tensor, &tensors);
    WeightError::Missing { tensor: tensor.into(), parameter: parameter.into(), suggestion, tensors }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::layers::{BatchNorm, Conv2d, Flatten, GlobalAvgPool, Linear, Relu};
    use crate::model::{ModelError, ModelInfo};

    /// A convolution in groups, batch norms before and after flattening, a hidden fully connected layer.
    fn net() -> ModelBuilder {
        Model::builder([6, 4, 2])
            .layer("conv", Conv2d::new(6, 3).groups(2))
            .layer("bn", BatchNorm::new())
            .layer("flatten", Flatten)
            .layer("bn_flat", BatchNorm::new())
            .layer("relu", Relu)
            .layer("fc1", Linear::new(5))
            .layer("fc2", Linear::new(3))
    }

    const NAMING: Naming<'_> =
        Naming { layout: WeightLayout::PyTorch, layers: &[("conv", "features.0"), ("fc1", "classifier.1")] };

    /// A model whose parameters' elements are all different.
    fn counted() -> Model {
        let mut model = net().build(1).unwrap();
        let mut count = 0.0;
        for parameter in model.parameters_mut() {
            parameter.value.make_mut().iter_mut().for_each(|x| {
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

    /// Element by element, against the layouts in PyTorch's documentation.
    #[test]
    fn tensors_are_laid_out_as_in_pytorch() {
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
    fn counts_of_batches_are_ignored_and_half_precision_is_read() {
        let linear = || Model::builder([2, 1, 1]).layer("flat", Flatten).layer("fc", Linear::new(1));
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
        let wider = Model::builder([6, 4, 2]).layer("conv", Conv2d::new(8, 3).groups(2)).layer("gap", GlobalAvgPool);
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
            net().layer("conv2", Conv2d::new(2, 3)).build_with(&model.weights_to_bytes(&NAMING).unwrap(), &NAMING);
        assert!(matches!(unfit, Err(WeightError::Model(ModelError::Layer { .. }))));
        assert!(net().build_with(b"no file", &NAMING).is_err());
    }
}
