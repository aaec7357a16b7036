//! Wrong usage, of any command.

use std::fs;
use std::process::Command;

use crate::support::{IDX, a_picture, demo_file, fails, glassbox, idx, succeeds};

#[test]
fn wrong_usage_is_exit_code_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["explain"][..],
        &["explain", "coat.png", "--class", "1", "--top", "2"],
        &["explain", "coat.png", "--model", "m", "--method", "magic"],
        &["train", "--images", "only"],
        &["train", "--rate", "-1"],
        &["demo", "--epochs", "0"],
        &["--threads", "0"],
        &["--threads", "100000"],
        &["paint"],
    ] {
        assert_eq!(glassbox(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["help", "explain"], &["--version"]] {
        assert!(!succeeds(folder.path(), arguments).is_empty());
    }
    assert_eq!(succeeds(folder.path(), &["--version"]), format!("glassbox {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn quiet_shows_no_progress_and_prints_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 20, 12, 2);
    let run = |quiet: &[&str]| {
        let output = glassbox(folder.path(), &[&IDX[..], &["--epochs", "2", "-o", "net"], quiet].concat());
        assert_eq!(output.status.code(), Some(0));
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    assert!(run(&[]).1.contains("epoch 2 of 2"));
    let (printed, progress) = run(&["-q"]);
    assert!(progress.is_empty(), "{progress}");
    assert!(String::from_utf8(printed).unwrap().contains("The network is in net/model.safetensors"));
    assert!(fails(folder.path(), &["inspect", "absent.onnx", "--quiet"]).contains("absent.onnx: can't be read"));
}

#[test]
fn no_command_overwrites_the_report_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, model) = (a_picture(), demo_file("model.safetensors"));
    idx(folder.path(), "train", 20, 12, 2);
    let explain = ["explain", &picture, "--model", &model, "-m", "cam", "-o", "out"];
    let train = [&IDX[..], &["--epochs", "1", "-o", "out"]].concat();
    let evaluate = ["evaluate", "--model", &model, "--images", "20", "-m", "cam", "-o", "out"];
    let demo = ["demo", "--images", "20", "-o", "out"];
    succeeds(folder.path(), &explain);
    succeeds(folder.path(), &explain);
    let report = folder.path().join("out/index.html");
    let page = fs::read(&report).unwrap();
    for (name, command) in [("train", &train[..]), ("evaluate", &evaluate), ("demo", &demo)] {
        let error = fails(folder.path(), command);
        let expected =
            format!("out/index.html: expected a report of `glassbox {name}`, found one of `glassbox explain`");
        assert!(error.contains(&expected) && error.contains("--out"), "{error}");
    }
    assert_eq!(fs::read(&report).unwrap(), page);
    fs::write(&report, "<!DOCTYPE html><title>My cats</title>").unwrap();
    let error = fails(folder.path(), &explain);
    assert!(error.contains("found a page of unknown origin"), "{error}");
    fs::remove_file(&report).unwrap();
    succeeds(folder.path(), &train);
}

#[test]
fn misspelt_variables_are_refused() {
    for (variable, expected) in [
        ("GLASSBOX_SIMD", "glassbox: GLASSBOX_SIMD: expected portable, neon, avx2 or avx512, found \"of\""),
        ("GLASSBOX_WINOGRAD", "glassbox: GLASSBOX_WINOGRAD: expected on or off, found \"of\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_glassbox")).arg("inspect").env(variable, "of").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().trim_end(), expected);
    }
}

/// On every architecture, some tiers are another's.
#[test]
fn an_instruction_set_that_the_processor_lacks_is_refused() {
    use attribution::tensor::simd::Tier;
    for tier in Tier::ALL.into_iter().filter(|tier| !tier.is_available()) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
        let output = command.args(["inspect", "absent.onnx"]).env("GLASSBOX_SIMD", tier.name()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{tier}");
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("glassbox: GLASSBOX_SIMD={tier}: this processor has only portable");
        assert!(error.starts_with(&expected) && error.lines().count() == 1, "{error}");
    }
}

/// As in `glassbox train 2>&1 | head`.
#[cfg(unix)]
#[test]
fn nobody_needs_to_read_on() {
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.args(["inspect", "absent.onnx"]).stdout(Stdio::null()).stderr(write).current_dir(folder.path());
    assert_eq!(command.status().unwrap().code(), Some(1));
}
