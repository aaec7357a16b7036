//! `glassbox demo`.

use std::fs;
use std::path::Path;

use crate::support::{DEMO, SMALL, demo_file, fails, listing, succeeds};

/// Without `seconds`, which differ from run to run, and `threads`.
fn figures(report: &str) -> serde_json::Value {
    let mut report: serde_json::Value = serde_json::from_str(report).unwrap();
    for key in ["seconds", "seconds_training", "threads"] {
        assert!(report.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    report
}

#[test]
fn the_demo_writes_what_it_says() {
    let (_, printed) = &*DEMO;
    for line in ["test accuracy 0.", "chance", "guided Grad-CAM", "In glassbox-out/ after"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let report = figures(&fs::read_to_string(demo_file("run.json")).unwrap());
    assert!((0.0..=1.0).contains(&report["accuracy"].as_f64().unwrap()));
    for method in ["cam", "grad-cam", "guided-backprop", "guided-grad-cam"] {
        let score = &report["explanations"][method];
        for key in ["pointing_game", "box_score", "chance"] {
            assert!((0.0..=1.0).contains(&score[key].as_f64().unwrap()), "{method}.{key}");
        }
        assert!((0.1..0.4).contains(&score["chance"].as_f64().unwrap()));
    }
    let files = listing(Path::new(&demo_file("")));
    let pictures: Vec<_> = files.iter().filter(|file| file.extension().is_some_and(|e| e == "png")).collect();
    assert_eq!(pictures.len(), 3 + 3 + 1, "{files:?}");
    assert_eq!(files.len(), pictures.len() + 3, "{files:?}");
    assert!(pictures.iter().all(|path| image::open(path).is_ok()));
}

#[test]
fn the_same_seed_gives_the_same_figures_with_one_thread() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &[&SMALL[..], &["--threads", "1", "--out", "again"]].concat());
    let read = |path: &Path| fs::read(path).unwrap();
    let again = |name: &str| read(&folder.path().join("again").join(name));
    assert_eq!(again("model.safetensors"), read(Path::new(&demo_file("model.safetensors"))));
    for file in ["summary.png", "index.html"] {
        assert!(again(file) == read(Path::new(&demo_file(file))), "{file} differs");
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(figures(&text(again("run.json"))), figures(&text(read(Path::new(&demo_file("run.json"))))));
}

#[test]
fn places_that_cannot_be_written_are_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = fails(folder.path(), &["demo", "--out", "file/out"]);
    assert!(error.contains("file/out: can't be written to"), "{error}");
    let error = fails(folder.path(), &["train", "--out", "file"]);
    assert!(error.contains("file: can't be written to"), "{error}");
}
