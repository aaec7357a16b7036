//! `glassbox inspect`.

use std::fs;
use std::process::Command;

use crate::support::{DEMO, a_picture, demo_file, fails, succeeds};

#[test]
fn inspect_shows_the_network() {
    let printed = succeeds(DEMO.0.path(), &["inspect", &demo_file("model.safetensors")]);
    for text in ["conv4", "[N, 12, 12, 48]", "9 Ankle boot", "CAM looks at `relu4`", "Grad-CAM at    48×48: conv1"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
}

#[test]
fn inspect_prints_json() {
    let printed = succeeds(DEMO.0.path(), &["inspect", &demo_file("model.safetensors"), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&report["input"], &report["classes"][9]), (&serde_json::json!([48, 48, 1]), &"Ankle boot".into()));
    assert_eq!((&report["cam_layer"], &report["default_layer"]), (&"relu4".into(), &"relu4".into()));
    let layers = report["layers"].as_array().unwrap();
    let parameters: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(report["parameters"], parameters);
    assert_eq!((layers[0]["name"].as_str(), layers[0]["output"][0].as_u64()), (Some("conv1"), Some(48)));
    let convolutions = report["convolutions"].as_array().unwrap();
    assert!(convolutions.len() == 4 && convolutions.iter().all(|row| row["forward"].is_string()), "{printed}");
}

#[test]
fn inspect_names_the_algorithms() {
    let model = demo_file("model.safetensors");
    let rows = |winograd: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
        command.args(["inspect", &model]).envs([("GLASSBOX_SIMD", "portable"), ("GLASSBOX_WINOGRAD", winograd)]);
        let printed = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (_, section) = printed.split_once("Convolutions   on portable").unwrap();
        let rows = section.lines().skip(3).map(|row| row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
        rows.map(|cells| cells.map(String::from).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let (on, off) = (rows("on"), rows("off"));
    assert_eq!(on.len(), 4, "{on:?}");
    assert_eq!(on[0], ["conv1", "padded", "columns", "padded"]);
    assert_eq!(on[3], ["conv4", "winograd 4×4", "winograd 4×4", "winograd 4×4"]);
    assert_eq!((&off[0], &off[3][..]), (&on[0], &["conv4", "direct", "direct", "direct"].map(String::from)[..]));
}

#[test]
fn inspect_draws_the_tape() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let drawn = |file: &str, arguments: &[&str]| {
        succeeds(folder.path(), &[&["inspect", &model, "--graph", file], arguments].concat());
        fs::read_to_string(folder.path().join(file)).unwrap()
    };
    let guided = drawn("guided.svg", &["--rule", "guided"]);
    assert!(guided.contains("through 16 operations, 4 replaced"), "{guided}");
    let lrp = drawn("lrp.dot", &["--rule", "lrp", "--to", "relu4"]);
    assert!(lrp.contains("through 2 operations, 1 replaced"), "{lrp}");
    let message = fails(folder.path(), &["inspect", &model, "--graph", "tape.pdf"]);
    assert!(message.contains("tape.pdf: expected a file that ends in .svg or .dot"), "{message}");
}

#[test]
fn models_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(demo_file("model.safetensors")).unwrap();
    fs::write(folder.path().join("truncated"), &sound[..sound.len() / 2]).unwrap();
    fs::write(folder.path().join("foreign"), fs::read(a_picture()).unwrap()).unwrap();
    for name in ["truncated", "foreign", "absent"] {
        for arguments in [vec!["inspect", name], vec!["explain", &a_picture(), "--model", name]] {
            assert!(fails(folder.path(), &arguments).contains(&format!("{name}: ")));
        }
    }
}
