//! `glassbox train` that starts from a network which has learnt something else.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use nn::data::{Crop, Normalization};
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use nn::{Model, ModelInfo};

fn glassbox(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    let Output { status, stdout, stderr } = command.current_dir(folder).args(arguments).output().unwrap();
    (status.success(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

/// Pictures of stripes that stand and of stripes that lie.
fn stripes(each: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["lying", "standing"] {
        fs::create_dir_all(folder.path().join("stripes").join(class)).unwrap();
        for number in 0..each {
            let picture = RgbImage::from_fn(64 + number, 60, |x, y| {
                let at = if class == "lying" { y } else { x };
                Rgb([if (at + number) / 8 % 2 == 0 { 230 } else { 30 }, 120, (10 * number) as u8])
            });
            picture.save(folder.path().join(format!("stripes/{class}/{number}.png"))).unwrap();
        }
    }
    folder
}

/// A network of seven classes for pictures of 24×24.
fn start() -> Model {
    let info = ModelInfo {
        normalization: Some(Normalization::new(vec![0.4, 0.5, 0.6], vec![0.25; 3]).unwrap()),
        crop: Crop::Squeezed,
        ..ModelInfo::default()
    };
    Model::builder([24, 24, 3])
        .layer("conv1", Conv2d::new(8, 5).stride(2))
        .layer("relu1", Relu)
        .layer("conv2", Conv2d::new(16, 3))
        .layer("relu2", Relu)
        .layer("pool", GlobalAvgPool)
        .layer("scores", Linear::new(7))
        .info(info)
        .build(1)
        .unwrap()
}

fn run(folder: &Path, name: &str, network: &str) -> (bool, String) {
    let text = format!(
        "[data]\nsource = \"folder\"\nfolder = \"stripes\"\nvalidation = 0.2\n[network]\n{network}\n\
         [training]\nepochs = 6\nbatch_size = 6\n[output]\nfolder = \"{name}\"\nfilm_pictures = 2\nfilm_every = 3\n"
    );
    fs::write(folder.join("run.toml"), text).unwrap();
    glassbox(folder, &["train", "--config", "run.toml"])
}

#[test]
fn a_network_in_a_file_gets_a_new_head() {
    let folder = stripes(10);
    let at = |name: &str| folder.path().join(name);
    start().save(at("start.safetensors")).unwrap();
    start().save_onnx(at("start.onnx")).unwrap();
    let (done, printed) = run(folder.path(), "kept", "start = \"start.safetensors\"");
    assert!(done && printed.contains("16 training images of 24×24 in 2 classes"), "{printed}");
    assert!(printed.contains("a network of 1810 parameters, 34 of them trained"), "{printed}");
    let model = Model::load(at("kept/model.safetensors")).unwrap();
    for parameter in start().parameters().iter().filter(|parameter| !parameter.name.starts_with("scores.")) {
        assert_eq!(model.parameter(&parameter.name), Some(&parameter.value), "{}", parameter.name);
    }
    assert_eq!(model.info().classes, ["lying", "standing"]);
    assert_eq!((model.info().crop, &model.info().normalization), (Crop::Squeezed, &start().info().normalization));

    // With nothing kept it is the same training; with nothing frozen another.
    let (done, printed) = run(folder.path(), "computed", "start = \"start.safetensors\"\nfeatures_mb = 0");
    assert!(done, "{printed}");
    let (done, printed) =
        run(folder.path(), "free", "start = \"start.safetensors\"\nfreeze = \"nothing\"\ncut = \"relu2\"");
    assert!(done, "{printed}");
    let read = |run: &str, file: &str| fs::read(at(run).join(file)).unwrap();
    for file in ["model.safetensors", "log.jsonl", "film/film.png"] {
        assert!(read("kept", file) == read("computed", file), "{file}");
        assert!(read("kept", file) != read("free", file), "{file}");
    }
    let page = fs::read_to_string(at("kept/index.html")).unwrap();
    for part in ["start.safetensors with a new head", "Learning rate", "epoch 6", "precision", "batch_size = 6"] {
        assert!(page.contains(part), "{part}");
    }

    // An ONNX file that we wrote says how pictures become its input, too.
    let (done, printed) = run(folder.path(), "onnx", "start = \"start.onnx\"");
    assert!(done && read("onnx", "model.safetensors") == read("kept", "model.safetensors"), "{printed}");
}

#[test]
fn what_cannot_be_started_from_is_named() {
    let folder = stripes(5);
    start().save(folder.path().join("start.safetensors")).unwrap();
    let bare = start().with_info(ModelInfo::default()).unwrap();
    bare.save(folder.path().join("bare.safetensors")).unwrap();
    for (network, expected) in [
        ("start = \"efficientnet\"", "efficientnet: "),
        ("start = \"bare.safetensors\"", "bare.safetensors: has no normalization for pictures"),
        ("start = \"start.safetensors\"\ncut = \"relu3\"", "network.cut: there is no layer `relu3` (did you mean"),
        ("start = \"start.safetensors\"\nfreeze = \"trunc\"", "network.freeze: there is no layer `trunc`"),
    ] {
        let (done, printed) = run(folder.path(), "run", network);
        assert!(!done && printed.contains(expected), "{network}: {printed}");
    }
}

/// Photographs' network, in the program: stripes learnt, and explained with CAM.
#[cfg(feature = "pretrained")]
#[test]
fn the_network_in_the_program_learns_pictures_of_ones_own() {
    let folder = stripes(6);
    let train = ["train", "--folder", "stripes", "--start", "efficientnet-lite0", "--epochs", "4", "--batch", "5"];
    let (done, printed) = glassbox(folder.path(), &[&train[..], &["--out", "net", "--dry-run"]].concat());
    assert!(done && printed.contains("10 images for training, 224×224×3: lying 5, standing 5"), "{printed}");
    assert!(printed.contains("for the first epoch; the others are much faster"), "{printed}");
    let (done, printed) = glassbox(folder.path(), &[&train[..], &["--out", "net"]].concat());
    assert!(done && printed.contains("2562 of them trained"), "{printed}");
    let explain =
        ["explain", "stripes/lying/0.png", "--model", "net/model.safetensors", "--method", "cam", "--class", "lying"];
    let (done, printed) = glassbox(folder.path(), &explain);
    assert!(done && printed.contains("evidence"), "{printed}");
}
