//! The report: a page, `index.html`, with the results of a command. The page is self-contained and makes no requests,
//! and its content security policy forbids any.

mod curve;
mod encode;
mod entry;
mod labelled;
mod sheet;
mod table;
mod tiles;
mod view;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use attribution::question::About;
use image::RgbImage;
use maud::Markup;
use nn::train::Confusion;

pub(crate) use curve::Curve;
pub(crate) use entry::{Choice, Entry, Explanation};
pub(crate) use labelled::Labelled;
pub(crate) use sheet::{panel, sheet};
pub(crate) use table::{Figure, Table};
pub(crate) use tiles::{Column, Row, Tile};

use crate::program::files::folder;
use crate::program::terminal::Failure;

/// The name of the file.
pub(crate) const PAGE: &str = "index.html";
/// Limit in bytes on the maps of all pictures, before base64. Together with the pictures, the page stays below 40 MB.
const MAPS: usize = 22_000_000;

/// Limit in bytes on the start of a page in which it names the command that wrote it.
const START: u64 = 1024;

/// A method on the page.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) about: &'static About,
}

/// A page under construction.
pub(crate) struct Page {
    /// The command that writes the page.
    command: &'static str,
    title: String,
    /// The facts at the top of the page.
    facts: Vec<(&'static str, String)>,
    gallery: Vec<Markup>,
    /// The data for the script, picture by picture.
    data: Vec<String>,
    methods: Vec<Shown>,
    /// Each section with its heading and its anchor.
    sections: Vec<(&'static str, &'static str, Markup)>,
    /// Limit in bytes on the maps of one picture.
    each: usize,
}

impl Page {
    /// A page of this command for this number of pictures.
    pub(crate) fn new(
        command: &'static str,
        title: impl Into<String>,
        facts: Vec<(&'static str, String)>,
        pictures: usize,
    ) -> Self {
        let (gallery, data, methods, sections) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { command, title: title.into(), facts, gallery, data, methods, sections, each: MAPS / pictures.max(1) }
    }

    /// Limit in bytes on the maps of one picture for one of `classes` classes.
    pub(crate) fn budget(&self, classes: usize) -> usize {
        self.each / classes.max(1)
    }

    /// The number of pictures so far.
    pub(crate) fn pictures(&self) -> usize {
        self.gallery.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gallery.is_empty() && self.sections.is_empty()
    }

    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        let (choice, methods) = entry.finish()?;
        self.push(choice, methods);
        Ok(())
    }

    /// Adds a picture with its maps and their verdicts.
    pub(crate) fn push(&mut self, choice: Choice, methods: impl IntoIterator<Item = Shown>) {
        self.gallery.push(view::choice(&choice, self.gallery.len()));
        self.data.push(choice.data);
        for method in methods {
            if self.methods.iter().all(|known| known.id != method.id) {
                self.methods.push(method);
            }
        }
    }

    /// Adds the training curves.
    pub(crate) fn training(&mut self, curves: &[Curve]) {
        if curves.iter().any(|curve| !curve.is_empty()) {
            self.sections.push(("Training", "training", view::side_by_side(curves.iter().map(Curve::markup))));
        }
    }

    /// Adds columns of pictures, each with its name, from left to right.
    pub(crate) fn film(&mut self, columns: &[(String, RgbImage)]) -> Result<(), Failure> {
        let columns = columns.iter().map(|(name, column)| Ok((name.as_str(), entry::url(column, false)?)));
        self.sections.push(("During training", "film", view::film(&columns.collect::<Result<Vec<_>, Failure>>()?)));
        Ok(())
    }

    /// Adds the pictures of each class that are explained worst, under a sentence about the class.
    pub(crate) fn worst(&mut self, classes: &[(String, Vec<(String, RgbImage)>)]) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for (caption, pictures) in classes {
            let pictures = pictures.iter().map(|(name, picture)| Ok((name.as_str(), entry::url(picture, false)?)));
            rows.push((caption.as_str(), pictures.collect::<Result<Vec<_>, Failure>>()?));
        }
        self.sections.push(("Object or background", "worst", view::worst(&rows)));
        Ok(())
    }

    /// Adds rows of small pictures, under a sentence on what they show.
    pub(crate) fn tiles(&mut self, heading: &'static str, anchor: &'static str, note: &str, rows: &[Row]) {
        if !rows.is_empty() {
            self.sections.push((heading, anchor, tiles::markup(note, rows)));
        }
    }

    /// Adds a table with the precision and recall of each class.
    pub(crate) fn classes(&mut self, table: &Table) {
        self.sections.push(("Classes", "classes", table.markup()));
    }

    /// Adds preformatted text.
    pub(crate) fn text(&mut self, heading: &'static str, anchor: &'static str, text: &str) {
        self.sections.push((heading, anchor, view::lines(heading, text)));
    }

    /// Adds tables of the quality of the explanations.
    pub(crate) fn measures(&mut self, tables: &[Table], notes: &[&str]) {
        let tables = view::all(tables.iter().map(Table::markup));
        self.sections.push(("Measures", "measures", view::with_notes(tables, notes)));
    }

    /// Adds the confusion matrix, unless it has too many classes to be legible.
    pub(crate) fn confusion(&mut self, confusion: &Confusion) {
        self.sections.extend(table::confusion(confusion).map(|markup| ("Confusion", "confusion", markup)));
    }

    /// Writes `index.html` into the folder, atomically.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let path = folder.join(PAGE);
        let page = view::page(self).into_string();
        folder::write(&path, &page)?;
        Ok(path)
    }
}

/// Refuses a folder whose `index.html` was written by another command, so that no report is overwritten.
///
/// # Errors
/// If there is such a page. The error names the file and the command that wrote it.
pub(crate) fn refuse_another(folder: &Path, command: &str) -> Result<(), Failure> {
    let (path, mut start) = (folder.join(PAGE), Vec::new());
    let read = File::open(&path).and_then(|file| file.take(START).read_to_end(&mut start));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|error| format!("{}: can't be read: {error}", path.display()))?,
    };
    let start = String::from_utf8_lossy(&start);
    let after = start.split_once("name=\"generator\" content=\"glassbox ").map(|(_, after)| after);
    let found = match after.and_then(|after| after.split_once('"')) {
        Some((writer, _)) if writer == command => return Ok(()),
        Some((writer, _)) => format!("one of `glassbox {writer}`"),
        None => "a page of unknown origin".into(),
    };
    let file = path.display();
    Err(format!(
        "{file}: expected a report of `glassbox {command}`, found {found}; choose another folder with --out, or remove it"
    )
    .into())
}

#[cfg(test)]
mod tests;
