//! Models that go through ONNX files: every layer, the zoo, a pretrained network; and what ONNX Runtime says of them.

use std::fs;
use std::path::{Path, PathBuf};

use attribution::methods::{Cam, GradCam, GuidedBackprop, HiResCam, LayerCam};
use attribution::{Map, Method, Pass};
use nn::data::Normalization;
use nn::layers::{
    Add, AvgPool, BatchNorm, ChannelMax, ChannelMean, Clip, Concat, Conv2d, ConvTranspose2d, Div, Dropout, Elu, Erf,
    Flatten, Gelu, GlobalAvgPool, GroupNorm, HardSigmoid, Interpolation, LayerNorm, LeakyRelu, Linear, MaxPool, Mul,
    PRelu, Pad, Power, Relu, Resize, Scale, Select, Shift, Sigmoid, Silu, Softmax, Softplus, Sub, Tanh, Unflatten,
};
use nn::zoo::{BatchNorms, Head, Net, efficientnet_lite0};
use nn::{Convolution, Model, ModelBuilder, ModelInfo, Naming, Padding, Pool2d, TransposedConvolution};
use tensor::Tensor;

use crate::support::{Stored, reference, relative_error};

/// Every kind of layer, with paddings, strides and groups that tell dimensions apart.
fn all_layers() -> ModelBuilder {
    let conv =
        Convolution { padding: Padding { top: 0, bottom: 1, left: 2, right: 3 }, ..Convolution::default().groups(2) };
    let pool = Pool2d { kernel: [3, 2], stride: [2, 1], padding: Padding { top: 1, bottom: 0, left: 0, right: 1 } };
    let transposed = TransposedConvolution {
        conv: Convolution {
            padding: Padding { top: 1, bottom: 0, left: 0, right: 1 },
            ..Convolution::default().stride(2).groups(3)
        },
        output_padding: [1, 0],
    };
    let transposed = ConvTranspose2d { out_channels: 6, kernel: [3, 2], transposed, bias: true };
    let around = Padding { top: 1, bottom: 0, left: 0, right: 2 };
    let select = |axis, places: &[usize]| Select { axis, indices: places.to_vec() };
    let resize = |interpolation| Resize { size: [3, 11], interpolation };
    let classes = vec!["cat".into(), "dog".into(), "newt".into()];
    let normalization = Normalization::new(vec![0.1; 4], vec![0.3; 4]).unwrap();
    Model::builder([14, 12, 4])
        .layer("pad", Pad { padding: around, channels: [0, 0], value: 0.5 })
        .layer("conv", Conv2d { out_channels: 6, kernel: [3, 2], conv, bias: true })
        .layer("bn", BatchNorm { epsilon: 1e-3, momentum: 0.01 })
        .layer("silu", Silu)
        .layer("groups", GroupNorm { groups: 3, epsilon: 1e-4 })
        .layer("prelu", PRelu)
        .layer("pool", MaxPool(pool))
        .layer("leaky", LeakyRelu { slope: 0.2 })
        .layer("mean", AvgPool { pool, count_padding: true })
        .layer("plain", Conv2d::new(6, 3).without_bias())
        .layer("relu", Relu)
        .layer("up", transposed)
        .layer("gelu", Gelu { tanh: false })
        .layer("gelu_tanh", Gelu { tanh: true })
        .layer("elu", Elu { alpha: 0.7 })
        .layer("linear", resize(Interpolation::Bilinear { align_corners: true }))
        .layer("softplus", Softplus)
        .layer("cubic", resize(Interpolation::Bicubic { align_corners: false }))
        .layer("nearest", Resize { size: [6, 22], interpolation: Interpolation::Nearest })
        .layer("mean2", AvgPool { pool: Pool2d::square(2).stride(1), count_padding: false })
        .layer("scale", Scale { shape: vec![6] })
        .layer("shift", Shift { shape: vec![5, 21, 6] })
        .layer("pixel_norm", LayerNorm { epsilon: 1e-6 })
        .layer("erf", Erf)
        .layer("clip", Clip::RELU6)
        .layer("wider", Pad { padding: Padding::default(), channels: [1, 2], value: 0.25 })
        .layer("channels", select(2, &[3, 1, 8, 0, 5, 5]))
        .layer("lines", select(0, &[4, 0, 2, 3, 1]))
        .layer("columns", select(1, &[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]))
        .layer("where", ChannelMean)
        .layer_from("most", ChannelMax, &["columns"])
        .layer_from("squeeze", GlobalAvgPool, &["columns"])
        .layer("excite", Linear::new(6))
        .layer("line", Unflatten { shape: [1, 6, 1] })
        .layer("over_channels", Conv2d::new(1, 3))
        .layer("row", Flatten)
        .layer("attention", Softmax)
        .layer("some", select(0, &[5, 4, 3, 2, 1, 0]))
        .layer("gate", HardSigmoid { slope: 0.2, offset: 0.5 })
        .layer_from("se", Mul, &["columns", "gate"])
        .layer_from("difference", Sub, &["se", "squeeze"])
        .layer("sigmoid", Sigmoid)
        .layer_from("quotient", Div, &["difference", "sigmoid"])
        .layer_from("both", Concat::default(), &["quotient", "columns", "where", "most"])
        .layer("flat", Flatten)
        .layer("bn_flat", BatchNorm::new())
        .layer("row_norm", LayerNorm { epsilon: 1e-5 })
        .layer("squares", Power { exponent: 2.0 })
        .layer("tanh", Tanh)
        .layer("drop", Dropout { probability: 0.3 })
        .layer("fc1", Linear::new(7))
        .layer_from("fc2", Linear::new(7).without_bias(), &["drop"])
        .layer_from("sum", Add, &["fc1", "fc2"])
        .layer_from("rows", Concat::default(), &["sum", "fc1"])
        .layer("fc", Linear::new(3))
        .info(ModelInfo { classes, normalization: Some(normalization), ..ModelInfo::default() })
}

/// Weights that differ all over, running statistics and all.
fn filled(builder: ModelBuilder) -> Model {
    let mut model = builder.build(3).unwrap();
    let parameters = model.parameters().to_vec();
    for (index, parameter) in parameters.iter().enumerate() {
        // A variance and a scale stay positive.
        let centre = if parameter.value.shape().len() == 1 && !parameter.name.ends_with("bias") { 1.0 } else { 0.0 };
        let value = |i: usize| centre + ((i * 7 + index) as f32 * 0.37).sin() * 0.4;
        model.set_parameter(&parameter.name, Tensor::from_fn(*parameter.value.shape(), value)).unwrap();
    }
    model
}

#[test]
fn every_layer_comes_back_bit_for_bit() {
    let model = filled(all_layers());
    let back = Model::from_onnx(&model.to_onnx()).unwrap();
    for (ours, theirs) in model.layers().iter().zip(back.layers()) {
        assert_eq!(ours, theirs);
    }
    assert!(back == model);
}

#[test]
fn the_zoo_comes_back_bit_for_bit() {
    for net in Net::ALL.into_iter().filter(|&net| net != Net::EfficientNetLite0) {
        for head in [Head::GlobalAvgPool, Head::Flatten] {
            let model = filled(net.builder([32, 32, 3], 10, head));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("net.onnx");
            model.save_onnx(&path).unwrap();
            let back = Model::load_onnx(&path).unwrap();
            if net == Net::Vit {
                // The rearrangements round attention come back in other layers.
                let images = Tensor::from_fn([2, 32, 32, 3], |i| (0.37 * i as f64).sin() as f32);
                let [ours, theirs] = [&model, &back].map(|model| model.predict(images.clone()).unwrap());
                assert_eq!(ours, theirs, "{net} with {head:?}");
            } else {
                assert!(back == model, "{net} with {head:?}");
            }
        }
    }
}

/// The models whose files ONNX Runtime has run: `tests/run_onnxruntime.py` stores its scores beside them.
fn run_by_onnx_runtime() -> Vec<(&'static str, Model)> {
    let small = Model::builder([16, 16, 3])
        .layer("conv", Conv2d::new(8, 3).stride(2).without_bias())
        .layer("bn", BatchNorm::new())
        .layer("relu", Relu)
        .layer("dw", Conv2d::new(8, 3).groups(8))
        .layer_from("add", Add, &["dw", "relu"])
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(5));
    vec![("all_layers", filled(all_layers())), ("residual", filled(small))]
}

#[test]
fn onnx_runtime_agrees_on_what_is_written() {
    let file = |name: &str| reference(&format!("onnxruntime/{name}.onnx"));
    if std::env::var_os("GLASSBOX_WRITE_ONNX").is_some() {
        run_by_onnx_runtime().iter().for_each(|(name, model)| model.save_onnx(file(name)).unwrap());
    }
    for (name, model) in run_by_onnx_runtime() {
        let (file, written) = (file(name), model.to_onnx());
        assert!(fs::read(&file).unwrap() == written, "{name}: another file than ONNX Runtime has run");
        let stored = Stored::open(&format!("onnxruntime/{name}.safetensors"));
        let scores = model.predict(stored.array("input").cast()).unwrap();
        let error = relative_error(&scores.cast(), &stored.array("scores"));
        assert!(error <= 1e-5, "{name}: {error:e}");
    }
}

/// A file that lies beside the repository: too large for it.
fn beside_the_repository(path: &str) -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.map(|folder| folder.join("shared").join(path)).find(|file| file.exists())
}

/// The size of the difference over the stored values', in the Euclidean norm.
fn distance(found: impl IntoIterator<Item = f64>, stored: &Tensor<f64>) -> f64 {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), stored.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(stored.as_slice()).map(|(f, s)| f - s));
    difference / norm(&mut stored.as_slice().iter().copied())
}

/// The network that lies beside the repository, and what is stored for a photograph of a cat.
fn efficientnet() -> Option<(Model, Stored, Tensor<f64>)> {
    let file = beside_the_repository("data/efficientnet-lite0/efficientnet_lite0.onnx")?;
    let stored = Stored::at(&beside_the_repository("reference/efficientnet-lite0/chelsea.safetensors")?);
    let pixels = stored.bytes("input_u8");
    let input = pixels.iter().map(|&byte| (f64::from(byte) - 127.0) / 128.0).collect();
    Some((Model::load_onnx(file).unwrap(), stored, Tensor::new([1, 224, 224, 3], input)))
}

const ABSENT: &str = "the ONNX file of EfficientNet-Lite0, 18 MB, isn't beside the repository: nothing to compare";

#[test]
fn efficientnet_from_onnx_gives_the_stored_scores_and_maps() {
    let Some((model, stored, input)) = efficientnet() else {
        eprintln!("{ABSENT}");
        return;
    };
    // PyTorch's own errors in f32, doubled: the exporter folded the batch norms in f32, so that the file's weights have
    // roundings of that size, and what is computed with them in f64.
    let close = |what: &str, found: &[f64], single_precision: f64| {
        let error = distance(found.iter().copied(), &stored.array(what));
        assert!(error <= 2.0 * single_precision, "{what}: {error:e}");
    };
    let scores: Vec<f64> = model.predict(input.cast()).unwrap().as_slice().iter().map(|&score| score.into()).collect();
    close("logits", &scores, 6.5e-7);

    let model = model.cast::<f64>();
    let pass = Pass::new(&model, input).unwrap();
    close("logits", pass.logits().as_slice(), 6.5e-7);
    let class = 285;
    let values = |map: &Map<f64>| map.raw().iter().copied().collect::<Vec<_>>();
    close("cam_head_raw", &values(&pass.why(class).explain(&Cam).unwrap()), 5.8e-7);
    let maps: [(&dyn Method<f64>, &str, f64); 6] = [
        (&GradCam, "gradcam_head_raw", 5.9e-7),
        (&LayerCam, "layercam_head_raw", 5.3e-7),
        (&HiResCam, "hirescam_head_raw", 6.0e-7),
        (&GradCam, "gradcam_b10_raw", 8.2e-7),
        (&LayerCam, "layercam_b10_raw", 8.6e-7),
        (&HiResCam, "hirescam_b10_raw", 7.9e-7),
    ];
    for (method, key, single_precision) in maps {
        let layer = if key.contains("head") { "node_relu6_32" } else { "node_add_5" };
        close(key, &values(&pass.why(class).at(layer).explain(method).unwrap()), single_precision);
    }
    let guided: Vec<f64> = pass.why(class).explain(&GuidedBackprop).unwrap().raw().iter().copied().collect();
    close("guided_backprop", &guided, 2.8e-7);
}

#[test]
fn efficientnet_from_onnx_has_the_embedded_weights() {
    let Some((model, ..)) = efficientnet() else {
        eprintln!("{ABSENT}");
        return;
    };
    let weights = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(EMBEDDED)).unwrap();
    let builder = efficientnet_lite0([224, 224, 3], 1000, Head::GlobalAvgPool, BatchNorms::Folded);
    let embedded = builder.build_with(&weights, &Naming::default()).unwrap();
    assert_eq!(embedded.parameters().len(), model.parameters().len());
    for (half, full) in embedded.parameters().iter().zip(model.parameters()) {
        assert_eq!(half.value.shape(), full.value.shape(), "{} and {}", half.name, full.name);
        // Rounded to half precision: eleven bits.
        let error = distance(half.value.as_slice().iter().map(|&value| value.into()), &full.value.cast());
        assert!(error <= 1.0 / 2048.0, "{} and {}: {error:e}", half.name, full.name);
    }
}

const EMBEDDED: &str = "crates/attribution/pretrained/efficientnet-lite0/weights.safetensors";
