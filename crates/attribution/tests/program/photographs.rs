//! `glassbox explain` on photographs, with the network in the box.

use std::fs;
use std::path::{Path, PathBuf};

use nn::Model;
use nn::layers::{Conv2d, GlobalAvgPool, Linear};

use crate::support::{fails, glassbox, succeeds};

const PHOTOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/photos");

fn explained(folder: &Path, arguments: &[&str]) -> String {
    succeeds(folder, &[&["explain", "--out", "out"], arguments].concat())
}

fn cat() -> String {
    format!("{PHOTOS}/chelsea.png")
}

/// The likeliest classes of the one picture that was explained, with their probabilities.
fn classes(printed: &str) -> Vec<(f64, String)> {
    let lines = printed.lines().skip(1).map_while(|line| line.trim().split_once("  "));
    lines.map_while(|(probability, name)| Some((probability.parse().ok()?, name.to_string()))).collect()
}

#[test]
fn a_folder_of_photographs_is_explained_and_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let printed = explained(folder.path(), &[PHOTOS]);
    for (photo, expected, name) in
        [("camera", 0.949, "tripod"), ("chelsea", 0.385, "Egyptian cat"), ("coffee", 0.940, "espresso")]
    {
        let start = printed.find(&format!("{photo}.png:")).unwrap();
        let (probability, found) = classes(&printed[start..])[0].clone();
        assert!(found == name && (probability - expected).abs() < 0.01, "{photo}: {probability} {found}");
        for ending in ["png", "json"] {
            assert!(folder.path().join(format!("out/{photo}.explained.{ending}")).is_file());
        }
    }
    let summary = image::open(folder.path().join("out/summary-01.png")).unwrap();
    assert!(summary.height() > 3 * 200 && printed.contains("summary-01.png"));
}

#[test]
fn classes_take_the_names_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |count: usize| (0..count).map(|class| format!("class {class}\n")).collect::<String>();
    fs::write(folder.path().join("names.txt"), lines(1000)).unwrap();
    fs::write(folder.path().join("few.txt"), lines(7)).unwrap();
    let ask = [&cat(), "--method", "cam", "--labels", "names.txt", "--class", "class 282"];
    let printed = explained(folder.path(), &ask);
    assert_eq!(classes(&printed)[0].1, "class 285");
    assert!(printed.contains("why class 282, as requested"), "{printed}");
    let error = fails(folder.path(), &["explain", &cat(), "--labels", "few.txt"]);
    assert!(error.contains("few.txt: expected 1000 lines, one for each score, found 7"), "{error}");
}

#[test]
fn preprocessing_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let cat = cat();
    let best = |rest: &[&str]| classes(&explained(folder.path(), &[&[&*cat, "--method", "cam"], rest].concat()));
    let own = best(&[]);
    let said = ["--mean", "127", "--std", "128", "--scale", "1", "--channels", "rgb", "--crop", "largest"];
    assert_eq!(best(&said), own);
    for other in [["--channels", "bgr"], ["--mean", "60"], ["--crop", "0.8"], ["--size", "192"]] {
        assert_ne!(best(&other), own, "{other:?}");
    }
}

#[test]
fn layers_called_like_paths_are_files_beside_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = Model::builder([8, 8, 3]);
    for name in ["/features/conv1", "../up", ":features_conv1", "_features/conv1", "_features_conv1~2"] {
        net = net.layer(name, Conv2d::new(2, 3));
    }
    let model = net.layer("gap", GlobalAvgPool).layer("fc", Linear::new(2)).build(1).unwrap();
    model.save(folder.path().join("net.safetensors")).unwrap();
    let picture = cat();
    let mut ask = vec![&*picture, "--model", "net.safetensors", "--method", "grad-cam", "--layer", "all", "--raw"];
    ask.extend(["--mean", "0.5", "--std", "0.5"]);
    explained(folder.path(), &ask);
    let files = fs::read_dir(folder.path().join("out")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "npy")).collect();
    files.sort();
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let expected = ["..._up", "._features_conv1", "._features_conv1_2", "._features_conv1~2", "._features_conv1~3"];
    assert_eq!(names, expected.map(|layer| format!("chelsea.grad-cam{layer}.npy")));
}

/// What a file seems to be counts, not what it is called.
#[test]
fn files_of_other_kinds_are_called_by_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let net = Model::builder([8, 8, 3]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(2));
    let net = net.build(1).unwrap();
    net.save_onnx(at("onnx.safetensors")).unwrap();
    net.save(at("saved.onnx")).unwrap();
    for name in ["onnx.safetensors", "saved.onnx"] {
        assert!(succeeds(folder.path(), &["inspect", name]).contains("fc"));
    }
    fs::write(at("model.jpg"), "no network\n").unwrap();
    fs::write(at("empty.onnx"), "").unwrap();
    fs::write(at("weights.pt"), b"PK\x03\x04\0\0").unwrap();
    fs::write(at("held.heic"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    let cat = cat();
    for (model, found) in [
        ("model.jpg", "found text"),
        ("empty.onnx", "found an empty file"),
        ("weights.pt", "found a ZIP archive, as PyTorch saves weights"),
        (&cat, "found a PNG picture"),
    ] {
        let error = fails(folder.path(), &["explain", &cat, "--model", model]);
        assert!(error.contains(&format!("{model}: expected a network")) && error.contains(found), "{error}");
    }
    assert!(fails(folder.path(), &["inspect", "absent.onnx"]).contains("absent.onnx: can't be read"));
    for (picture, found) in
        [("model.jpg", "found text"), ("held.heic", "found a HEIC"), ("onnx.safetensors", "found an ONNX file")]
    {
        let error = fails(folder.path(), &["explain", picture]);
        assert!(
            error.contains("expected a PNG, JPEG, WebP, GIF, BMP or TIFF picture") && error.contains(found),
            "{error}"
        );
    }
}

#[test]
fn pictures_of_a_folder_that_cannot_be_read_are_told_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::copy(cat(), folder.path().join("photos/cat.png")).unwrap();
    fs::write(folder.path().join("photos/held.HEIC"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    let output = glassbox(folder.path(), &["explain", "photos", "--method", "cam", "--out", "out"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("found a HEIC") && errors.contains("1 of 2 pictures can't be explained"), "{errors}");
    assert!(folder.path().join("out/cat.explained.png").is_file());
}

#[test]
fn damaged_pictures_on_the_command_line_are_skipped_if_asked_and_folders_within_folders_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let jpeg = image::open(cat()).unwrap().to_rgb8();
    jpeg.save(at("whole.jpg")).unwrap();
    let bytes = fs::read(at("whole.jpg")).unwrap();
    fs::write(at("half.jpg"), &bytes[..bytes.len() / 2]).unwrap();
    let explain = ["explain", "whole.jpg", "half.jpg", "--method", "cam"];
    let error = fails(folder.path(), &explain);
    assert!(error.contains("half.jpg: a JPEG picture that can't be decoded"), "{error}");
    assert!(
        error.contains("the file ends before the picture does; have such files skipped with --skip-unreadable"),
        "{error}"
    );
    let output = glassbox(folder.path(), &[&explain[..], &["--skip-unreadable", "--out", "out"]].concat());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("1 of 2 pictures can't be explained: half.jpg"), "{errors}");
    assert!(at("out/whole.explained.png").is_file() && !at("out/half.explained.png").exists());

    fs::create_dir_all(at("photos/older")).unwrap();
    fs::create_dir_all(at("photos/oldest")).unwrap();
    image::DynamicImage::from(jpeg).to_luma16().save(at("photos/deep.tif")).unwrap();
    let output = glassbox(folder.path(), &["explain", "photos", "--method", "cam", "--out", "tiff"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.contains("photos: 2 folders inside are not read"), "{errors}");
    assert!(at("tiff/deep.explained.png").is_file());
}

#[test]
fn the_boxes_of_maps_are_printed_drawn_and_written_in_pixels_of_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let cat = cat();
    let explain = ["explain", &cat, "--method", "grad-cam,cam"];
    let printed = succeeds(folder.path(), &[&explain[..], &["--boxes", "--out", "boxes"]].concat());
    succeeds(folder.path(), &[&explain[..], &["--out", "plain"]].concat());
    let stem = std::path::Path::new(&cat).file_stem().unwrap().to_str().unwrap();
    let read = |name: String| fs::read(folder.path().join(name)).unwrap();
    let boxes: serde_json::Value = serde_json::from_slice(&read(format!("boxes/{stem}.boxes.json"))).unwrap();
    let (width, height) = image::image_dimensions(&cat).unwrap();
    assert_eq!(boxes.as_array().unwrap().len(), 2);
    for found in boxes.as_array().unwrap() {
        let edges: Vec<f64> = found["edges"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
        let [left, top, right, bottom] = edges[..] else { panic!("{found}") };
        assert!(0.0 <= left && left < right && right <= f64::from(width), "{found}");
        assert!(0.0 <= top && top < bottom && bottom <= f64::from(height), "{found}");
        // The cat fills much of the picture.
        assert!((right - left) * (bottom - top) > 0.1 * f64::from(width * height), "{found}");
        let words = format!("box: left {}, top {}", left.round(), top.round());
        assert!(printed.contains(&words), "{words}: {printed}");
    }
    assert_ne!(read(format!("boxes/{stem}.explained.png")), read(format!("plain/{stem}.explained.png")));
    assert_eq!(read(format!("boxes/{stem}.explained.json")), read(format!("plain/{stem}.explained.json")));
    assert!(!folder.path().join(format!("plain/{stem}.boxes.json")).exists());
}
