//! `glassbox look`.

use std::fs;
use std::path::Path;

use attribution::{Pass, Photo};
use nn::Model;
use serde_json::Value;

use crate::support::{a_picture, demo_file, fails, listing, succeeds};

/// What the program prints with `--json`.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeeds(folder, &[&["look"], arguments, &["--json"]].concat())).unwrap()
}

#[test]
fn the_strongest_pictures_are_found_and_cut_to_what_the_unit_sees() {
    let folder = tempfile::tempdir().unwrap();
    let (file, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let arguments = [&file[..], &inputs, "--layer", "relu2", "--per-layer", "3", "--patches", "2", "--steps", "3"];
    let found = json(folder.path(), &arguments);
    let model = Model::load(&file).unwrap();
    let pictures = listing(Path::new(&inputs));
    let passes: Vec<Pass<'_>> =
        pictures.iter().map(|path| Pass::new(&model, Photo::open(path).unwrap()).unwrap()).collect();
    assert_eq!(found["pictures"], pictures.len());
    let channels = found["channels"].as_array().unwrap();
    assert!(!channels.is_empty() && channels.len() <= 3);
    for channel in channels {
        let number: usize = channel["unit"].as_str().unwrap().strip_prefix("relu2:").unwrap().parse().unwrap();
        let strongest = |pass: &Pass<'_>| {
            let features = pass.features_at("relu2").unwrap();
            let width = features.shape()[3];
            features.as_slice().iter().skip(number).step_by(width).copied().fold(0.0, f32::max)
        };
        let mut expected: Vec<(f32, &Path)> =
            passes.iter().zip(&pictures).map(|(pass, path)| (strongest(pass), &**path)).collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (found, (value, path)) in channel["pictures"].as_array().unwrap().iter().zip(expected) {
            assert_eq!((found["picture"].as_str(), found["value"].as_f64()), (path.to_str(), Some(f64::from(value))));
            let cell = [0, 1].map(|axis| found["cell"][axis].as_u64().unwrap() as usize);
            let cells = passes[0].cells("relu2").unwrap().unwrap();
            let part = cells.visible_part(cell, [48, 48]);
            assert_eq!(found["box"], serde_json::json!([part.left, part.top, part.right(), part.bottom()]));
        }
        assert!(channel["made"]["after"].is_number());
    }
    let page = fs::read_to_string(folder.path().join("glassbox-look/index.html")).unwrap();
    for text in ["First layer", "Feature maps", "guided backprop of relu2:", "deconvnet of relu2:", "made for relu2:"] {
        assert!(page.contains(text), "{text}");
    }
    // The same command writes the same page, with any number of threads.
    let again = [&arguments[..], &["--out", "again", "--threads", "1"]].concat();
    assert_eq!(json(folder.path(), &again)["channels"], found["channels"]);
    assert!(fs::read_to_string(folder.path().join("again/index.html")).unwrap() == page);
}

/// Between a unit of the first convolution and the picture, there is no ReLU.
#[test]
fn a_unit_before_any_relu_is_read_by_its_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let targets = ["--target", "conv1:0", "--target", "relu2:0"];
    succeeds(folder.path(), &[&["look", &model, &inputs, "--steps", "0"], &targets[..]].concat());
    let page = fs::read_to_string(folder.path().join("glassbox-look/index.html")).unwrap();
    assert!(page.contains("gradient of conv1:0 in") && !page.contains("guided backprop of conv1:0"));
}

#[test]
fn without_pictures_there_are_filters_and_what_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let targets = ["--target", "Coat", "--target", "relu1:1", "--target", "relu1:1:4,5", "--target", "relu1:*:4,5"];
    let found = json(folder.path(), &[&[&model[..], "--steps", "20"], &targets[..]].concat());
    assert_eq!((&found["channels"][0]["unit"], &found["channels"][0]["inactive"]), (&"relu1:1".into(), &false.into()));
    let names: Vec<&str> =
        found["targets"].as_array().unwrap().iter().map(|target| target["target"].as_str().unwrap()).collect();
    assert_eq!(names, ["Coat", "relu1:1:4,5", "relu1:*:4,5"]);
    for made in found["targets"].as_array().unwrap().iter().chain(found["channels"].as_array().unwrap()) {
        assert!(made["made"]["after"].as_f64() > made["made"]["before"].as_f64(), "{made}");
    }
    let page = fs::read_to_string(folder.path().join("glassbox-look/index.html")).unwrap();
    assert!(page.contains("filter of conv1:0") && page.contains("made for Coat"));
}

#[test]
fn what_is_not_there_is_named_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs, picture) = (demo_file("model.safetensors"), demo_file("inputs"), a_picture());
    let message = |arguments: &[&str]| fails(folder.path(), &[&["look"], arguments].concat());
    for (arguments, expected) in [
        (&[&model[..], "--target", "relu1:400"][..], "there is no unit relu1:400: the layer has"),
        (&[&model, "--target", "rely1:4"], "did you mean `relu1`?"),
        (&[&model, "--layer", "gap"], "layer `gap` has no positions"),
        (&[&model, &picture, "--patches", "4"], "--patches 4 asks for more pictures than there are: 1 picture"),
        (&[&model, &inputs, "--patches", "99"], "name more, or ask for fewer"),
        (&[&model, &inputs, "--model", &model], "(--model)"),
        (&[&model, "absent.png"], "absent.png"),
        (&["absent.safetensors"], "absent.safetensors"),
    ] {
        let found = message(arguments);
        assert!(found.contains(expected), "{arguments:?}: {found}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_writes_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (model, inputs) = (demo_file("model.safetensors"), demo_file("inputs"));
    let arguments = ["look", &model, &inputs, "--layer", "relu1", "--per-layer", "1", "--steps", "1000000"];
    let (_, errors) = crate::support::interrupted(folder.path(), &arguments);
    assert!(errors.contains("the results so far are in glassbox-look"), "{errors}");
    assert!(fs::read_to_string(folder.path().join("glassbox-look/index.html")).unwrap().contains("filter of conv1:0"));
}
