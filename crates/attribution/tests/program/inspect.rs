//! `glassbox inspect`.

use std::fs;

use crate::support::{DEMO, a_picture, demo_file, fails, succeeds};

#[test]
fn inspect_shows_the_network() {
    let printed = succeeds(DEMO.0.path(), &["inspect", &demo_file("model.safetensors")]);
    for text in ["conv4", "[N, 12, 12, 48]", "9 Ankle boot", "CAM looks at `relu4`", "Grad-CAM at    conv1 48×48"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
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
