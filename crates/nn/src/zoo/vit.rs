//! A small vision transformer.

use super::{Head, end};
use crate::layers::{Add, Conv2d, Gelu, LayerNorm, MatMul, Rearrange, Scale, Select, Shift, Softmax};
use crate::model::{Model, ModelBuilder};

const CHANNELS: usize = 64;
const HEADS: usize = 4;
const BLOCKS: usize = 4;
const NORM: LayerNorm = LayerNorm { epsilon: 1e-6 };

/// Patches that attend to one another (Dosovitskiy et al., *An Image is Worth 16×16 Words*, 2021), narrow and shallow for small
/// pictures. The tokens stay where their patches are, `[N, H, W, C]`, and their mean is classified, without a class token (Beyer,
/// Zhai and Kolesnikov, *Better plain ViT baselines for ImageNet-1k*, 2022), so that CAM applies. The factor of the attention
/// scores is trained rather than 1/√d.
pub(super) fn vit(input: [usize; 3], classes: usize, head: Head) -> ModelBuilder {
    let patch = patch(input);
    let size = [input[0] / patch, input[1] / patch];
    let places = Shift { shape: vec![size[0], size[1], CHANNELS] };
    let patches = Conv2d::new(CHANNELS, patch).stride(patch).padding(0);
    let mut builder = Model::builder(input).layer("patches", patches).layer("places", places);
    let mut before = "places".to_string();
    for block in 1..=BLOCKS {
        (builder, before) = attention(builder, &format!("block{block}"), &before, size);
        (builder, before) = perceptron(builder, &format!("block{block}"), &before);
    }
    end(builder.layer_from("norm", NORM, &[&before]), head, classes)
}

/// Rows and columns of pixels of a patch: the time of a step grows with the number of patches, and the attention's with its square.
fn patch([height, width, _]: [usize; 3]) -> usize {
    if height.min(width) < 48 { 4 } else { 6 }
}

/// x + attention(norm(x)): the name of the sum is returned.
fn attention(builder: ModelBuilder, name: &str, x: &str, [rows, columns]: [usize; 2]) -> (ModelBuilder, String) {
    let at = |part: &str| format!("{name}.{part}");
    let (tokens, each) = (rows * columns, CHANNELS / HEADS);
    // [H, W, 3·C] to the queries, keys and values of each head: [3, heads, T, C / heads].
    let divided = Rearrange {
        extents: vec![tokens, 3, HEADS, each],
        axes: vec![1, 2, 0, 3],
        shape: vec![3, HEADS, tokens, each],
    };
    let joined =
        Rearrange { extents: vec![HEADS, tokens, each], axes: vec![1, 0, 2], shape: vec![rows, columns, CHANNELS] };
    let mut builder = builder
        .layer_from(at("norm1"), NORM, &[x])
        .layer(at("qkv"), Conv2d::new(3 * CHANNELS, 1))
        .layer(at("heads"), divided);
    for (index, part) in ["query", "key", "value"].into_iter().enumerate() {
        builder = builder.layer_from(at(part), Select { axis: 0, indices: vec![index] }, &[&at("heads")]);
    }
    let builder = builder
        .layer_from(at("scores"), MatMul { transposed: true }, &[&at("query"), &at("key")])
        .layer(at("scale"), Scale { shape: vec![1] })
        .layer(at("attention"), Softmax)
        .layer_from(at("attended"), MatMul { transposed: false }, &[&at("attention"), &at("value")])
        .layer(at("joined"), joined)
        .layer(at("out"), Conv2d::new(CHANNELS, 1))
        .layer_from(at("sum1"), Add, &[x, &at("out")]);
    (builder, at("sum1"))
}

/// x + two fully connected layers of each token's norm(x): the name of the sum is returned.
fn perceptron(builder: ModelBuilder, name: &str, x: &str) -> (ModelBuilder, String) {
    let at = |part: &str| format!("{name}.{part}");
    let builder = builder
        .layer_from(at("norm2"), NORM, &[x])
        .layer(at("fc1"), Conv2d::new(2 * CHANNELS, 1))
        .layer(at("gelu"), Gelu { tanh: false })
        .layer(at("fc2"), Conv2d::new(CHANNELS, 1))
        .layer_from(at("sum2"), Add, &[x, &at("fc2")]);
    (builder, at("sum2"))
}
