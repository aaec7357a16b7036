//! `glassbox explain` for networks that give something else than one of several classes.

use std::fs;
use std::path::Path;

use attribution::npy::write_npy;
use ndarray::Array3;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};
use nn::{Model, ModelBuilder, ModelInfo, Task};
use serde_json::Value;
use tensor::Tensor;

use crate::support::{fails, glassbox, succeeds};

/// The features of all networks here.
fn features() -> ModelBuilder {
    Model::builder([12, 12, 1]).layer("conv", Conv2d::new(6, 3)).layer("relu", Relu)
}

/// A network that ends in pooling and a fully connected layer.
fn row(outputs: usize, task: Option<Task>, names: &[&str], units: &[&str]) -> Model {
    let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let info = ModelInfo { classes: own(names), task, units: own(units), ..ModelInfo::default() };
    features().layer("gap", GlobalAvgPool).layer("fc", Linear::new(outputs)).info(info).build(3).unwrap()
}

/// A folder with the model and two pictures, and the scores of the first.
fn folder(model: &Model) -> (tempfile::TempDir, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path().join("model.safetensors")).unwrap();
    let picture = |phase: f32| Array3::from_shape_fn((12, 12, 1), |(y, x, _)| ((y * 5 + x * 3) as f32 + phase).sin());
    let write = |name: &str, phase: f32| write_npy(&folder.path().join(name), picture(phase).view()).unwrap();
    write("a.npy", 0.0);
    write("b.npy", 1.0);
    let scores = model.predict(Tensor::new([1, 12, 12, 1], picture(0.0).into_raw_vec_and_offset().0)).unwrap();
    (folder, scores.as_slice().iter().copied().map(f64::from).collect())
}

/// The JSON of one explained picture.
fn explained(folder: &Path, rest: &[&str]) -> Value {
    let ask = ["explain", "a.npy", "--model", "model.safetensors", "--method", "grad-cam", "--out", "out", "--json"];
    let json: Value = serde_json::from_str(&succeeds(folder, &[&ask[..], rest].concat())).unwrap();
    json["pictures"][0].clone()
}

fn sigmoid(y: f64) -> f64 {
    1.0 / (1.0 + (-y).exp())
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found}"));
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
}

/// What each record says can be repeated.
fn verified(folder: &Path) {
    let printed = succeeds(folder, &["verify", "out/a.explained.json"]);
    assert!(!printed.contains("DIFFERENT"), "{printed}");
}

#[test]
fn a_binary_classifier_has_two_classes() {
    let (folder, scores) = folder(&row(1, Some(Task::Labels), &["sound", "defect"], &[]));
    let picture = explained(folder.path(), &["--target", "sound", "--target", "1"]);
    let (probability, likelier) = (sigmoid(scores[0]), usize::from(scores[0] > 0.0));
    for said in picture["top"].as_array().unwrap() {
        let positive = said["name"] == "defect";
        near(&said["probability"], if positive { probability } else { 1.0 - probability });
    }
    assert_eq!(picture["top"][0]["class"], likelier);
    let whys: Vec<&str> =
        picture["explanations"].as_array().unwrap().iter().map(|e| e["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["sound", "defect"]);
    verified(folder.path());
}

#[test]
fn each_label_has_its_own_probability() {
    let (folder, scores) = folder(&row(3, Some(Task::Labels), &["rust", "dent", "scratch"], &[]));
    let picture = explained(folder.path(), &["--target", "dent:absent", "--target", "scratch"]);
    for said in picture["top"].as_array().unwrap() {
        near(&said["probability"], sigmoid(scores[said["class"].as_u64().unwrap() as usize]));
    }
    assert_eq!(picture["explanations"][0]["why"], "not dent");
    verified(folder.path());
    let message = fails(
        folder.path(),
        &["explain", "a.npy", "--model", "model.safetensors", "--target", "dent:lower", "--out", "none"],
    );
    assert!(
        message.contains("the network gives labels, which have no `dent:lower`: ask for one as in `scratch:absent`")
    );
}

#[test]
fn values_have_units_and_sides() {
    let (folder, scores) = folder(&row(2, Some(Task::Values), &["age", "weight"], &["years", ""]));
    let picture = explained(folder.path(), &["--target", "weight:lower"]);
    near(&picture["top"][0]["value"], scores[0]);
    assert_eq!((&picture["top"][0]["unit"], &picture["top"][1]["unit"]), (&Value::from("years"), &Value::Null));
    assert_eq!(picture["explanations"][0]["why"], "lower weight");
    verified(folder.path());
    let ask = ["explain", "a.npy", "--model", "model.safetensors", "--method", "grad-cam", "--out", "out"];
    assert!(succeeds(folder.path(), &ask).contains("why higher age, the first value"));
    let message = fails(folder.path(), &[&ask[..], &["--target", "old"]].concat());
    assert!(message.contains("the network gives values, which have no `old`: ask for one as in `weight:lower`"));
}

/// A single number that nothing is known of is a value; one option makes it a binary classifier.
#[test]
fn one_number_is_a_value_unless_the_user_says_otherwise() {
    let (folder, scores) = folder(&row(1, None, &[], &[]));
    let ask = ["explain", "a.npy", "--model", "model.safetensors", "--method", "grad-cam", "--out", "out"];
    let printed = succeeds(folder.path(), &ask);
    let probability = format!("its probability is then {:.3}", sigmoid(scores[0]));
    assert!(printed.contains("--task labels") && printed.contains(&probability), "{printed}");
    near(&explained(folder.path(), &[])["top"][0]["value"], scores[0]);
    let picture = explained(folder.path(), &["--task", "labels", "--target", "1"]);
    near(&picture["top"][usize::from(scores[0] < 0.0)]["probability"], sigmoid(scores[0]));
    fs::write(folder.path().join("names.txt"), "no\nyes\n").unwrap();
    let picture = explained(folder.path(), &["--labels", "names.txt", "--target", "no"]);
    assert_eq!(picture["explanations"][0]["why"], "no");
    fs::write(folder.path().join("names.txt"), "age [years]\n").unwrap();
    assert_eq!(explained(folder.path(), &["--labels", "names.txt"])["top"][0]["unit"], "years");
}

#[test]
fn embeddings_are_compared_with_another_picture() {
    let (folder, _) = folder(&row(5, Some(Task::Embedding), &[], &[]));
    let ask = ["explain", "a.npy", "--model", "model.safetensors", "--out", "none"];
    assert!(fails(folder.path(), &ask).contains("name a picture to compare with (--like)"));
    let picture = explained(folder.path(), &["--like", "b.npy"]);
    assert_eq!(picture["explanations"][0]["target"]["like"], "b.npy");
    assert_eq!(picture["explanations"][0]["why"], "similar to b.npy");
    verified(folder.path());
}

/// The cosine of two single numbers tells no more than whether their signs agree.
#[test]
fn single_numbers_are_not_compared_with_another_picture() {
    let (folder, _) = folder(&row(1, Some(Task::Values), &["age"], &[]));
    let message =
        fails(folder.path(), &["explain", "a.npy", "--model", "model.safetensors", "--like", "b.npy", "--out", "none"]);
    assert!(message.contains("--like needs a network that gives several numbers for a picture"), "{message}");
    assert!(!folder.path().join("none").exists());
}

#[test]
fn maps_are_asked_in_a_region() {
    let info = ModelInfo { classes: ["road", "sky"].map(String::from).to_vec(), ..ModelInfo::default() };
    let model = features().layer("map", Conv2d::new(2, 1)).info(info).build(3).unwrap();
    let (folder, scores) = folder(&model);
    let sky = scores.chunks(2).filter(|pixel| pixel[1] > pixel[0]).count();
    let picture = explained(folder.path(), &["--target", "sky", "--region", "2,3,4,5"]);
    let shares: Vec<&Value> = picture["top"].as_array().unwrap().iter().collect();
    let of_sky = shares.iter().find(|said| said["name"] == "sky").unwrap();
    near(&of_sky["share"], sky as f64 / 144.0);
    assert_eq!(picture["explanations"][0]["why"], "sky in the box 2,3,4,5");
    assert_eq!(picture["explanations"][0]["layers"][0], "relu");
    verified(folder.path());
    let misread = ["explain", "a.npy", "--model", "model.safetensors", "--region", "1,2", "--out", "none"];
    let output = glassbox(folder.path(), &misread);
    assert!(String::from_utf8_lossy(&output.stderr).contains("a box TOP,LEFT,HEIGHT,WIDTH"));
    let pixels = image::GrayImage::from_fn(12, 12, |x, _| image::Luma([if x < 6 { 255 } else { 0 }]));
    pixels.save(folder.path().join("left.png")).unwrap();
    let picture = explained(folder.path(), &["--target", "road", "--region", "left.png"]);
    assert_eq!(picture["explanations"][0]["why"], "road in the mask left.png");
    verified(folder.path());
}

#[test]
fn units_are_targets() {
    let (folder, _) = folder(&row(3, None, &[], &[]));
    let picture = explained(folder.path(), &["--target", "relu:4", "--target", "conv:0:5,6", "--target", "conv:*:5,6"]);
    let whys: Vec<&str> =
        picture["explanations"].as_array().unwrap().iter().map(|e| e["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["relu:4", "conv:0:5,6", "conv:*:5,6"]);
    verified(folder.path());
    let message = |unit: &str| {
        fails(folder.path(), &["explain", "a.npy", "--model", "model.safetensors", "--target", unit, "--out", "none"])
    };
    let found = message("relu:9");
    assert!(found.contains("there is no unit relu:9: the layer has 6 channels, 0 to 5; 12 rows, 0 to 11"), "{found}");
    let found = message("rely:1");
    assert!(found.contains("did you mean `relu`?"), "{found}");
}

/// What can be made is made; what can't is said.
#[test]
fn a_method_that_does_not_apply_leaves_the_others() {
    let info = ModelInfo::default();
    let gated =
        features().layer("gate", nn::layers::Softplus).layer_from("product", nn::layers::Mul, &["relu", "gate"]);
    let model = gated.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).info(info).build(3).unwrap();
    let (folder, _) = folder(&model);
    let ask = ["explain", "a.npy", "--model", "model.safetensors", "--method", "grad-cam,lrp", "--out", "out"];
    let output = glassbox(folder.path(), &ask);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("LRP is left out: ") && errors.ends_with("1 method can't explain this network: LRP\n"),
        "{errors}"
    );
    assert!(folder.path().join("out/a.explained.png").is_file());
}
