mod chains;

pub(super) use chains::trained;

use tensor::{Exact, Keep, Tape, Tensor};

use super::*;
use crate::geometry::{Convolution, Pool2d, TransposedConvolution};
use crate::layers::error::LayerError;
use crate::layers::run::Mode;
use crate::layers::testing::random;
use crate::layers::{
    Add, AvgPool, BatchNorm, Clip, Concat, Conv2d, ConvTranspose2d, Dropout, Elu, Flatten, Gelu, GlobalAvgPool,
    HardSigmoid, Interpolation, Linear, MaxPool, Mul, Relu, Resize, Scale, Sigmoid, Silu, Softplus, Tanh,
};

fn residual() -> ModelBuilder {
    Model::builder([8, 6, 2])
        .layer("conv1", Conv2d::new(4, 3))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(4, 3).without_bias())
        .layer("bn2", BatchNorm::new())
        .layer_from("sum", Add, &["relu1", "bn2"])
        .layer_from("both", Concat::default(), &["sum", "conv1"])
        .layer("gap", GlobalAvgPool)
        .layer("drop", Dropout { probability: 0.5 })
        .layer("fc", Linear::new(3))
}

fn images(n: usize) -> Tensor<f32> {
    Tensor::from_fn([n, 8, 6, 2], |i| (i as f32 * 0.37).sin())
}

#[test]
fn shapes_are_inferred_through_the_graph() {
    let model = residual().build(1).unwrap();
    let shapes: Vec<_> = model.layers().iter().map(|node| node.output_shape.clone()).collect();
    assert_eq!(shapes[5], [8, 6, 8]);
    assert_eq!(shapes[8], [3]);
    assert_eq!(model.summary().parameters, 3 * 3 * 2 * 4 + 4 + 3 * 3 * 4 * 4 + 8 + 8 * 3 + 3);
    assert_eq!(model.summary().multiply_adds, 48 * 4 * 18 + 48 * 4 * 36 + 24);
}

#[test]
fn the_table_names_layers_shapes_and_totals() {
    let table = residual().build(1).unwrap().summary().to_string();
    for part in ["conv 3×3, 4", "[N, 8, 6, 8]", "add (relu1 + bn2)", "total", "255"] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    assert_eq!(residual().build(7).unwrap(), residual().build(7).unwrap());
    assert_ne!(residual().build(7).unwrap(), residual().build(8).unwrap());
}

#[test]
fn heads_are_recognised_through_layers_that_do_nothing() {
    let model = residual().build(1).unwrap();
    assert_eq!(model.gap_head(), Some(GapHead { features: 5, linear: 8 }));
    assert_eq!(model.last_spatial_layer(), Some(5));
    let flat = Model::builder([4, 4, 1]).layer("flat", Flatten).layer("fc", Linear::new(2)).build(1).unwrap();
    assert_eq!(flat.gap_head(), None);
}

#[test]
fn another_size_keeps_the_weights() {
    let model = residual().build(1).unwrap();
    let larger = model.with_size([20, 9]).unwrap();
    assert_eq!((larger.input_shape(), larger.parameters()), ([20, 9, 2], model.parameters()));
    assert_eq!(larger.with_size([8, 6]).unwrap(), model);
    let flat = Model::builder([4, 4, 1]).layer("flat", Flatten).layer("fc", Linear::new(2)).build(1).unwrap();
    let error = flat.with_size([5, 4]).unwrap_err().to_string();
    assert_eq!(error, "parameter `fc.weight`: expected [20, 2], found [16, 2]");
}

/// Layers that enlarge, and smooth activations.
fn enlarging() -> ModelBuilder {
    let transposed = TransposedConvolution {
        output_padding: [1, 0],
        ..Convolution::default().stride(2).padding(1).groups(2).into()
    };
    let interpolation = Interpolation::Bicubic { align_corners: false };
    Model::builder([8, 6, 2])
        .layer("up", ConvTranspose2d { out_channels: 4, kernel: [3, 2], transposed, bias: true })
        .layer("elu", Elu { alpha: 0.5 })
        .layer("resize", Resize { size: [5, 9], interpolation })
        .layer("gelu", Gelu { tanh: true })
        .layer("conv", Conv2d::new(3, 3))
        .layer("softplus", Softplus)
        .layer("gap", GlobalAvgPool)
}

#[test]
fn enlarging_layers_know_their_shapes_and_costs() {
    let model = enlarging().build(1).unwrap();
    let shapes: Vec<_> = model.layers().iter().map(|node| node.output_shape.clone()).collect();
    assert_eq!((&shapes[0], &shapes[2]), (&vec![16, 10, 4], &vec![5, 9, 4]));
    assert_eq!(model.parameter("up.weight").unwrap().shape()[..], [3, 2, 2, 2]);
    assert_eq!(model.summary().multiply_adds, 8 * 6 * 2 * 3 * 2 * 2 + 5 * 9 * 3 * 3 * 3 * 4);
    let forward = model.record(images(2)).unwrap();
    for (index, shape) in shapes.iter().enumerate() {
        assert_eq!(forward.activation(index).shape()[1..], shape[..]);
    }
    let table = model.summary().to_string();
    for part in ["transposed conv 3×2 stride 2, 4", "ELU 0.5", "resize to 5×9", "GELU (tanh)", "softplus"] {
        assert!(table.contains(part), "{part} in\n{table}");
    }
    let file = model.to_bytes().unwrap();
    assert_eq!(Model::from_bytes(&file).unwrap(), model);
    let naming = Naming { layout: WeightLayout::PyTorch, layers: &[] };
    let file = model.weights_to_bytes(&naming).unwrap();
    assert_eq!(enlarging().build_with(&file, &naming).unwrap(), model);
    let stored = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(stored.tensor("up.weight").unwrap().shape(), [2, 2, 3, 2], "[Cin, Cout/groups, Kh, Kw]");
}

#[test]
fn the_task_follows_from_names_and_shape() {
    let model = |outputs: usize, classes: &[&str]| {
        let classes = classes.iter().map(ToString::to_string).collect();
        let head = Model::builder([4, 4, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(outputs));
        head.info(ModelInfo { classes, ..ModelInfo::default() }).build(1).unwrap()
    };
    assert_eq!(model(3, &[]).task(), Task::Classes);
    assert_eq!(model(1, &[]).task(), Task::Values);
    assert_eq!(model(1, &["sound", "defect"]).task(), Task::Labels);
    assert!(model(1, &["sound", "defect"]).is_binary());
    let map = Model::builder([4, 4, 1]).layer("a", Conv2d::new(3, 1)).build(1).unwrap();
    assert!(map.is_map() && map.task() == Task::Classes && map.scores() == 3);

    let scores = Tensor::new([2, 2], vec![0.0, 3.0_f64.ln(), 800.0, -800.0]);
    let near = |task: Task, expected: [f64; 4]| {
        let outputs = task.outputs(&scores);
        assert!(outputs.as_slice().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{task}: {outputs:?}");
    };
    near(Task::Classes, [0.25, 0.75, 1.0, 0.0]);
    near(Task::Labels, [0.5, 0.75, 1.0, 0.0]);
    near(Task::Values, scores.as_slice().try_into().unwrap());
}

#[test]
fn misfits_are_named() {
    let error = |builder: ModelBuilder| builder.build(1).unwrap_err();
    let empty = Model::builder([4, 4, 1]);
    assert_eq!(error(empty.clone()), ModelError::Empty);
    let twice = empty.clone().layer("a", Relu).layer("a", Relu);
    assert_eq!(error(twice), ModelError::NameTaken("a".into()));
    let nowhere = empty.clone().layer_from("a", Relu, &["b"]);
    assert_eq!(error(nowhere).to_string(), "layer `a` reads `b`, but no layer of that name stands before it");
    let unpooled = empty.clone().layer("fc", Linear::new(2));
    assert!(matches!(error(unpooled), ModelError::Layer { error: LayerError::Shape { .. }, .. }));
    let huge = empty.clone().layer("a", Conv2d::new(usize::MAX / 64, 3));
    assert!(matches!(error(huge), ModelError::Layer { error: LayerError::TooLarge(_), .. }));
    let control = empty.clone().layer("a\u{1b}[2J", Relu);
    assert!(error(control).to_string().starts_with(r#""a\u{1b}[2J" has control characters"#));
    let wide = empty.layer("a", MaxPool(crate::Pool2d { kernel: [5, 5], stride: [1, 1], padding: Default::default() }));
    assert!(error(wide).to_string().contains("doesn't fit"));
    let nothing = Layer::from(Concat::default()).output_shape(&[&[]]).unwrap_err();
    assert_eq!(nothing.to_string(), "expected an input [N, …] with the axis joined, found []");
}

/// What a few bytes of a hostile file could ask for.
#[test]
fn models_that_ask_for_memory_without_measure_are_refused() {
    let error = |builder: ModelBuilder| builder.build(1).unwrap_err().to_string();
    let conv = |kernel, conv| Layer::from(Conv2d { out_channels: 1, kernel: [kernel; 2], conv, bias: false });
    let padding = 30_000;
    let pooled = Pool2d::square(padding + 1).stride(1).padding(padding);
    let transposed = Convolution::default().stride(10_000).into();
    let interpolation = Interpolation::Nearest;
    for layer in [
        Layer::from(MaxPool(pooled)),
        AvgPool { pool: pooled, count_padding: true }.into(),
        conv(1, Convolution::default().padding(padding)),
        ConvTranspose2d { out_channels: 1, kernel: [1, 1], transposed, bias: false }.into(),
        Resize { size: [padding; 2], interpolation }.into(),
    ] {
        let message = error(Model::builder([4, 4, 1]).layer("a", layer));
        assert!(message.starts_with("layer `a`: ") && message.contains("the limit is 536870912"), "{message}");
    }
    // Few outputs, far apart: a copy between margins would be large.
    let sparse =
        Convolution { stride: [1 << 20; 2], dilation: [1 << 20, 1], ..Convolution::default().padding(1 << 20) };
    let message = error(Model::builder([4, 4, 1]).layer("a", conv(2, sparse)));
    assert!(message.starts_with("layer `a`: the intermediate values [2097156, 2097156, 1]"), "{message}");
    // Margins that fit into memory, but that nothing which goes in or comes out justifies.
    let margins = |conv: Convolution| conv.padding(10_000);
    let transposed = Convolution::default().stride(10_000).padding(15_000).into();
    for (layer, found) in [
        (conv(1, margins(Convolution::default().stride(20_000))), "[20004, 20004, 1]"),
        (conv(3, margins(Convolution::default().dilation(10_000))), "[20004, 20004, 1]"),
        (ConvTranspose2d { out_channels: 1, kernel: [1, 1], transposed, bias: false }.into(), "[30001, 30001, 1]"),
        (Resize { size: [1, 1 << 13], interpolation }.into(), "[8192, 8192, 1]"),
    ] {
        let input = if matches!(layer, Layer::Resize(_)) { [1 << 13, 1, 1] } else { [4, 4, 1] };
        let message = error(Model::builder(input).layer("a", layer));
        let expected = format!("layer `a`: the intermediate values {found} are too many: the limit is 1048576 values");
        assert!(message.starts_with(&expected), "{message}");
    }
    // As networks for segmentation have it, whose windows see little but margins.
    let atrous =
        Conv2d { out_channels: 8, kernel: [3, 3], conv: Convolution::default().dilation(36).padding(36), bias: true };
    Model::builder([14, 14, 512]).layer("a", atrous).layer("gap", GlobalAvgPool).build(1).unwrap();
    // Windows without weights.
    let all = Pool2d::square(2047).stride(1).padding(1023);
    let message = error(Model::builder([2048, 2048, 1]).layer("a", Relu).layer("b", MaxPool(all)));
    assert!(message.starts_with("the layers up to `b` take more than 1099511627776 multiply-adds"), "{message}");
    let flat = Resize { size: [1, 1 << 20], interpolation };
    let message = error(Model::builder([1 << 20, 1, 1]).layer("a", flat));
    assert!(message.starts_with("layer `a`: the intermediate values [1048576, 1048576, 1]"), "{message}");
    for (input, found) in [([0, 4, 1], "[0, 4, 1]"), ([1 << 30, 1, 1], "[1073741824, 1, 1]")] {
        let message = error(Model::builder(input).layer("a", Relu));
        assert_eq!(message, format!("images {found}; expected 1 to 536870912 values"));
    }
    assert!(error(Model::builder([usize::MAX; 3]).layer("a", Relu)).starts_with("images ["));
    // Doubled again and again, each output below the limit.
    let mut doubling = Model::builder([1 << 10, 1 << 10, 1]);
    for i in 0..9 {
        let name = format!("a{i}");
        let previous = if i == 0 { "input".into() } else { format!("a{}", i - 1) };
        doubling = doubling.layer_from(name, Concat::default(), &[&previous, &previous]);
    }
    assert!(error(doubling).starts_with("the layers up to `a8` give more than 536870912 values"));
    let message = error(Model::builder([4, 4, 1]).layer("a", conv(1, Convolution::default().stride(usize::MAX))));
    assert!(
        message.contains("a stride of 18446744073709551615 pixels is too large: the limit is 1048576"),
        "{message}"
    );
    let many = (0..10_001).fold(Model::builder([1, 1, 1]), |net, i| net.layer(i.to_string(), Relu));
    assert_eq!(error(many), "10001 layers; the limit is 10000");
}

#[test]
fn unknown_names_come_with_what_there_is() {
    let model = residual().build(1).unwrap();
    let error = model.layer_index("cnov2").unwrap_err().to_string();
    assert!(error.contains("did you mean `conv2`?") && error.contains("conv1, relu1, conv2"), "{error}");
    assert_eq!(model.class_index("2"), Ok(2));
    assert!(model.class_index("3").unwrap_err().to_string().contains("the classes are 0, 1, 2"));
    let info = ModelInfo { classes: vec!["cat".into(), "dog".into(), "newt".into()], ..ModelInfo::default() };
    let named = model.with_info(info).unwrap();
    assert_eq!(named.class_index("Dog"), Ok(1));
    assert!(named.class_index("next").unwrap_err().to_string().contains("did you mean `newt`?"));
}

#[test]
fn an_image_of_another_shape_is_refused() {
    let model = residual().build(1).unwrap();
    let error = model.predict(Tensor::zeros([1, 6, 8, 2])).unwrap_err().to_string();
    assert_eq!(error, "the model takes images [N, 8, 6, 2], found [1, 6, 8, 2]");
}

#[test]
fn every_tape_computes_the_same_and_a_lean_one_gives_the_same_gradients() {
    let model = residual().build(3).unwrap();
    let run = |keep| {
        let tape = Tape::keeping(keep);
        let forward = model.forward(&tape, images(2), Mode::Training { seed: 5 }).unwrap();
        let wanted: Vec<_> = forward.trained(&model).map(|(_, var)| var.clone()).collect();
        let mut found = tape.backward(&forward.logits, &Exact, &wanted).unwrap();
        (forward.logits.value().clone(), wanted.iter().map(|var| found.take(var).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(run(Keep::All), run(Keep::Needed));
    let evaluated = model.forward(&Tape::new(), images(2), Mode::Evaluation).unwrap();
    assert_eq!(&model.predict(images(2)).unwrap(), evaluated.logits.value());
}

#[test]
fn a_pass_can_be_resumed_at_any_layer() {
    let model = residual().build(3).unwrap();
    let forward = model.record(images(3)).unwrap();
    let logits = |image: usize| forward.logits().value().as_slice()[image * 3..][..3].to_vec();
    for layer in 0..model.layers().len() {
        let outputs = forward.activation(layer).value();
        let each = outputs.len() / 3;
        let twice = Tensor::new(outputs.shape().with(0, 2), outputs.as_slice()[each..2 * each].repeat(2));
        assert_eq!(
            model.resume(layer, model.layers().len() - 1, &twice, &forward, 1).as_slice(),
            logits(1).repeat(2),
            "layer {layer}"
        );
        let none = Tensor::zeros(twice.shape());
        assert_ne!(
            model.resume(layer, model.layers().len() - 1, &none, &forward, 1).as_slice(),
            logits(1).repeat(2),
            "layer {layer}"
        );
    }
}

#[test]
fn a_layer_may_read_another_twice() {
    let model = Model::builder([2, 2, 1])
        .layer("relu", Relu)
        .layer_from("double", Add, &["relu", "relu"])
        .layer("gap", GlobalAvgPool)
        .build(1)
        .unwrap();
    let scores = model.predict(Tensor::new([1, 2, 2, 1], vec![1.0, 2.0, 3.0, -9.0])).unwrap();
    assert_eq!(scores.as_slice(), &[3.0]);
}

#[test]
fn running_statistics_move_towards_the_batch() {
    let mut model = residual().build(3).unwrap();
    let before = model.parameter("bn2.running_mean").unwrap().clone();
    let mode = Mode::Training { seed: 1 };
    let conv2 = model.every_output(Source::Image, images(4), mode)[2].clone().unwrap();
    let forward = model.forward(&Tape::new(), images(4), mode).unwrap();
    let mean = conv2.reshape([4 * 48, 4]).sum_axis(0).map(|sum| sum / 192.0);
    model.update_statistics(&forward.into_statistics());
    let after = model.parameter("bn2.running_mean").unwrap();
    for ((after, before), mean) in after.as_slice().iter().zip(before.as_slice()).zip(mean.as_slice()) {
        approx::assert_abs_diff_eq!(*after, 0.9 * before + 0.1 * mean, epsilon = 1e-6);
    }
}

mod files {
    use std::fs;

    use super::*;

    #[test]
    fn a_model_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let normalization = Normalization::new(vec![0.5, 0.25], vec![0.1, 0.2]).unwrap();
        let classes = vec!["a".into(), "b".into(), "c".into()];
        let model = residual()
            .info(ModelInfo {
                classes,
                normalization: Some(normalization),
                crop: Crop::Squeezed,
                ..ModelInfo::default()
            })
            .build(9)
            .unwrap();
        model.save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap(), model);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = residual().build(1).unwrap().save("/nowhere/at/all/model.safetensors").unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/at/all/model.safetensors: "), "{error}");
    }

    #[test]
    fn truncated_and_altered_files_are_refused() {
        let bytes = residual().build(9).unwrap().to_bytes().unwrap();
        for length in (0..bytes.len()).step_by(61) {
            assert!(Model::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
        let text = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            let mut altered = bytes.clone();
            altered[at..at + to.len()].copy_from_slice(to.as_bytes());
            Model::from_bytes(&altered).unwrap_err().to_string()
        };
        assert!(text("\"glassbox\"", "\"glassbux\"").contains("not a model saved here"));
        assert!(text("\\\"format\\\":1", "\\\"format\\\":7").contains("the model's format is 7, this version reads 1"));
        assert!(text("\"conv2.weight\"", "\"conv9.weight\"").contains("parameter `conv2.weight` is missing"));
        assert!(
            text("[8,6,2]", "[8,6,3]").contains("parameter `conv1.weight`: expected [3, 3, 3, 4], found [3, 3, 2, 4]")
        );
        assert!(text("\\\"relu\\\"", "\\\"sulu\\\"").contains("can't be understood"));
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        for (value, found) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (-f32::INFINITY, "-inf")] {
            let mut model = residual().build(1).unwrap();
            let mut weight = model.parameter("conv2.weight").unwrap().clone();
            weight.make_mut()[7] = value;
            model.set_parameter("conv2.weight", weight).unwrap();
            let error = Model::from_bytes(&model.to_bytes().unwrap()).unwrap_err().to_string();
            assert_eq!(error, format!("parameter `conv2.weight` holds {found}; expected finite numbers"));
        }
    }

    #[test]
    fn weights_in_half_precision_are_read() {
        use safetensors::tensor::{Dtype, TensorView};
        let model = Model::builder([2, 1, 1]).layer("flat", Flatten).layer("fc", Linear::new(1)).build(1).unwrap();
        let bytes = model.to_bytes().unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let half =
            |values: &[f32]| values.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect::<Vec<u8>>();
        let (weight, bias) = (half(&[0.5, -2.0]), half(&[1.5]));
        let views = [
            ("fc.weight", TensorView::new(Dtype::F16, vec![2, 1], &weight).unwrap()),
            ("fc.bias", TensorView::new(Dtype::F16, vec![1], &bias).unwrap()),
        ];
        let file = safetensors::serialize(views, metadata.metadata().clone()).unwrap();
        assert_eq!(Model::from_bytes(&file).unwrap().parameter("fc.weight").unwrap().as_slice(), &[0.5, -2.0]);
    }
}
