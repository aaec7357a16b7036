//! `glassbox verify`.

use std::fs;
use std::path::Path;

use nn::Model;

use crate::support::{a_picture, demo_file, exits, fails, glassbox, listing, succeeds};

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
    // Network and input; CAM, three Grad-CAMs, guided backpropagation, three guided Grad-CAMs.
    assert_eq!(printed.matches("same ").count(), 2 + 8, "{printed}");
    assert!(printed.contains("grad-cam at relu2 + relu4, why Bag rather than Coat"), "{printed}");

    let json = succeeds(folder.path(), &["verify", "coat.explained.json", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let compared = report["compared"].as_array().unwrap();
    assert!(compared.len() == 2 + 8 && compared.iter().all(|compared| compared["same"] == true), "{json}");

    // One bit of one map.
    let mut forged: serde_json::Value = serde_json::from_str(&record).unwrap();
    forged["explanations"][1]["sha256"] = "0".repeat(64).into();
    fs::write(at("forged.json"), forged.to_string()).unwrap();
    let error = fails(folder.path(), &["verify", "forged.json"]);
    assert!(error.contains("forged.json: 1 differs, first grad-cam at relu2"), "{error}");
    let output = glassbox(folder.path(), &["verify", "forged.json", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["compared"][3]["same"]), (Some(1), &false.into()));
    // Another network, another picture.
    let mut other = Model::load(at("net.safetensors")).unwrap();
    let bias = other.parameter("fc.bias").unwrap().clone().map(|b| b + 1.0);
    other.set_parameter("fc.bias", bias).unwrap();
    other.save(at("other.safetensors")).unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--model", "other.safetensors"]);
    assert!(error.contains("1 differs, first the network, other.safetensors"), "no map depends on the bias: {error}");
    let inputs = listing(Path::new(&demo_file("inputs")));
    let picture = inputs[1].to_str().unwrap();
    let error = fails(folder.path(), &["verify", "coat.explained.json", "--image", picture]);
    assert!(error.contains("9 differ, first the input"), "{error}");
    fs::write(at("none.json"), "{}").unwrap();
    let trouble = |arguments: &[&str]| exits(2, folder.path(), arguments);
    assert!(trouble(&["verify", "none.json"]).contains("none.json: expected the record"));
    assert!(trouble(&["verify", "absent.json"]).contains("absent.json: can't be read"));
    let error = trouble(&["verify", "coat.explained.json", "--model", "absent.onnx"]);
    assert!(error.contains("absent.onnx: can't be read"), "{error}");
    assert_eq!(glassbox(folder.path(), &["verify"]).status.code(), Some(2));
    for help in ["-h", "--help"] {
        assert!(
            succeeds(folder.path(), &["verify", help]).contains("0 everything holds; 1 something does not hold; 2")
        );
    }
}
