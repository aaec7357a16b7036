//! Reference values and the networks that they belong to.

use std::fs;
use std::path::{Path, PathBuf};

use nn::layers::{Conv2d, Flatten, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::{Convolution, Model, ModelBuilder};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use tensor::Tensor;

/// The folder of stored values.
pub(crate) fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(path)
}

/// A file of stored arrays.
pub(crate) struct Stored(Vec<u8>);

impl Stored {
    pub(crate) fn open(path: &str) -> Self {
        Self::at(&reference(path))
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self(fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The names of the arrays.
    pub(crate) fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.names().into_iter().map(ToString::to_string).collect()
    }

    /// An array of floating-point numbers.
    pub(crate) fn array(&self, name: &str) -> Tensor<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            other => panic!("{name} holds {other:?}"),
        };
        Tensor::new(view.shape(), values)
    }

    /// An array of bytes.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}")).data().to_vec()
    }

    /// An array of whole numbers.
    pub(crate) fn integers(&self, name: &str) -> Vec<usize> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(view.dtype(), Dtype::I64, "{name}");
        view.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as usize).collect()
    }
}

/// The largest difference, over the largest stored value.
pub(crate) fn relative_error(found: &Tensor<f64>, stored: &Tensor<f64>) -> f64 {
    assert_eq!(found.shape(), stored.shape());
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(0.0_f64, |m, x| if x.abs() > m || x.is_nan() { x.abs() } else { m })
    };
    let difference = largest(&mut found.as_slice().iter().zip(stored.as_slice()).map(|(a, b)| a - b));
    let scale = largest(&mut stored.as_slice().iter().copied());
    if difference == 0.0 { 0.0 } else { difference / scale }
}

/// A network with stored weights.
pub(crate) fn network(name: &str) -> Model<f32> {
    let mut model = match name {
        "gapnet" => gapnet(),
        "flatnet" => flatnet(),
        other => panic!("there is no network {other}"),
    }
    .build(0)
    .unwrap();
    let weights = Stored::open(&format!("small/{name}/weights_hwio.safetensors"));
    for parameter in weights.names() {
        model.set_parameter(&parameter, weights.array(&parameter).cast()).unwrap();
    }
    model
}

/// conv3×3(8) – ReLU – conv3×3(12) stride 2 – ReLU – max pool 2 – conv3×3(16) – ReLU – GAP – FC(5), on `[30, 22, 3]`.
fn gapnet() -> ModelBuilder {
    Model::builder([30, 22, 3])
        .layer("conv1", Conv2d::new(8, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(12, 3).stride(2))
        .layer("relu2", Relu)
        .layer("pool", MaxPool::new(2))
        .layer("conv3", Conv2d::new(16, 3))
        .layer("relu3", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(5))
}

/// Two 'valid' convolutions, each followed by ReLU and max pool 2, then flatten and two FC layers, on `[28, 28, 1]`.
fn flatnet() -> ModelBuilder {
    let conv = |out_channels| Conv2d { out_channels, kernel: [3, 3], conv: Convolution::default(), bias: true };
    Model::builder([28, 28, 1])
        .layer("conv1", conv(6))
        .layer("relu1", Relu)
        .layer("pool1", MaxPool::new(2))
        .layer("conv2", conv(10))
        .layer("relu2", Relu)
        .layer("pool2", MaxPool::new(2))
        .layer("flatten", Flatten)
        .layer("fc1", Linear::new(32))
        .layer("relu3", Relu)
        .layer("fc2", Linear::new(10))
}
