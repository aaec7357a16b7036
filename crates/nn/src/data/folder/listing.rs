//! The files of a folder, their classes, and the parts that they belong to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Found, FoundTruth};
use crate::data::DataError;
use crate::data::part::Part;

/// The subfolders `train`, `val` and `test` with their parts, `train` first, if the folder is divided: `train` and another one
/// contain folders.
pub(super) fn divided(folder: &Path) -> Result<Vec<(Part, PathBuf)>, DataError> {
    let mut parts = Vec::new();
    for (name, path) in entries(folder)? {
        if let Some(part) = Part::named(&name).filter(|_| path.is_dir())
            && entries(&path)?.values().any(|path| path.is_dir())
        {
            parts.push((part, path));
        }
    }
    parts.sort_by_key(|(part, _)| *part != Part::Training);
    let trained = parts.iter().filter(|(part, _)| *part == Part::Training).count();
    Ok(if trained == 1 && parts.len() > 1 { parts } else { Vec::new() })
}

/// Whether a folder consists of folders `train` and `val` or `test`.
pub(super) fn divided_by_names(folder: &Path) -> Result<bool, DataError> {
    let parts: Vec<_> =
        entries(folder)?.into_iter().map(|(name, path)| Part::named(&name).filter(|_| path.is_dir())).collect();
    let trained = parts.iter().filter(|part| **part == Some(Part::Training)).count();
    Ok(trained == 1 && parts.len() > 1 && parts.iter().all(Option::is_some))
}

/// Changes the classes of `found`, which are indices of `names`, to indices of `known`.
pub(super) fn relabel(folder: &Path, names: &[String], known: &[String], found: &mut [Found]) -> Result<(), DataError> {
    let label = |class: &String| {
        known.iter().position(|own| own == class).ok_or_else(|| DataError::UnknownClass {
            folder: folder.display().to_string(),
            class: class.clone(),
            known: known.to_vec(),
        })
    };
    let labels = names.iter().map(label).collect::<Result<Vec<_>, _>>()?;
    for found in found {
        if let FoundTruth::Class(class) = &mut found.truth {
            *class = labels[*class];
        }
    }
    Ok(())
}

/// The names of the subfolders that contain files, and these files.
pub(super) fn classes(folder: &Path) -> Result<(Vec<String>, Vec<Found>), DataError> {
    let mut names = Vec::new();
    let mut found = Vec::new();
    let entries = entries(folder)?;
    for (name, path) in entries.iter().filter(|(_, path)| path.is_dir()) {
        let mut files = Vec::new();
        gather(path, &mut files)?;
        if !files.is_empty() {
            let truth = |path| Found { path, truth: FoundTruth::Class(names.len()), part: Part::Training };
            found.extend(files.into_iter().map(truth));
            names.push(name.clone());
        }
    }
    if names.is_empty() {
        let folders = entries.values().filter(|path| path.is_dir()).count();
        let files = entries.len() - folders;
        return Err(DataError::NoClasses { folder: folder.display().to_string(), files, folders });
    }
    Ok((names, found))
}

/// Collects all files in a folder and its subfolders, in alphabetical order.
pub(in crate::data) fn gather(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for path in entries(folder)?.into_values() {
        // Links to folders aren't followed, since they may form a cycle.
        if !path.is_dir() {
            found.push(path);
        } else if !path.is_symlink() {
            gather(&path, found)?;
        }
    }
    Ok(())
}

/// The entries of a folder by name, without those whose names begin with a dot.
fn entries(folder: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let failed = |cause| DataError::Io { file: folder.display().to_string(), cause };
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.insert(name, path);
        }
    }
    Ok(entries)
}
