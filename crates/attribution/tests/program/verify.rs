//! `glassbox verify`.

use std::fs;
use std::path::Path;

use nn::Model;

use crate::support::{a_picture, demo_file, fails, listing, succeeds};

#[test]
fn a_record_is_verified_and_what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(a_picture(), at("coat.png")).unwrap();
    fs::copy(demo_file("model.safetensors"), at("net.safetensors")).unwrap();
    let explain = ["explain", "coat.png", "--model", "net.safetensors", "--out", "."];
    succeeds(
        folder.path(),
        &[&explain[..], &["--layer", "relu2,relu4", "--class", "Bag", "--versus", "Coat"]].concat(),
    );
    let record = fs::read_to_string(at("coat.explained.json")).unwrap();
    let printed = succeeds(folder.path(), &["verify", "coat.explained.json"]);
    // Network and input; CAM, three Grad-CAMs, guided backpropagation, two guided Grad-CAMs.
    assert_eq!(printed.matches("same ").count(), 2 + 7, "{printed}");
    assert!(printed.contains("grad-cam at relu2 + relu4, why Bag rather than Coat"), "{printed}");

    // One bit of one map.
    let mut forged: serde_json::Value = serde_json::from_str(&record).unwrap();
    forged["explanations"][1]["sha256"] = "0".repeat(64).into();
    fs::write(at("forged.json"), forged.to_string()).unwrap();
    let error = fails(folder.path(), &["verify", "forged.json"]);
    assert!(error.contains("forged.json: 1 differs, first grad-cam at relu2"), "{error}");
    // Another network, another picture.
    let mut other = Model::load(at("net.safetensors")).unwrap();
    let bias = other.parameter("fc.bias").unwrap().clone().map(|b| b + 1.0);
    other.set_parameter("fc.bias", bias).unwrap();
    other.save(at("other.safetensors")).unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--model", "other.safetensors"]);
    assert!(error.contains("1 differs, first the network, other.safetensors"), "no map hangs on the bias: {error}");
    let inputs = listing(Path::new(&demo_file("inputs")));
    let picture = inputs[1].to_str().unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--image", picture]);
    assert!(error.contains("8 differ, first the input"), "{error}");
    fs::write(at("none.json"), "{}").unwrap();
    assert!(fails(folder.path(), &["verify", "none.json"]).contains("none.json: expected the record"));
    assert!(fails(folder.path(), &["verify", "absent.json"]).contains("absent.json: can't be read"));
}
