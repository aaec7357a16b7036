//! The pictures of a folder or a list, with their classes.

use std::path::{Path, PathBuf};

use nn::data::LabelTable;
use nn::{Model, Task};

use super::pictures::Listed;
use crate::program::files::folder::{entries, files};
use crate::program::terminal::{Failure, complain};

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

/// The files of a list with a column of classes; paths are relative to its folder.
pub(super) fn in_csv(file: &Path, model: &Model) -> Result<Vec<Listed>, Failure> {
    let table = LabelTable::open(file, Some(Task::Classes))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let listed = table.rows().iter().map(|row| {
        let class = &table.names()[row.class.expect("a table of classes")];
        let label =
            model.class_index(class).map_err(|error| format!("{}, line {}: {error}", file.display(), row.line))?;
        Ok(Listed { name: row.file.strip_prefix(folder).unwrap_or(&row.file).into(), path: row.file.clone(), label })
    });
    listed.collect()
}
