//! What the tests of the program share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use tempfile::TempDir;

/// Runs `glassbox` in a folder.
pub(crate) fn glassbox(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(arguments).output().expect("the program starts")
}

/// Standard output of a run that must succeed.
pub(crate) fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = glassbox(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line on standard error of a run that must fail with exit code 1 and write nothing.
pub(crate) fn fails(folder: &Path, arguments: &[&str]) -> String {
    exits(1, folder, arguments)
}

/// The one line on standard error of a run that must end with this exit code and write nothing.
pub(crate) fn exits(code: i32, folder: &Path, arguments: &[&str]) -> String {
    let before = listing(folder);
    let output = glassbox(folder, arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
    assert!(errors.starts_with("glassbox: ") && errors.lines().count() == 1, "{arguments:?}: {errors}");
    assert_eq!(listing(folder), before, "{arguments:?} left something behind");
    errors
}

/// All files below a folder, sorted.
pub(crate) fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

pub(crate) const SMALL: [&str; 9] =
    ["demo", "--epochs", "1", "--images", "200", "--test-images", "60", "--pictures", "3"];

/// A small demo, run once: its folder and what it printed.
pub(crate) static DEMO: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let printed = succeeds(folder.path(), &[&SMALL[..], &["--threads", "2"]].concat());
    (folder, printed)
});

pub(crate) fn demo_file(name: &str) -> String {
    DEMO.0.path().join("glassbox-out").join(name).to_str().unwrap().to_owned()
}

pub(crate) fn a_picture() -> String {
    let inputs = listing(Path::new(&demo_file("inputs")));
    inputs[0].to_str().unwrap().to_owned()
}

/// Writes an IDX pair: `count` images of `side`×`side`, labels counting round `classes`.
pub(crate) fn idx(folder: &Path, name: &str, count: u8, side: u8, classes: u8) {
    let header = |rank: u8, dims: &[u8]| {
        [&[0, 0, 8, rank][..], &dims.iter().flat_map(|&d| [0, 0, 0, d]).collect::<Vec<_>>()].concat()
    };
    let pixels = (0..usize::from(count) * usize::from(side) * usize::from(side)).map(|i| (i * 37 % 251) as u8);
    let images = [header(3, &[count, side, side]), pixels.collect()].concat();
    let labels = [header(1, &[count]), (0..count).map(|i| i % classes).collect()].concat();
    fs::write(folder.join(format!("{name}-images")), images).unwrap();
    fs::write(folder.join(format!("{name}-labels")), labels).unwrap();
}

pub(crate) const IDX: [&str; 5] = ["train", "--images", "train-images", "--labels", "train-labels"];

/// Sends Ctrl-C once the program's first line is there, and gives that line and what it says at the end; the exit code must be 130.
#[cfg(unix)]
pub(crate) fn interrupted(folder: &Path, arguments: &[&str]) -> (String, String) {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut line, mut output) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
    output.read_line(&mut line).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{errors}");
    (line, errors)
}
