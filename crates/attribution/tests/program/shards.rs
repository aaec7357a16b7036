//! Evaluations and explanations in shards, and `glassbox merge`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{demo_file, fails, idx, listing, succeeds};

/// The files of a result, without the shards'.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = listing(folder).into_iter().map(|file| file.strip_prefix(folder).unwrap().to_owned());
    let files = files.filter(|file| !file.starts_with("shards"));
    files.map(|file| (file.clone(), fs::read(folder.join(file)).unwrap())).collect()
}

#[test]
fn shards_of_an_evaluation_are_the_whole_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let run = |out: &str, more: &[&str]| {
        let evaluate = ["evaluate", "--model", &model, "--limit", "46", "--method", "grad-cam,cam", "--out", out];
        succeeds(folder.path(), &[&evaluate[..], more].concat())
    };
    let at = |out: &str| folder.path().join(out);
    let printed = run("whole", &[]);
    for count in [1, 2, 3, 5, 8] {
        let out = format!("in-{count}");
        // In some order, one of them twice, and one killed while it was written.
        for number in (1..=count).rev() {
            run(&out, &["--shard", &format!("{number}/{count}"), "--threads", &format!("{}", 1 + number % 2)]);
        }
        fs::remove_file(at(&out).join(format!("shards/1-of-{count}.json"))).unwrap();
        run(&out, &["--shard", &format!("1/{count}")]);
        assert!(run(&out, &["--shard", &format!("1/{count}")]).contains("already"));
        assert_eq!(succeeds(folder.path(), &["merge", &out]).replace(&out, "whole"), printed);
        assert!(files(&at(&out)) == files(&at("whole")), "{count} shards");
    }

    let shard = at("in-3/shards/2-of-3.json");
    let sound = fs::read_to_string(&shard).unwrap();
    fs::remove_file(&shard).unwrap();
    assert!(
        fails(folder.path(), &["merge", "in-3"]).contains("2-of-3.json: missing; run the command with --shard 2/3")
    );
    fs::write(&shard, sound.replace("\"images\":15", "\"images\":16")).unwrap();
    assert!(fails(folder.path(), &["merge", "in-3"]).contains("2-of-3.json: damaged"));
    run("other", &["--seed", "5", "--shard", "2/3"]);
    fs::copy(at("other/shards/2-of-3.json"), &shard).unwrap();
    let foreign = fails(folder.path(), &["merge", "in-3"]);
    assert!(foreign.contains("2-of-3.json: a shard of another result, with another settings"), "{foreign}");
    fs::write(&shard, &sound).unwrap();
    fs::copy(at("in-2/shards/2-of-2.json"), at("in-3/shards/2-of-2.json")).unwrap();
    assert!(fails(folder.path(), &["merge", "in-3"]).contains("expected the shards of one result, in 3 parts"));
    let evaluate = ["evaluate", "--model", &model, "--limit", "46", "--method", "cam", "--out", "in-3"];
    let error = fails(folder.path(), &[&evaluate[..], &["--shard", "1/4"]].concat());
    assert!(error.contains("a shard of 3, not of 4"), "{error}");
    assert!(fails(folder.path(), &["merge", "whole"]).contains("has no shards"));
}

#[test]
fn shards_of_explanations_are_the_whole_to_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_file("model.safetensors");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    for (number, input) in listing(Path::new(&demo_file("inputs"))).iter().enumerate() {
        for copy in 0..8 {
            fs::copy(input, pictures.join(format!("{number}-{copy}.png"))).unwrap();
        }
    }
    let run = |out: &str, more: &[&str]| {
        let explain = ["explain", "pictures", "--model", &model, "--method", "grad-cam,cam", "--top", "2", "--json"];
        succeeds(folder.path(), &[&explain[..], &["--boxes", "--out", out], more].concat())
    };
    let printed = run("whole", &[]);
    for count in [1, 3] {
        let out = format!("in-{count}");
        (1..=count).rev().for_each(|number| drop(run(&out, &["--shard", &format!("{number}/{count}")])));
        assert_eq!(succeeds(folder.path(), &["merge", &out]).replace(&out, "whole"), printed);
        assert!(files(&folder.path().join(&out)) == files(&folder.path().join("whole")), "{count} shards");
    }
    assert!(files(&folder.path().join("whole")).iter().any(|(file, _)| file.ends_with("summary-02.png")));

    // A picture that can't be read is named again when all are put together.
    fs::write(pictures.join("broken.png"), "no picture").unwrap();
    let explain = ["explain", "pictures", "--model", &model, "--method", "cam", "--out", "broken"];
    for number in ["1/2", "2/2"] {
        succeeds(folder.path(), &[&explain[..], &["--shard", number]].concat());
    }
    let merged = crate::support::glassbox(folder.path(), &["merge", "broken"]);
    let errors = String::from_utf8(merged.stderr).unwrap();
    assert_eq!(merged.status.code(), Some(1));
    assert!(errors.contains("1 of 25 pictures can't be explained: pictures/broken.png"), "{errors}");
}

#[test]
fn a_sweep_is_run_once_and_tabulated() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 40, 12, 2);
    let settings = "[data]\nimages = \"train-images\"\nlabels = \"train-labels\"\nvalidation = 0.5\n\
                    [network]\nchannels = [4]\npool_after = []\n[training]\nepochs = 2\nbatch_size = 5\n";
    fs::write(folder.path().join("run.toml"), settings).unwrap();
    let sweep = ["sweep", "--config", "run.toml", "--over", "training.learning_rate=0.05,0.1"];
    let sweep = [&sweep[..], &["--over", "training.seed=0..2", "--out", "sweep"]].concat();
    let listed = succeeds(folder.path(), &[&sweep[..], &["--list"]].concat());
    assert!(listed.contains("3  learning_rate=0.1,seed=0\n") && listed.lines().count() == 4, "{listed}");
    succeeds(folder.path(), &[&sweep[..], &["--task", "3/4"]].concat());
    let printed = succeeds(folder.path(), &sweep);
    assert!(printed.contains("It is in sweep/learning_rate=0.1,seed=0 already"), "{printed}");
    assert!(printed.contains("Best: learning_rate=0."), "{printed}");
    let table = fs::read_to_string(folder.path().join("sweep/sweep.csv")).unwrap();
    assert!(table.lines().count() == 5 && table.contains("\n0.1,1,"), "{table}");
    assert!(fails(folder.path(), &[&sweep[..], &["--task", "1/3"]].concat()).contains("the sweep has 4 trainings"));
    let other = [&sweep[..sweep.len() - 2], &["--over", "training.epochs=3,2", "--out", "sweep"]].concat();
    assert_eq!(succeeds(folder.path(), &[&other[..], &["--list"]].concat()).lines().count(), 8);
    fs::write(folder.path().join("run.toml"), settings.replace("epochs = 2", "epochs = 3")).unwrap();
    let changed = crate::support::glassbox(folder.path(), &sweep);
    let errors = String::from_utf8(changed.stderr).unwrap();
    assert!(errors.contains("learning_rate=0.05,seed=0/run.toml: other settings than the sweep's"), "{errors}");
}
