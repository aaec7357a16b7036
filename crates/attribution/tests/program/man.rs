//! `glassbox completions` and `glassbox man`.

use std::fs;

use crate::support::{fails, glassbox, listing, succeeds};

const COMMANDS: [&str; 14] = [
    "demo",
    "train",
    "explain",
    "look",
    "evaluate",
    "merge",
    "sweep",
    "verify",
    "certify",
    "inspect",
    "export",
    "page",
    "completions",
    "man",
];

#[test]
fn every_shell_completes_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeeds(folder.path(), &["completions", shell]);
        for word in COMMANDS.into_iter().chain(["counterfactual"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let output = glassbox(folder.path(), &["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("possible values: bash"));
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let printed = succeeds(folder.path(), &["man", "share/man1"]);
    assert_eq!(printed, "15 pages in share/man1\n");
    let pages = folder.path().join("share/man1");
    assert_eq!(listing(&pages).len(), 1 + COMMANDS.len());
    for command in COMMANDS {
        let page = fs::read_to_string(pages.join(format!("glassbox-{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH glassbox-{command} 1")) && page.contains(".SH OPTIONS"), "{page}");
    }
    assert!(fs::read_to_string(pages.join("glassbox-explain.1")).unwrap().contains("counterfactual"));
    fs::write(folder.path().join("taken"), "").unwrap();
    assert!(fails(folder.path(), &["man", "taken"]).contains("taken: can't be written to"));
}
