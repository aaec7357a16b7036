//! A chain of errors says nothing twice: a text contains the cause's, or `source` returns the cause, but not both.

use std::error::Error;
use std::fs;
use std::path::Path;

use nn::data::{Crop, FolderSettings, Idx, ImageFolder, Photo, Unreadable, fashion_mnist};
use nn::layers::{Flatten, GlobalAvgPool, Linear};
use nn::optim::Sgd;
use nn::train::{LAST, Trainer, Training};
use nn::{Model, ModelInfo, Naming};

/// Checks the chain of an error, whose text contains `cause`.
fn check(error: impl Error, cause: &str) {
    assert!(error.to_string().contains(cause), "{error}");
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        assert!(texts.iter().all(|earlier| !earlier.contains(&text)), "`{text}` again, in {texts:?}");
        texts.push(text);
        next = source.source();
    }
}

fn model() -> Model {
    let images = fashion_mnist::test();
    let info = ModelInfo { normalization: Some(images.statistics()), ..ModelInfo::default() };
    let builder = Model::builder([28, 28, 1]).layer("gap", GlobalAvgPool).layer("fc", Linear::new(10));
    builder.info(info).build(1).unwrap()
}

/// A safetensors file without tensors and with this metadata.
fn safetensors(metadata: &str) -> Vec<u8> {
    let header = format!(r#"{{"__metadata__":{metadata}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn errors_of_models_and_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    check(Model::load(&path).unwrap_err(), "No such file");
    check(model().save(path.join("below")).unwrap_err(), "No such file");
    let naming = Naming::default();
    let weights = || Model::builder([2, 2, 1]).layer("flat", Flatten).load_weights(&path, &naming).unwrap_err();
    check(weights(), "No such file");
    check(model().save_weights(path.join("below"), &naming).unwrap_err(), "No such file");
    fs::write(&path, b"\x09\0\0\0\0\0\0\0{\"a\":[1}}").unwrap();
    check(Model::load(&path).unwrap_err(), "expected `,` or `]`");
    check(weights(), "expected `,` or `]`");
    let layer = concat!(
        r#"{"name":"a","inputs":["input"],"layer":{"type":"max-pool","kernel":[9,9],"stride":[1,1],"#,
        r#""padding":{"top":0,"bottom":0,"left":0,"right":0}}}"#
    );
    for (layers, cause) in [(layer, "doesn't fit into"), (r#"{"type":"sulu"}"#, "missing field `name`")] {
        let json = format!(r#"{{"format":1,"input":[2,2,1],"layers":[{layers}]}}"#);
        fs::write(&path, safetensors(&format!(r#"{{"glassbox":{json:?}}}"#))).unwrap();
        check(Model::load(&path).unwrap_err(), cause);
    }
}

#[test]
fn errors_of_trainings() {
    let folder = tempfile::tempdir().unwrap();
    let images = fashion_mnist::test().subset(&[0, 1, 2]);
    let fit = |folder: &Path| {
        let trainer = Trainer::new(Training::default(), Sgd::new(0.1, 0.9)).checkpoints(folder).resume();
        trainer.fit(&mut model(), &images).unwrap_err()
    };
    check(fit(&folder.path().join("absent")), "No such file");
    for (metadata, cause) in [(r#"{"a":1}"#, "expected a string"), (r#"{"glassbox-checkpoint":"{}"}"#, "missing field")]
    {
        fs::write(folder.path().join(LAST), safetensors(metadata)).unwrap();
        check(fit(folder.path()), cause);
    }
}

#[test]
fn errors_of_data() {
    let folder = tempfile::tempdir().unwrap();
    check(Idx::open(folder.path().join("absent")).unwrap_err(), "No such file");
    check(Idx::read(&b"\x1f\x8b\x08"[..], "labels").unwrap_err(), "gzip");
    check(Photo::open(folder.path().join("absent")).unwrap_err(), "No such file");
    let class = folder.path().join("cat");
    fs::create_dir(&class).unwrap();
    fs::write(class.join("one.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    check(Photo::open(class.join("one.png")).unwrap_err(), "a PNG picture that can't be decoded");
    let settings = FolderSettings { shape: [4, 4, 1], crop: Crop::Largest, unreadable: Unreadable::Refuse, memory: 0 };
    check(ImageFolder::open(folder.path(), settings, |_, _| ()).unwrap_err(), "a PNG picture that can't be decoded");
}
