//! Wrong usage, of any command.

use std::process::Command;

use crate::support::{glassbox, succeeds};

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
}

#[test]
fn misspelt_variables_are_refused() {
    for (variable, expected) in [
        ("GLASSBOX_SIMD", "glassbox: GLASSBOX_SIMD: expected portable, avx2 or avx512, found \"of\""),
        ("GLASSBOX_WINOGRAD", "glassbox: GLASSBOX_WINOGRAD: expected on or off, found \"of\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_glassbox")).arg("inspect").env(variable, "of").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().trim_end(), expected);
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
