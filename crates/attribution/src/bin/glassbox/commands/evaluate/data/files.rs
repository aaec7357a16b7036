//! The pictures of a folder or a list, with their classes.

use std::fs;
use std::path::{Path, PathBuf};

use csv::ReaderBuilder;
use nn::Model;

use super::pictures::Listed;
use crate::files::folder::{entries, files};
use crate::terminal::{Failure, complain};

/// Folders of the parts of a dataset; an evaluation takes the first that is there.
const TEST: [&str; 4] = ["test", "val", "valid", "validation"];
/// Folders of the other parts.
const TRAINING: [&str; 2] = ["train", "training"];

/// The files in a folder for each class, sorted by class and name. Of a folder that is divided into parts for training and
/// test, those for the test.
pub(super) fn in_folder(folder: &Path, model: &Model) -> Result<Vec<Listed>, Failure> {
    let folders: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    let named =
        |name: &str| folders.iter().find(|path| path.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name)));
    let parts = TEST.iter().chain(&TRAINING).filter(|name| named(name).is_some()).count();
    if parts > 0 && parts == folders.len() {
        let Some(part) = TEST.iter().find_map(|name| named(name)) else {
            let folder = folder.display();
            return Err(format!(
                "{folder}: expected a part to evaluate ({}), found one for training alone",
                TEST.join(", ")
            )
            .into());
        };
        complain!("{}: evaluating {}", folder.display(), part.display());
        return in_classes(part, model);
    }
    in_classes(folder, model)
}

fn in_classes(folder: &Path, model: &Model) -> Result<Vec<Listed>, Failure> {
    let mut listed = Vec::new();
    for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = class.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let label = model.class_index(&name).map_err(|error| {
            format!("{}: expected a folder for each class, named like it: {error}", class.display())
        })?;
        let files = files(&class)?.into_iter();
        listed.extend(files.map(|path| Listed {
            name: path.strip_prefix(folder).unwrap_or(&path).to_owned(),
            path,
            label,
        }));
    }
    match listed.len() {
        0 => {
            Err(format!("{}: expected a folder for each class with pictures in it, found none", folder.display())
                .into())
        }
        _ => Ok(listed),
    }
}

/// The files of a list with the header `file,label`; paths are relative to its folder.
pub(super) fn in_csv(file: &Path, model: &Model) -> Result<Vec<Listed>, Failure> {
    let name = file.display();
    let failed = |error: csv::Error| format!("{name}: {error}");
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: can't be read: {error}"))?;
    // The reader takes a line that ends in two characters for the line before. A byte-order mark is none of its cells.
    let text = text.trim_start_matches('\u{FEFF}').replace("\r\n", "\n");
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().map_err(failed)?.iter().map(String::from).collect();
    let column = |title: &str| header.iter().position(|found| found == title);
    let (Some(path), Some(label), 2) = (column("file"), column("label"), header.len()) else {
        return Err(format!("{name}, line 1: expected the header file,label, found {}", header.join(",")).into());
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut listed = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<&str> = record.iter().collect();
        let cells = match cells[..] {
            [a, b] if !a.is_empty() && !b.is_empty() => [a, b],
            _ => {
                return Err(
                    format!("{name}, line {line}: expected a file and a label, found {:?}", cells.join(",")).into()
                );
            }
        };
        let label = model.class_index(cells[label]).map_err(|error| format!("{name}, line {line}: {error}"))?;
        let (own, path) = (PathBuf::from(cells[path]), folder.join(cells[path]));
        if !path.is_file() {
            return Err(format!("{name}, line {line}: expected a file, found none at {}", path.display()).into());
        }
        listed.push(Listed { path, name: own, label });
    }
    match listed.len() {
        0 => Err(format!("{name}: expected a line for each picture, found the header alone").into()),
        _ => Ok(listed),
    }
}
