//! Networks as people bring them (`crates/nn/tests/cases`), explained by the program: a row for each.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{fails, glassbox, succeeds};

fn case(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/cases");
    folder.join(name).canonicalize().unwrap().display().to_string()
}

/// What ONNX Runtime gives: the numbers of one output.
fn expected(file: &str, output: &str) -> Vec<f64> {
    let cases: Value = serde_json::from_slice(&std::fs::read(PathBuf::from(case("expected.json"))).unwrap()).unwrap();
    let outputs = cases[file]["outputs"].as_object().unwrap();
    let output = if output.is_empty() { outputs.values().next().unwrap() } else { &outputs[output] };
    output["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let total: f64 = scores.iter().map(|y| y.exp()).sum();
    scores.iter().map(|y| y.exp() / total).collect()
}

/// The numbers of the likeliest classes, labels or values, in their own order, as the program says them.
fn said(file: &str, picture: &str, rest: &[&str]) -> Vec<(usize, f64)> {
    let folder = tempfile::tempdir().unwrap();
    let (file, picture) = (case(file), case(picture));
    let ask = ["explain", &picture, "--model", &file, "--method", "grad-cam", "--json", "--out", "out"];
    let json: Value = serde_json::from_str(&succeeds(folder.path(), &[&ask[..], rest].concat())).unwrap();
    let number = |said: &Value| ["probability", "value", "share"].iter().find_map(|key| said[key].as_f64()).unwrap();
    let top = json["pictures"][0]["top"].as_array().unwrap();
    let mut top: Vec<_> = top.iter().map(|said| (said["class"].as_u64().unwrap() as usize, number(said))).collect();
    top.sort_by_key(|(class, _)| *class);
    top
}

fn near(name: &str, found: &[(usize, f64)], expected: &[f64]) {
    assert!(!found.is_empty(), "{name}");
    for &(class, value) in found {
        assert!((value - expected[class]).abs() < 2e-5 * expected[class].abs().max(1.0), "{name} {class}: {value}");
    }
}

/// Classes are those of ONNX Runtime, with the softmax that the file leaves out or has.
#[test]
fn classifiers_are_read_and_explained() {
    for (file, picture, output, ends_in_softmax, rest) in [
        ("features-logits.onnx", "x32.npy", "logits", false, &[][..]),
        ("map-logits.onnx", "x32.npy", "logits", false, &[]),
        ("keras3-plain.onnx", "x32.npy", "", true, &[]),
        ("dynamic-size.onnx", "x32.npy", "", false, &["--size", "32"]),
        ("dynamic-size.onnx", "x32.npy", "", false, &[]),
        ("expand-grey.onnx", "x48.npy", "", false, &[]),
        ("hardswish.onnx", "x24.npy", "", false, &[]),
        ("se.onnx", "x16.npy", "", false, &[]),
        ("lrn.onnx", "x32.npy", "", true, &[]),
        ("softplus-new.onnx", "x22.npy", "", false, &[]),
        ("conv1d.onnx", "x128.npy", "", false, &[]),
        ("ort-fp16.onnx", "x32.npy", "", false, &[]),
    ] {
        let scores = expected(file, output);
        let probabilities = if ends_in_softmax { scores } else { softmax(&scores) };
        near(file, &said(file, picture, rest), &probabilities);
    }
}

#[test]
fn a_binary_classifier_has_both_classes() {
    let [logit] = expected("one-logit.onnx", "")[..] else { panic!() };
    let positive = 1.0 / (1.0 + (-logit).exp());
    let both = [1.0 - positive, positive];
    near("one-logit", &said("one-logit.onnx", "x32.npy", &["--task", "labels"]), &both);
    near("one-logit", &said("one-logit.onnx", "x32.npy", &["--target", "0", "--target", "1"]), &both);
    near("one-logit", &said("one-logit.onnx", "x32.npy", &[]), &[logit]);
    let [sigmoid] = expected("one-sigmoid.onnx", "")[..] else { panic!() };
    let both = [1.0 - sigmoid, sigmoid];
    near("one-sigmoid", &said("one-sigmoid.onnx", "x32.npy", &["--target", "0", "--target", "1"]), &both);
    let [sigmoid] = expected("tf2onnx-cats-dogs.onnx", "")[..] else { panic!() };
    near("tf2onnx", &said("tf2onnx-cats-dogs.onnx", "x48-255.npy", &[]), &[1.0 - sigmoid, sigmoid]);
    // The methods that a sigmoid at the end would forbid or leave empty.
    let folder = tempfile::tempdir().unwrap();
    let (file, picture) = (case("one-sigmoid.onnx"), case("x32.npy"));
    let methods = "cam,grad-cam,guided-backprop,lrp";
    let printed = succeeds(folder.path(), &["explain", &picture, "--model", &file, "--method", methods]);
    assert_eq!(printed.matches(": evidence, at most").count(), 4, "{printed}");
}

#[test]
fn each_label_is_asked_for_by_itself() {
    let expected = expected("multilabel-sigmoid.onnx", "");
    near(
        "multilabel",
        &said("multilabel-sigmoid.onnx", "x32.npy", &["--target", "2", "--target", "4:absent"]),
        &expected,
    );
}

#[test]
fn an_embedding_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (file, picture) = (case("normalize.onnx"), case("x24.npy"));
    let ask = ["explain", &picture, "--model", &file, "--method", "grad-cam", "--like", &picture];
    let printed = succeeds(folder.path(), &ask);
    assert!(printed.contains("an embedding of 8 numbers, of length 1.000") && printed.contains("similarity 1.000"));
}

#[test]
fn several_outputs_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let (file, picture) = (case("map-logits.onnx"), case("x32.npy"));
    let ask = ["explain", &picture, "--model", &file, "--method", "grad-cam"];
    assert!(succeeds(folder.path(), &ask).contains("the output `logits`, without map (--output selects another)"));
    let map = succeeds(folder.path(), &[&ask[..], &["--output", "map", "--region", "all"]].concat());
    assert!(map.contains("predicted at most positions"), "{map}");
    let unknown = fails(folder.path(), &[&ask[..], &["--output", "scores", "--out", "none"]].concat());
    assert!(
        unknown.contains("there is no output `scores`; the network's outputs are map [N, 16, 32, 32], logits [N, 5]")
    );
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |file: &str, picture: &str, rest: &[&str]| {
        let (file, picture) = (case(file), case(picture));
        fails(folder.path(), &[&["explain", &picture, "--model", &file, "--out", "none"], rest].concat())
    };
    assert!(refused("qdq.onnx", "x32.npy", &[]).contains("this network is quantised: export the float model"));
    let gates = refused("hardswish.onnx", "x24.npy", &["--method", "guided-backprop"]);
    assert!(gates.contains("is not defined for the hard swish of layer"), "{gates}");
    // What can be made is made.
    let (file, picture) = (case("hardswish.onnx"), case("x24.npy"));
    let methods = "grad-cam,guided-backprop";
    let output =
        glassbox(folder.path(), &["explain", &picture, "--model", &file, "--method", methods, "--out", "some"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(folder.path().join("some/x24.explained.png").is_file());
}
