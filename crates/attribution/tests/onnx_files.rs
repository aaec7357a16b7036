//! `glassbox` with networks from ONNX files, which say nothing of pictures.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::Command;

use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};

/// Standard output of a run that succeeds, standard error of one that fails.
fn glassbox(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_glassbox")).current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A network for grey pictures of 28×28, without names and normalization.
fn network() -> Model {
    let net = Model::builder([28, 28, 1])
        .layer("conv", Conv2d::new(6, 3).stride(2))
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(10));
    net.build(5).unwrap()
}

#[test]
fn a_network_from_an_onnx_file_is_evaluated_as_it_is_from_its_own() {
    let folder = tempfile::tempdir().unwrap();
    network().save_onnx(folder.path().join("net.onnx")).unwrap();
    let run = |arguments: &[&str]| glassbox(folder.path(), arguments);
    let evaluate = |model, out, rest: &[&str]| {
        let of = ["evaluate", "--model", model, "--out", out, "--data", "fashion-mnist", "--limit", "8"];
        run(&[&of[..], &["--method", "cam,gradient", "--measure", "deletion,random"], rest].concat())
    };
    let error = evaluate("net.onnx", "none", &[]).unwrap_err();
    assert!(error.contains("net.onnx: has no normalization") && error.contains("--mean and --std"), "{error}");
    let said = ["--mean", "0.286", "--std", "0.353"];
    let printed = evaluate("net.onnx", "onnx", &said).unwrap();
    assert!(printed.contains("net.onnx on 8 images of Fashion-MNIST; accuracy"), "{printed}");
    run(&[&["export", "net.safetensors", "--model", "net.onnx"], &said[..]].concat()).unwrap();
    evaluate("net.safetensors", "own", &[]).unwrap();
    let figures = |out: &str| fs::read_to_string(folder.path().join(out).join("evaluation.csv")).unwrap();
    assert_eq!(figures("onnx"), figures("own"));
}

#[test]
fn pictures_need_to_be_told_how_to_become_the_input() {
    let folder = tempfile::tempdir().unwrap();
    network().save_onnx(folder.path().join("net.onnx")).unwrap();
    image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * y) as u8])).save(folder.path().join("a.png")).unwrap();
    let explain = ["explain", "a.png", "--model", "net.onnx", "--out", "out"];
    let error = glassbox(folder.path(), &explain).unwrap_err();
    assert!(error.contains("a.png: the model has no normalization") && error.contains("--mean and --std"), "{error}");
    glassbox(folder.path(), &[&explain[..], &["--mean", "0", "--std", "1"]].concat()).unwrap();
    assert!(folder.path().join("out/a.explained.png").is_file());
}
