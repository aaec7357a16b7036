//! The pictures on the command line.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use nn::data::PhotoError;

use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, complain};

/// An input file, and the name on which its output files are based.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) name: OsString,
    /// Whether the file was found in a folder. If it turns out not to be a picture, the others are still explained.
    pub(crate) found: bool,
}

/// Extensions of the pictures that are explained in a folder.
const ENDINGS: [&str; 10] = ["png", "jpg", "jpeg", "jpe", "webp", "gif", "bmp", "tif", "tiff", "npy"];
/// Extensions of unsupported pictures. They are opened too, so that the user gets an error for each.
const FOREIGN: [&str; 4] = ["heic", "heif", "avif", "jxl"];

/// The files, and the files of the folders, sorted by name, each with whether it was found in a folder. Subfolders
/// aren't read; a message names them.
///
/// # Errors
/// If a folder can't be read or has no pictures.
pub(crate) fn listed(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.is_dir() {
            let files = pictures_in(path)?;
            inputs.extend(files.into_iter().map(|path| (path, true)));
        } else {
            inputs.push((path.clone(), false));
        }
    }
    Ok(inputs)
}

/// The [listed] files, with names for their output files.
///
/// # Errors
/// As for [`listed`], or if two files have the same output name.
pub(crate) fn collect(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut taken: HashMap<OsString, PathBuf> = HashMap::new();
    let named = listed(paths)?.into_iter().map(|(path, found)| {
        let stem = path.file_stem().map(OsString::from);
        let mut name = stem.ok_or_else(|| format!("{}: not the name of a file", path.display()))?;
        if found && taken.contains_key(&name) {
            // In a folder, `cat.jpg` beside `cat.png` is no mistake.
            name = path.file_name().map(OsString::from).unwrap_or(name);
        }
        match taken.insert(name.clone(), path.clone()) {
            Some(first) => Err(format!(
                "{} and {} would both be written as {}.explained.png: explain them into different folders with --out",
                first.display(),
                path.display(),
                name.display()
            )
            .into()),
            None => Ok(Input { path, name, found }),
        }
    });
    named.collect()
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| format!("{}: can't be read: {error}", folder.display());
    let (mut files, mut folders) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        folders += usize::from(path.is_dir());
        let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        if path.is_file() && ending.is_some_and(|ending| ENDINGS.iter().chain(&FOREIGN).any(|known| *known == ending)) {
            files.push(path);
        }
    }
    let inside = format!("{} inside {} not read", count(folders, "folder"), if folders == 1 { "is" } else { "are" });
    match (&files[..], folders) {
        ([], 0) => {
            return Err(format!("{}: a folder without pictures ({})", folder.display(), ENDINGS.join(", ")).into());
        }
        ([], _) => return Err(format!("{}: a folder without pictures; {inside}", folder.display()).into()),
        (_, 0) => {}
        _ => complain!("{}: {inside}", folder.display()),
    }
    files.sort();
    Ok(files)
}

/// Adds to the failure of a file that isn't a picture how to have it skipped.
pub(crate) fn or_skipped(failure: Failure) -> Failure {
    match failure.downcast_ref() {
        None | Some(PhotoError::Channels { .. }) => failure,
        Some(error) => format!("{error}; have such files skipped with --skip-unreadable").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.JPG", "a.png", "b.png", "notes.txt", "c"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("d.png")).unwrap();
        let names = |paths: &[PathBuf]| -> Vec<String> {
            collect(paths).unwrap().iter().map(|input| input.name.display().to_string()).collect()
        };
        assert_eq!(names(&[folder.path().into()]), ["a", "b", "b.png"]);
        assert_eq!(names(&[at("c"), folder.path().into()]), ["c", "a", "b", "b.png"]);
        let error = collect(&[at("b.JPG"), at("b.png")]).err().unwrap().to_string();
        assert!(error.contains("would both be written as b.explained.png"), "{error}");
        let error = collect(&[at("d.png")]).err().unwrap().to_string();
        assert!(error.contains("a folder without pictures (png"), "{error}");
        fs::create_dir(at("d.png/e")).unwrap();
        let error = collect(&[at("d.png")]).err().unwrap().to_string();
        assert!(error.ends_with("a folder without pictures; 1 folder inside is not read"), "{error}");
        assert!(collect(&[PathBuf::from("/")]).is_err());
    }
}
