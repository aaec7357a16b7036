//! `glassbox train` on folders of pictures.

use std::fs;

use image::{Rgb, RgbImage};
use nn::Model;

use crate::support::{fails, glassbox, succeeds};

/// 20 pictures of dusk and 20 of dawn, of several sizes, and a file that is none.
fn skies() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, colour) in [("dawn", [250, 180, 90]), ("dusk", [40, 30, 120])] {
        fs::create_dir_all(folder.path().join("skies").join(class)).unwrap();
        for number in 0..20u32 {
            let sky =
                RgbImage::from_fn(20 + number, 30, |x, y| Rgb(colour.map(|c: u8| c.saturating_add((x + y) as u8))));
            sky.save(folder.path().join("skies").join(class).join(format!("{number}.png"))).unwrap();
        }
    }
    fs::write(folder.path().join("skies/dusk/notes.txt"), "no picture").unwrap();
    let run = "[data]\nsource = \"folder\"\nfolder = \"skies\"\nshape = [16, 16, 3]\n\
        unreadable = \"skip\"\nvalidation = 0.2\ntest = 0.1\nbalanced = true\n\
        [augmentation]\nflip = true\nshift = 2\nmixup = 0.2\n\
        [network]\nchannels = [4]\npool_after = []\n\
        [training]\nepochs = 4\nbatch_size = 7\n[output]\nfolder = \"run\"\n";
    fs::write(folder.path().join("run.toml"), run).unwrap();
    folder
}

#[test]
fn pictures_are_split_augmented_and_trained_on() {
    let folder = skies();
    let dry = glassbox(folder.path(), &["train", "--config", "run.toml", "--dry-run"]);
    assert!(dry.status.success(), "{dry:?}");
    let printed = [dry.stdout, dry.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    for part in [
        "skipped: skies/dusk/notes.txt: expected a PNG",
        "28 images for training, 16×16×3: dawn 14, dusk 14",
        "8 images for validation, 16×16×3: dawn 4, dusk 4",
        "4 images for the test, 16×16×3: dawn 2, dusk 2",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(succeeds(folder.path(), &["train", "--config", "run.toml"]).contains("on 4 images"));
    let model = Model::load(folder.path().join("run/model.safetensors")).unwrap();
    assert_eq!((model.input_shape(), model.class_name(1).as_str()), ([16, 16, 3], "dusk"));
}

#[test]
fn what_is_no_picture_is_listed_and_refused() {
    let folder = skies();
    let run = fs::read_to_string(folder.path().join("run.toml")).unwrap().replace("unreadable = \"skip\"\n", "");
    fs::write(folder.path().join("run.toml"), run).unwrap();
    let error = fails(folder.path(), &["train", "--config", "run.toml"]);
    assert!(error.contains("skies: 1 of 41 files aren't pictures"), "{error}");
    assert!(error.contains(" skies/dusk/notes.txt: expected a PNG"), "{error}");
}

#[test]
fn data_that_cannot_be_had_is_named() {
    let folder = skies();
    for (data, expected) in [
        ("source = \"fashion-mnist\"\nvalidation = 1.5", "1.5"),
        ("source = \"cifar10\"\nfolder = \"skies\"", "skies/batches.meta.txt: "),
        ("source = \"folder\"\nfolder = \"skies/dawn\"", "skies/dawn: expected a folder for each class"),
    ] {
        fs::write(folder.path().join("wrong.toml"), format!("[data]\n{data}\n")).unwrap();
        let error = fails(folder.path(), &["train", "--config", "wrong.toml"]);
        assert!(error.contains(expected), "{data}: {error}");
    }
}
