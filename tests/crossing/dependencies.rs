//! The README's list of dependencies.

use std::collections::BTreeSet;
use std::fs;

fn file(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_readme_lists_every_dependency() {
    let readme = file("README.md");
    let (_, table) = readme.split_once("<!-- dependencies -->").unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    // Every other piece of the first column stands between backquotes.
    let listed: Vec<_> = rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();

    let manifest = file("Cargo.toml");
    let (_, section) = manifest.split_once("[workspace.dependencies]").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let entries = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let others: BTreeSet<_> = entries.filter(|(_, value)| !value.contains("path = ")).map(|(name, _)| name).collect();

    assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), others);
    assert_eq!(listed.len(), others.len(), "a crate is listed once");
}
