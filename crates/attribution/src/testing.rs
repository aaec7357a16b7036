//! Small networks for tests.

use nn::layers::{
    Add, Clip, Concat, Conv2d, Flatten, Gelu, GlobalAvgPool, LayerNorm, Learned, Linear, MatMul, MaxPool, Rearrange,
    Relu, Scale, Select, Shift, Softmax,
};
use nn::{Convolution, Model, ModelBuilder, Pool2d};
use tensor::{Element, Shape, Tensor};

/// One image's input.
pub(crate) const INPUT: [usize; 3] = [9, 8, 2];

/// Two convolutions beside one another and one after, max pooling, GAP → FC.
pub(crate) fn residual() -> ModelBuilder {
    Model::builder(INPUT)
        .layer("conv1", Conv2d::new(4, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(4, 3))
        .layer_from("sum", Add, &["relu1", "conv2"])
        .layer("relu2", Clip::RELU6)
        .layer("pool", MaxPool(Pool2d::square(2)))
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(3))
}

pub(crate) fn model() -> Model<f64> {
    residual().build(3).unwrap().cast()
}

pub(crate) fn images<T: Element>(n: usize) -> Tensor<T> {
    wave([n, 9, 8, 2], 1.0)
}

/// What a [transformer]'s scores are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readout {
    /// The class token, which comes before the patches.
    ClassToken,
    /// The mean of the patches; there is no class token.
    Mean,
}

/// The numbers of heads and of channels, and rows and columns of the patches of a [transformer].
pub(crate) const HEADS: usize = 2;
pub(crate) const WIDTH: usize = 8;
pub(crate) const PATCHES: [usize; 2] = [4, 3];

/// A vision transformer (Dosovitskiy et al. 2021) of two blocks for images `[8, 6, 2]` in patches of 2×2 pixels, with three
/// classes. All parameters are numbers without an obvious pattern. The layers of a block are `block0.norm1`, `.qkv`,
/// `.scores`, `.attention` (the softmax), `.heads`, `.merged`, `.projected`, `.sum1`, `.norm2`, `.wide`, `.gelu`, `.narrow`
/// and `.sum2`.
pub(crate) fn transformer(readout: Readout) -> Model<f64> {
    let [rows, columns] = PATCHES;
    let conv =
        Conv2d { out_channels: WIDTH, kernel: [2, 2], conv: Convolution::default().stride(2).padding(0), bias: true };
    let in_row = |shape: &[usize]| Rearrange {
        extents: shape.to_vec(),
        axes: (0..shape.len()).collect(),
        shape: shape.to_vec(),
    };
    let mut tokens = rows * columns;
    let mut builder =
        Model::builder([2 * rows, 2 * columns, 2]).layer("patches", conv).layer("tokens", in_row(&[tokens, WIDTH]));
    if readout == Readout::ClassToken {
        builder = builder.layer_from("class", Learned { shape: vec![1, WIDTH] }, &["input"]).layer_from(
            "all",
            Concat::along(0),
            &["class", "tokens"],
        );
        tokens += 1;
    }
    builder = builder.layer("position", Shift { shape: vec![tokens, WIDTH] });
    let mut stream = "position".to_string();
    for block in 0..2 {
        let name = |part: &str| format!("block{block}.{part}");
        let each = WIDTH / HEADS;
        let divided = Rearrange {
            extents: vec![tokens, 3, HEADS, each],
            axes: vec![1, 2, 0, 3],
            shape: vec![3, HEADS, tokens, each],
        };
        builder = builder
            .layer_from(name("norm1"), LayerNorm { epsilon: 1e-6 }, &[&stream])
            .layer(name("qkv"), Linear::new(3 * WIDTH))
            .layer(name("divided"), divided);
        for (index, part) in ["q", "k", "v"].into_iter().enumerate() {
            builder = builder
                .layer_from(name(&format!("{part}1")), Select { axis: 0, indices: vec![index] }, &[&name("divided")])
                .layer(name(part), in_row(&[HEADS, tokens, each]));
        }
        let merged = Rearrange { extents: vec![HEADS, tokens, each], axes: vec![1, 0, 2], shape: vec![tokens, WIDTH] };
        builder = builder
            .layer_from(name("product"), MatMul { transposed: true }, &[&name("q"), &name("k")])
            .layer(name("scores"), Scale { shape: vec![1] })
            .layer(name("attention"), Softmax)
            .layer_from(name("heads"), MatMul { transposed: false }, &[&name("attention"), &name("v")])
            .layer(name("merged"), merged)
            .layer(name("projected"), Linear::new(WIDTH))
            .layer_from(name("sum1"), Add, &[&stream, &name("projected")])
            .layer(name("norm2"), LayerNorm { epsilon: 1e-6 })
            .layer(name("wide"), Linear::new(2 * WIDTH))
            .layer(name("gelu"), Gelu { tanh: false })
            .layer(name("narrow"), Linear::new(WIDTH))
            .layer_from(name("sum2"), Add, &[&name("sum1"), &name("narrow")]);
        stream = name("sum2");
    }
    builder = builder.layer("norm", LayerNorm { epsilon: 1e-6 });
    builder = match readout {
        Readout::ClassToken => builder.layer("token", Select { axis: 0, indices: vec![0] }).layer("flat", Flatten),
        Readout::Mean => builder.layer("grid", in_row(&[rows, columns, WIDTH])).layer("mean", GlobalAvgPool),
    };
    let mut model = builder.layer("fc", Linear::new(3)).build(1).unwrap().cast::<f64>();
    let names: Vec<String> = model.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    for (phase, name) in (0..).zip(names) {
        let value = wave::<f64>(model.parameter(&name).unwrap().shape(), f64::from(phase));
        let around = |centre: f64, size: f64| move |v: f64| centre + size * v;
        let value = match &name {
            name if name.ends_with("scores.weight") => value.map(around(1.0 / ((WIDTH / HEADS) as f64).sqrt(), 0.0)),
            name if name.contains("norm") && name.ends_with("weight") => value.map(around(1.0, 0.3)),
            _ => value.map(around(0.0, 0.7)),
        };
        model.set_parameter(&name, value).unwrap();
    }
    model
}

/// Images for a [transformer].
pub(crate) fn pictures(n: usize) -> Tensor<f64> {
    wave([n, 8, 6, 2], 1.0)
}

/// Numbers in [−1, 1] without an obvious pattern.
pub(crate) fn wave<T: Element>(shape: impl Into<Shape>, phase: f64) -> Tensor<T> {
    Tensor::from_fn(shape, |i| T::from_f64((i as f64 * 12.9898 + phase).sin() * (i as f64 * 0.7548 + phase).cos()))
}
