//! `glassbox train`, on IDX files, tables of labels, masks and folders.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use nn::{Model, Task};

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

/// Writes `count` grey pictures of 16×16 pixels: a bright square of a side from 4 to 9 at the left or the right. Gives the name,
/// whether it is at the right, and the side of each.
fn squares(folder: &Path, count: usize) -> Vec<(String, bool, u32)> {
    let mut written = Vec::new();
    for index in 0..count {
        let (name, right, side) = (format!("{index:03}.png"), index * 7 % 5 < 2, 4 + (index * 5 % 6) as u32);
        let picture = GrayImage::from_fn(16, 16, |x, y| Luma([if inside(x, y, right, side) { 220 } else { 20 }]));
        fs::create_dir_all(folder).unwrap();
        picture.save(folder.join(&name)).unwrap();
        written.push((name, right, side));
    }
    written
}

fn inside(x: u32, y: u32, right: bool, side: u32) -> bool {
    let left = if right { 15 - side } else { 1 };
    (left..left + side).contains(&x) && (3..3 + side).contains(&y)
}

/// Settings for small pictures.
const SQUARES: &str = "[data]\nshape = [16, 16, 1]\ntest = 0.25\n[network]\nchannels = [8, 16]\npool_after = [1]\n\
    [training]\nepochs = 10\nbatch_size = 8\nlearning_rate = 0.01\noptimizer = \"adam\"\n[output]\nfilm_every = 5\n";

/// The number after `Test NAME `.
fn tested(printed: &str, name: &str) -> f64 {
    let start = format!("Test {name} ");
    let line = printed.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{printed}"));
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn labels_and_values_are_learnt_from_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (mut labels, mut values) = (String::from("file,right,large\n"), String::from("file,side [pixels]\n"));
    for (name, right, side) in squares(&path("pictures"), 120) {
        labels += &format!("pictures/{name},{},{}\n", u8::from(right), u8::from(side > 6));
        values += &format!("pictures/{name},{}\n", 1000 * side);
    }
    fs::write(path("labels.csv"), labels).unwrap();
    fs::write(path("values.csv"), values).unwrap();
    fs::write(path("run.toml"), SQUARES).unwrap();

    let printed = succeeds(
        folder.path(),
        &["train", "--config", "run.toml", "--csv", "labels.csv", "--out", "labels", "--epochs", "12"],
    );
    assert!(printed.contains("90 training images of 16×16 with the labels right, large"), "{printed}");
    assert!(tested(&printed, "AUROC") > 0.9, "{printed}");
    let model = Model::load(path("labels/model.safetensors")).unwrap();
    assert_eq!((model.task(), model.classes(), model.class_name(0).as_str()), (Task::Labels, 2, "right"));
    let log = fs::read_to_string(path("labels/log.jsonl")).unwrap();
    assert!(log.lines().last().unwrap().contains("\"auroc\":"), "{log}");
    assert!(fs::read_to_string(path("labels/index.html")).unwrap().contains("average precision"));
    assert!(path("labels/film/film.png").exists() && path("labels/curves.svg").exists());

    let printed = succeeds(folder.path(), &["train", "--config", "run.toml", "--csv", "values.csv", "--out", "values"]);
    assert!(tested(&printed, "R²") > 0.8, "{printed}");
    assert!(printed.contains("side [pixels]"), "{printed}");
    let model = Model::load(path("values/model.safetensors")).unwrap();
    assert_eq!((model.task(), model.info().units.as_slice()), (Task::Values, &["pixels".to_string()][..]));
    // Values are given in their unit: the bias is near the mean, 6500.
    let bias = model.parameter("fc.bias").unwrap().as_slice()[0];
    assert!((1000.0..20_000.0).contains(&bias), "{bias}");
    let plan = succeeds(folder.path(), &["train", "--config", "run.toml", "--csv", "values.csv", "--dry-run"]);
    assert!(plan.contains("90 images for training, 16×16×1: with the values side"), "{plan}");
}

#[test]
fn masks_are_learnt_by_a_u_net() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("masks")).unwrap();
    for (name, right, side) in squares(&path("pictures"), 32) {
        let mask = GrayImage::from_fn(16, 16, |x, y| Luma([if inside(x, y, right, side) { 255 } else { 0 }]));
        mask.save(path("masks").join(name)).unwrap();
    }
    fs::write(path("run.toml"), SQUARES.replace("[training]\n", "[training]\nloss = \"dice\"\n")).unwrap();
    let masks = ["train", "--folder", "pictures", "--masks", "masks", "--config", "run.toml", "--epochs", "16"];
    let printed = succeeds(folder.path(), &[&masks[..], &["--out", "out"]].concat());
    assert!(printed.contains("with masks of background, object"), "{printed}");
    assert!(tested(&printed, "mIoU") > 0.9, "{printed}");
    let model = Model::load(path("out/model.safetensors")).unwrap();
    assert_eq!((model.task(), model.output_shape()), (Task::Classes, &[16, 16, 2][..]));
    assert!(fs::read_to_string(path("out/confusion.csv")).unwrap().starts_with("true \\ predicted,background,object"));

    let wrong = ["--out", "wrong"];
    GrayImage::new(15, 16).save(path("masks/003.png")).unwrap();
    let error = fails(folder.path(), &[&masks[..], &wrong].concat());
    assert!(error.contains("003.png: the mask is 16 × 15, its picture") && error.contains("is 16 × 16"), "{error}");
    GrayImage::from_pixel(16, 16, Luma([7])).save(path("masks/003.png")).unwrap();
    let error = fails(folder.path(), &[&masks[..], &wrong, &["--class-names", "a,b"]].concat());
    assert!(error.contains("003.png: expected a class from 0 to 1 at each pixel, found the value 7"), "{error}");
    fs::remove_file(path("masks/003.png")).unwrap();
    assert!(fails(folder.path(), &[&masks[..], &wrong].concat()).contains("003.png: there is no mask of this name"));
}

#[test]
fn a_divided_folder_is_trained_on_its_own_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (index, (name, right, _)) in squares(&path("all"), 60).into_iter().enumerate() {
        let part = ["train", "train", "train", "val", "test"][index / 2 % 5];
        let class = path("divided").join(part).join(if right { "right" } else { "left" });
        fs::create_dir_all(&class).unwrap();
        fs::copy(path("all").join(&name), class.join(&name)).unwrap();
    }
    fs::write(path("run.toml"), SQUARES.replace("test = 0.25\n", "")).unwrap();
    let arguments = ["train", "--config", "run.toml", "--folder", "divided", "--epochs", "1"];
    let printed = succeeds(folder.path(), &[&arguments[..], &["--out", "out"]].concat());
    assert!(printed.contains("36 training images of 16×16 in 2 classes"), "{printed}");
    assert!(printed.contains("36 images for training, 12 for validation, 12 for the test"), "{printed}");
    assert!(printed.contains("on 12 images"), "{printed}");
    let without = succeeds(folder.path(), &["train", "--folder", "divided", "--epochs", "1", "--dry-run"]);
    assert!(without.contains("36 images for training"), "{without}");
    fs::write(path("run.toml"), SQUARES).unwrap();
    assert!(fails(folder.path(), &arguments).contains("already divided into parts"));

    let error = fails(folder.path(), &["train", "--folder", "divided/train/left/..", "--masks", "all", "--out", "no"]);
    assert!(error.contains("there is no mask of this name"), "{error}");
    fs::remove_dir_all(path("divided/train/left")).unwrap();
    let error = fails(folder.path(), &["train", "--folder", "divided/train", "--out", "no"]);
    assert!(error.contains("all images are of the class \"right\": there is nothing to learn"), "{error}");
}

#[test]
fn tables_and_settings_that_contradict_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    squares(folder.path(), 4);
    let message = |table: &str, rest: &[&str]| {
        fs::write(path("table.csv"), table).unwrap();
        fails(folder.path(), &[&["train", "--csv", "table.csv", "--out", "no"], rest].concat())
    };
    for (table, expected) in [
        ("file,kind\n000.png,a\nnone.png,b\n", "table.csv, line 3: there is no file none.png"),
        ("file,a,b\n000.png,1,0\n001.png,,1\n", "table.csv, line 3: the cell of column `a` is empty"),
        ("file,a,b\n000.png,1,0\n001.png,1\n", "table.csv, line 3: expected 3 columns"),
        ("file,a\n000.png,1\n001.png,1\n", "`a` is 1 for all images: there is nothing to learn"),
        ("file,kind\n000.png,x\n001.png,x\n", "all images are of the class \"x\""),
    ] {
        let error = message(table, &[]);
        assert!(error.contains(expected), "{error}");
    }
    let error = message("file,age\n000.png,3\n001.png,4\n", &["--task", "labels"]);
    assert!(error.contains("line 2: column `age`: expected 1 (present) or 0 (absent), found `3`"), "{error}");

    let configured = |text: &str| {
        fs::write(path("run.toml"), text).unwrap();
        fails(folder.path(), &["train", "--config", "run.toml", "--dry-run"])
    };
    let error = configured("[data]\nsource = \"scattered\"\nfolder = \"pets\"\n");
    assert!(
        error.contains("data.folder: the images come from the source \"scattered\", which doesn't read pets"),
        "{error}"
    );
    let error = configured("[data]\nfolder = \"pets\"\n");
    assert!(error.contains("pets"), "the source follows from what is given: {error}");
    assert!(configured("[data]\nfolder = \"pets\"\ncsv = \"table.csv\"\n").contains("data.folder"));
    assert!(configured("[data]\nfolder = \"pets\"\ntask = \"values\"\n").contains("data.task"));
    assert!(configured("[data]\ntask = \"valued\"\n").contains("expected one of classes, labels"));
    fs::write(path("table.csv"), "file,age\n000.png,3\n001.png,4\n").unwrap();
    assert!(configured("[data]\ncsv = \"table.csv\"\n[training]\nloss = \"dice\"\n").contains("\"dice\" is for masks"));
    let unfit = configured("[data]\ncsv = \"table.csv\"\n[network]\narchitecture = \"u-net\"\n");
    assert!(unfit.contains("`u-net` gives a class for each pixel"), "{unfit}");
}
