//! Folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nn::files::{check_writable, write_whole};

use super::Failure;

/// The sorted entries of a folder, without those whose names begin with a dot.
///
/// # Errors
/// If the folder can't be read. The error names the folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| format!("{}: can't be read: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.') {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

/// All files in a folder and in the folders within it, sorted in each folder, without those whose names begin with a
/// dot.
///
/// # Errors
/// If a folder can't be read. The error names the folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        // Links to folders aren't followed, since they may form a cycle.
        if !path.is_dir() {
            files.push(path);
        } else if !path.is_symlink() {
            files.extend(self::files(&path)?);
        }
    }
    Ok(files)
}

/// Creates the folder if it is missing, and checks that files can be created in it, so that a failure comes before the
/// work.
///
/// # Errors
/// If the folder can't be created or written to. The error names the folder.
pub(crate) fn prepare(folder: &Path) -> Result<(), Failure> {
    let made = fs::create_dir_all(folder).and_then(|()| check_writable(folder));
    made.map_err(|error| unwritable(folder, &error))
}

/// The same as [`prepare`], for the folder of an output file.
pub(crate) fn prepare_for(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        return Err(format!("{}: expected the name of a file to write, found a folder", file.display()).into());
    }
    prepare(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn unwritable(folder: &Path, error: &io::Error) -> Failure {
    format!("{}: can't be written to: {error}; choose another folder with --out", folder.display()).into()
}

/// Writes a text file atomically.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_whole(path, text.as_bytes()).map_err(|error| format!("{}: can't be written: {error}", path.display()).into())
}
