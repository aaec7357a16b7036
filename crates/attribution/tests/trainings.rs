//! `glassbox train` on pictures: tested with others, killed, out of disk, with a picture missing. Whatever ends a training, it
//! goes on to the same bits as one that wasn't ended.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use image::{Rgb, RgbImage};
use nn::Model;
use nn::data::Crop;

/// Settings of a training of 60 epochs of 4 steps, with a checkpoint after each step and no picture kept in memory.
const RUN: &str = r#"
[data]
source = "folder"
folder = "skies"
shape = [10, 10, 3]
memory_mb = 0
validation = 0.2

[augmentation]
crop = 0.5
shift = 1

[network]
channels = [4]
pool_after = []
dropout = 0.1

[training]
epochs = 60
batch_size = 5
optimizer = "adam"
learning_rate = 0.01
weight_average = 0.9

[output]
checkpoint_seconds = 0
film_every = 30
"#;

/// Twelve pictures of dawn and as many of dusk, and the settings in run.toml.
fn skies() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, colour) in [("dawn", [250, 180, 90]), ("dusk", [40, 30, 120])] {
        let class = folder.path().join("skies").join(class);
        fs::create_dir_all(&class).unwrap();
        for number in 0..12u32 {
            let pixel = |x, y| Rgb(colour.map(|c: u8| c.saturating_add((x * y + 5 * number) as u8)));
            RgbImage::from_fn(12, 14, pixel).save(class.join(format!("{number}.png"))).unwrap();
        }
    }
    fs::write(folder.path().join("run.toml"), RUN).unwrap();
    folder
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether a run succeeds, what it prints, and the last line of what it says besides.
fn ended(child: Child) -> (bool, String, String) {
    let output = child.wait_with_output().unwrap();
    let [printed, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), printed, errors.lines().last().unwrap_or_default().to_owned())
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let (success, printed, error) = ended(start(folder, arguments));
    assert!(success, "{arguments:?}: {error}");
    printed
}

/// The files below a folder by their names, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else {
            found.push((path.file_name().unwrap().into(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Goes on with a training, and compares what it left with what a whole one does: the files that are to be the same.
fn goes_on_to_the_same_bits(folder: &Path, run: &str, same: impl Fn(&Path) -> bool) {
    succeeds(folder, &["train", "--resume", run]);
    succeeds(folder, &["train", "--config", "run.toml", "--out", "whole"]);
    let [whole, found] = ["whole", run].map(|run| {
        let mut files = files(&folder.join(run));
        files.retain(|(name, _)| same(name));
        files
    });
    assert!(whole.len() >= 3 && whole.iter().map(|(name, _)| name).eq(found.iter().map(|(name, _)| name)));
    whole.iter().zip(&found).for_each(|((name, whole), (_, found))| assert!(whole == found, "{}", name.display()));
}

/// All but the settings and the report, which name the folder.
fn all(file: &Path) -> bool {
    file != Path::new("run.toml") && file != Path::new("index.html")
}

#[test]
fn killed_twenty_times_it_goes_on() {
    let folder = skies();
    let run = folder.path().join("killed");
    let lines = || fs::read_to_string(run.join("log.jsonl")).map_or(0, |log| log.lines().count());
    let (mut arguments, mut delay) = (vec!["train", "--config", "run.toml", "--out", "killed"], 40);
    for kill in 1..=20 {
        let mut child = start(folder.path(), &arguments);
        while lines() < 10 * kill {
            assert!(child.try_wait().unwrap().is_none(), "it ended before kill {kill}");
            sleep(Duration::from_millis(1));
        }
        // Delays that neither follow the steps nor each other.
        delay = (delay * 29 + 17) % 101;
        sleep(Duration::from_micros(100 * delay));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it ended before kill {kill}");
        if run.join("best.safetensors").exists() {
            Model::load(run.join("best.safetensors")).unwrap();
        }
        arguments = vec!["train", "--resume", "killed"];
    }
    goes_on_to_the_same_bits(folder.path(), "killed", all);
    // A line for each step and each epoch.
    assert_eq!(lines(), 60 * 4 + 60);
}

/// A limit on the size of a file stands for a full disk: some file reaches it in the middle of the training.
#[cfg(unix)]
#[test]
fn out_of_disk_it_says_so_and_goes_on() {
    let folder = skies();
    let limited = "trap '' XFSZ; ulimit -f 20; exec \"$0\" train --config run.toml --out full";
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args(["-c", limited, env!("CARGO_BIN_EXE_glassbox")]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (success, _, error) = ended(child);
    assert!(!success && error.starts_with("glassbox: full/") && error.contains(": File too large"), "{error}");
    assert!(error.ends_with("fix this, then resume with `glassbox train --resume full`"), "{error}");
    // What the disk had no room for, such as a line of the log, isn't made up for.
    let weights = |file: &Path| file.extension().is_some_and(|extension| extension == "safetensors");
    goes_on_to_the_same_bits(folder.path(), "full", weights);
}

#[test]
fn a_picture_that_vanishes_is_named_and_it_goes_on() {
    let folder = skies();
    let mut child = start(folder.path(), &["train", "--config", "run.toml", "--out", "short"]);
    while !folder.path().join("short/last.checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        sleep(Duration::from_millis(1));
    }
    let [picture, elsewhere] = ["skies/dusk/7.png", "7.png"].map(|file| folder.path().join(file));
    fs::rename(&picture, &elsewhere).unwrap();
    let (success, _, error) = ended(child);
    assert!(!success && error.starts_with("glassbox: skies/dusk/7.png: can't be read: No such file"), "{error}");
    assert!(error.ends_with("fix this, then resume with `glassbox train --resume short`"), "{error}");
    fs::rename(&elsewhere, &picture).unwrap();
    goes_on_to_the_same_bits(folder.path(), "short", all);
}

/// A folder to test with has the same classes; what of a picture becomes an image is kept with the network.
#[test]
fn other_pictures_are_tested_with() {
    let folder = skies();
    let write = |data: &str| {
        let settings = RUN.replace("epochs = 60", "epochs = 2").replace("[data]", &format!("[data]\n{data}"));
        fs::write(folder.path().join("run.toml"), settings).unwrap();
    };
    for class in ["dusk", "dawn"] {
        fs::create_dir_all(folder.path().join("later").join(class)).unwrap();
    }
    RgbImage::from_pixel(9, 9, Rgb([250, 180, 90])).save(folder.path().join("later/dawn/only.png")).unwrap();
    let train = ["train", "--config", "run.toml", "--out", "run"];
    write("test_folder = \"later\"\ncrop = \"centre\"\ncentre = 0.8");
    let printed = succeeds(folder.path(), &[&train[..], &["--dry-run"]].concat());
    for part in ["20 images for training", "4 images for validation", "1 images for the test, 10×10×3: dawn 1, dusk 0"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let printed = succeeds(folder.path(), &train);
    assert!(printed.contains("on 1 images"), "{printed}");
    let model = Model::load(folder.path().join("run/model.safetensors")).unwrap();
    assert_eq!(model.info().crop, Crop::centre(0.8).unwrap());

    let fails = || {
        let (success, _, error) = ended(start(folder.path(), &train));
        assert!(!success);
        error
    };
    write("test_folder = \"later\"\ncrop = \"centre\"\ncentre = 0.0");
    assert!(fails().contains("data.centre: expected a share of the picture, more than 0 and at most 1, found 0"));
    write("test_folder = \"later\"");
    fs::rename(folder.path().join("later/dawn"), folder.path().join("later/noon")).unwrap();
    let expected =
        "later has the class \"noon\", the training pictures only \"dawn\", \"dusk\"; rename its folder, or remove it";
    assert_eq!(fails(), format!("glassbox: {expected}"));
}
