//! The attention of a small transformer, as arrays.

use ndarray::{Array2, Array3, Axis};
use nn::layers::{Conv2d, GlobalAvgPool, Linear, MatMul, Rearrange, Select, Softmax};
use nn::zoo::{Head, Net};
use nn::{Model, ModelBuilder};
use tensor::Tensor;

use super::near;
use crate::methods::{AttentionRollout, GradientAttention};
use crate::pass::one_of;
use crate::testing::{HEADS, PATCHES, Readout, pictures, transformer};
use crate::{Pass, Target, Unit};

/// Passes over two images, of a network with a class token and of one that averages its tokens.
pub(in crate::methods) fn with_transformers(check: impl Fn(&Pass<'_, f64>, Readout)) {
    for readout in [Readout::ClassToken, Readout::Mean] {
        let model = transformer(readout);
        check(&Pass::new(&model, pictures(2)).unwrap(), readout);
    }
}

/// One image's part of `[N, heads, T, T]`.
pub(in crate::methods) fn heads_of(values: &Tensor<f64>, image: usize) -> Array3<f64> {
    let tokens = values.shape()[2];
    Array3::from_shape_vec((HEADS, tokens, tokens), one_of(values, image).to_vec()).unwrap()
}

/// The attention of a block for one image, `[heads, T, T]`.
pub(in crate::methods) fn attention_of(pass: &Pass<'_, f64>, block: usize, image: usize) -> Array3<f64> {
    let layer = pass.model().layer_index(&format!("block{block}.attention")).unwrap();
    heads_of(pass.forward().activation(layer).value(), image)
}

/// The class token's row of R, without itself, or the mean row, in rows and columns of patches.
pub(in crate::methods) fn on_patches(r: &Array2<f64>, readout: Readout) -> Array2<f64> {
    let [rows, columns] = PATCHES;
    Array2::from_shape_fn((rows, columns), |(i, j)| match readout {
        Readout::ClassToken => r[[0, 1 + i * columns + j]],
        Readout::Mean => r.index_axis(Axis(1), i * columns + j).mean().unwrap(),
    })
}

/// What isn't attention between all tokens is refused by the layer's name, with what to use instead.
#[test]
fn other_attention_is_refused_by_name() {
    let square = |extents: &[usize]| Rearrange {
        extents: extents.to_vec(),
        axes: (0..extents.len()).collect(),
        shape: extents.to_vec(),
    };
    let message = |builder: ModelBuilder, tokens: usize| {
        let grid = Rearrange { extents: vec![tokens, 4], axes: vec![0, 1], shape: vec![1, tokens, 4] };
        let model =
            builder.layer("grid", grid).layer("mean", GlobalAvgPool).layer("fc", Linear::new(2)).build(1).unwrap();
        let pass = Pass::new(&model, Tensor::full([1, 4, 4, 4], 0.5)).unwrap();
        pass.why(0).explain(&AttentionRollout::default()).unwrap_err().to_string()
    };
    // Two windows of eight tokens.
    let windows = Model::builder([4, 4, 4])
        .layer("windows", square(&[2, 1, 8, 4]))
        .layer_from("scores", MatMul { transposed: true }, &["windows", "windows"])
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "windows"]);
    let found = message(windows, 16);
    assert!(
        found.contains("layer `attention`, [2, 1, 8, 8], looks within windows: use Grad-CAM at a block"),
        "{found}"
    );
    // Four tokens look at all sixteen.
    let some = Model::builder([4, 4, 4])
        .layer("tokens", square(&[16, 4]))
        .layer("some", Select { axis: 0, indices: vec![0, 4, 8, 12] })
        .layer_from("scores", MatMul { transposed: true }, &["some", "tokens"])
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "tokens"]);
    let found = message(some, 4);
    assert!(found.contains("layer `attention`, [4, 16], looks from some tokens at others"), "{found}");
    // Four of sixteen tokens go on to a second block.
    let merged = Model::builder([4, 4, 4])
        .layer("tokens", square(&[16, 4]))
        .layer_from("scores", MatMul { transposed: true }, &["tokens", "tokens"])
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "tokens"])
        .layer("some", Select { axis: 0, indices: vec![0, 4, 8, 12] })
        .layer_from("scores2", MatMul { transposed: true }, &["some", "some"])
        .layer("attention2", Softmax)
        .layer_from("taken2", MatMul { transposed: false }, &["attention2", "some"]);
    let found = message(merged, 4);
    assert!(found.contains("`attention2`, [4, 4], is between other tokens than the block before"), "{found}");
    // Channels look at channels.
    let channels = Model::builder([4, 4, 4])
        .layer("channels", Rearrange { extents: vec![16, 4], axes: vec![1, 0], shape: vec![4, 16] })
        .layer_from("scores", MatMul { transposed: true }, &["channels", "channels"])
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "channels"])
        .layer("back", Rearrange { extents: vec![4, 16], axes: vec![1, 0], shape: vec![16, 4] });
    let found = message(channels, 16);
    assert!(found.contains("`attention`, [4, 4], is between what has no places in the picture"), "{found}");
    // A convolution between two blocks.
    let mixed = Model::builder([4, 4, 4])
        .layer("tokens", square(&[16, 4]))
        .layer_from("scores", MatMul { transposed: true }, &["tokens", "tokens"])
        .layer("attention", Softmax)
        .layer_from("taken", MatMul { transposed: false }, &["attention", "tokens"])
        .layer("map", Rearrange { extents: vec![16, 4], axes: vec![0, 1], shape: vec![4, 4, 4] })
        .layer("conv", Conv2d::new(4, 3))
        .layer("again", square(&[16, 4]))
        .layer_from("scores2", MatMul { transposed: true }, &["again", "again"])
        .layer("attention2", Softmax)
        .layer_from("taken2", MatMul { transposed: false }, &["attention2", "again"]);
    let found = message(mixed, 16);
    assert!(found.contains("layer `conv`, [4, 4, 4], mixes tokens without attention"), "{found}");
}

#[test]
fn a_unit_of_another_layer_has_no_attention_map() {
    let model = transformer(Readout::ClassToken);
    let pass = Pass::new(&model, pictures(1)).unwrap();
    let unit = Target::unit(Unit::new("flat", 0));
    let found = pass.why(unit).explain(&GradientAttention).unwrap_err().to_string();
    assert!(found.starts_with("gradient-weighted attention explains the scores of the last layer only"), "{found}");
}

/// The zoo's transformer, whose attention `[N, 1, heads, T, T]` has one window and whose tokens stay on the grid, is read as any
/// other: rollout by the paper's formula, and the gradient's attention.
#[test]
fn tokens_on_the_grid_and_a_single_window_are_read() {
    let model: Model<f64> = Net::Vit.builder([16, 24, 1], 3, Head::GlobalAvgPool).build(5).unwrap().cast();
    let pass = Pass::new(&model, Tensor::from_fn([1, 16, 24, 1], |i| (i as f64 * 0.7).sin())).unwrap();
    let mut rollout = Array2::<f64>::eye(24);
    for block in 1..=4 {
        let layer = model.layer_index(&format!("block{block}.attention")).unwrap();
        let values = pass.forward().activation(layer).value().as_slice().to_vec();
        let heads = Array3::from_shape_vec((4, 24, 24), values).unwrap();
        rollout = (heads.mean_axis(Axis(0)).unwrap() * 0.5 + Array2::<f64>::eye(24) * 0.5).dot(&rollout);
    }
    let expected = rollout.mean_axis(Axis(0)).unwrap().into_shape_with_order((4, 6)).unwrap();
    near(&pass.why(0).explain(&AttentionRollout::default()).unwrap().per_cell(), &expected, "rollout");
    let maps = [0, 1].map(|class| pass.why(class).explain(&GradientAttention).unwrap().per_cell());
    assert!(maps[0].dim() == (4, 6) && maps[0] != maps[1]);
}
