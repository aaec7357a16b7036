//! `glassbox train`, on IDX files.

use std::fs;

use nn::Model;

#[cfg(unix)]
use crate::support::{IDX, fails, idx, interrupted, succeeds};

#[test]
fn idx_files_are_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    idx(folder.path(), "test", 9, 12, 3);
    let rest = ["--test-images", "test-images", "--test-labels", "test-labels", "--epochs", "1", "--out", "new/digits"];
    let printed = succeeds(folder.path(), &[&IDX[..], &rest, &["--class-names", "ones,twos,threes"]].concat());
    assert!(printed.contains("Test accuracy") && printed.contains("on 9 images"), "{printed}");
    let model = Model::load(folder.path().join("new/digits/model.safetensors")).unwrap();
    assert_eq!((model.input_shape(), model.class_name(2).as_str()), ([12, 12, 1], "threes"));
}

#[test]
fn lying_idx_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    let images = folder.path().join("train-images");
    let sound = fs::read(&images).unwrap();
    let mut lying = sound.clone();
    lying[4..8].copy_from_slice(&[0xff; 4]);
    for (bytes, message) in [
        (lying, "the header promises"),
        (sound[..100].to_vec(), "the header promises"),
        (b"no idx at all".to_vec(), "expected an IDX file"),
    ] {
        fs::write(&images, bytes).unwrap();
        let error = fails(folder.path(), &IDX);
        assert!(error.contains("train-images") && error.contains(message), "{error}");
    }
    fs::remove_file(&images).unwrap();
    assert!(fails(folder.path(), &IDX).contains("train-images"));
}

/// Ctrl-C ends the step and saves everything; going on with it ends as if it had never been stopped.
#[cfg(unix)]
#[test]
fn an_interrupted_training_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 250, 12, 3);
    let options = ["--test-images", "train-images", "--test-labels", "train-labels", "--epochs", "30", "--batch", "5"];
    let arguments = [&IDX[..], &options, &["--out", "stopped"]].concat();
    let (line, errors) = interrupted(folder.path(), &arguments);
    assert!(line.starts_with("250 training images"), "{line}");
    assert!(errors.contains("of 1500; everything is saved; resume with `glassbox train --resume stopped`"), "{errors}");

    let printed = succeeds(folder.path(), &["train", "--resume", "stopped"]);
    assert!(printed.contains("most often taken for") && printed.contains("top-3 1.0000"), "{printed}");
    succeeds(folder.path(), &[&IDX[..], &options, &["--out", "whole"]].concat());
    let read = |run: &str, file: &str| fs::read(folder.path().join(run).join(file)).unwrap();
    for file in [
        "model.safetensors",
        "best.safetensors",
        "last.checkpoint.safetensors",
        "log.jsonl",
        "curves.svg",
        "film/film.png",
    ] {
        assert!(read("stopped", file) == read("whole", file), "{file}");
    }
    let log = String::from_utf8(read("whole", "log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 1500 + 30);
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let film = image::load_from_memory(&read("whole", "film/film.png")).unwrap();
    assert!(film.width() > 30 * (film.height() / 3), "the pictures and thirty columns of three");
    let csv = String::from_utf8(read("whole", "confusion.csv")).unwrap();
    assert!(csv.starts_with("true \\ predicted,0,1,2\n"), "{csv}");
}

#[test]
fn a_file_says_what_to_train_and_flags_go_before_it() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 30, 12, 3);
    let data = "[data]\nsource = \"idx\"\nimages = \"train-images\"\nlabels = \"train-labels\"\n";
    let rest = "[network]\nchannels = [4]\n[training]\nepochs = 2\nbatch_size = 10\n[output]\nfolder = \"run\"\n";
    fs::write(folder.path().join("run.toml"), [data, rest].concat()).unwrap();
    let printed = succeeds(folder.path(), &["train", "--config", "run.toml", "--epochs", "3", "--dry-run"]);
    for part in ["conv 3×3, 4", "30 images for training, 12×12×1: 0 10, 1 10, 2 10", "3 epochs, 9 steps, about"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!folder.path().join("run").exists(), "a dry run writes nothing");
    succeeds(folder.path(), &["train", "--config", "run.toml", "--epochs", "3"]);
    let model = Model::load(folder.path().join("run/model.safetensors")).unwrap();
    assert_eq!(model.parameters()[0].value.shape()[..], [3, 3, 1, 4]);
    assert!(fs::read_to_string(folder.path().join("run/run.toml")).unwrap().contains("epochs = 3"));
    assert!(succeeds(folder.path(), &["train", "--config", "run.toml", "--find-rate"]).contains("is a good peak"));

    fs::write(folder.path().join("wrong.toml"), "[training]\nepoch = 3").unwrap();
    let error = fails(folder.path(), &["train", "--config", "wrong.toml"]);
    assert!(error.contains("wrong.toml: there is no field `training.epoch`; did you mean `epochs`?"), "{error}");
    assert!(fails(folder.path(), &["train", "--resume", "nowhere"]).contains("nowhere/run.toml: can't be read"));
    assert!(succeeds(folder.path(), &["train", "--template"]).contains("[training]"));
}
