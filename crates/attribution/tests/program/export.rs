//! `glassbox export`.

use std::fs;

use attribution::npy::write_npy;
use ndarray::Array3;
use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear, Relu};

use crate::support::{fails, succeeds};

#[test]
fn networks_are_exported_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let network = Model::builder([12, 12, 3])
        .layer("conv", Conv2d::new(4, 3))
        .layer("relu", Relu)
        .layer("gap", GlobalAvgPool)
        .layer("fc", Linear::new(2));
    let model = network.clone().build(1).unwrap();
    let at = |name: &str| folder.path().join(name);
    model.save(at("net.safetensors")).unwrap();

    succeeds(folder.path(), &["export", "net.onnx", "--model", "net.safetensors"]);
    assert!(Model::load_onnx(at("net.onnx")).unwrap() == model);
    let table = succeeds(folder.path(), &["inspect", "net.onnx"]);
    assert!(table.contains("conv 3×3, 4") && table.contains("CAM looks at `relu`"), "{table}");

    fs::write(at("names.txt"), "cat\ndog\n").unwrap();
    let names = ["--labels", "names.txt", "--mean", "0.5", "--std", "0.25"];
    succeeds(folder.path(), &[&["export", "named.safetensors", "--model", "net.onnx"], &names[..]].concat());
    let named = Model::load(at("named.safetensors")).unwrap();
    assert_eq!(
        (named.parameters(), &named.info().classes[..]),
        (model.parameters(), &["cat".into(), "dog".into()][..])
    );
    write_npy(at("picture.npy"), Array3::from_elem((12, 12, 3), 0.5).view()).unwrap();
    succeeds(folder.path(), &["explain", "picture.npy", "--model", "net.onnx", "--method", "grad-cam"]);

    succeeds(folder.path(), &["export", "weights.safetensors", "--weights", "--model", "net.onnx"]);
    let naming = nn::Naming { layout: nn::WeightLayout::PyTorch, layers: &[] };
    assert!(network.load_weights(at("weights.safetensors"), &naming).unwrap() == model);

    let error = fails(folder.path(), &["export", "net.h5", "--model", "net.onnx"]);
    assert!(error.contains("net.h5: expected a name that ends in .onnx or .safetensors"), "{error}");
    let whole = fs::read(at("net.onnx")).unwrap();
    fs::write(at("broken.onnx"), &whole[..whole.len() / 2]).unwrap();
    let error = fails(folder.path(), &["inspect", "broken.onnx"]);
    assert!(error.contains("broken.onnx: not an ONNX file, or a damaged one"), "{error}");
}
