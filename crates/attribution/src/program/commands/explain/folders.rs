//! Pictures in folders.

use std::path::Path;

use attribution::render::{Panel, save_png};
use image::RgbImage;
use image::imageops::thumbnail;
use indicatif::ProgressBar;

use super::explainer::Explainer;
use crate::program::commands::methods::Chosen;
use crate::program::files::inputs::Input;
use crate::program::report::sheet;
use crate::program::terminal::progress::bar;
use crate::program::terminal::{Failure, complain, say};

/// Number of pictures on a summary page, and the limit on their longer side.
const PAGE: usize = 20;
const SMALL: u32 = 200;

/// The progress over pictures in folders, the summary pages, and the pictures that couldn't be explained.
pub(super) struct Folders {
    pub(super) bar: ProgressBar,
    /// Rows of the next page.
    rows: Vec<Vec<Panel>>,
    pages: usize,
    failed: Vec<String>,
}

impl Folders {
    pub(super) fn new(inputs: &[Input]) -> Self {
        let found = inputs.iter().filter(|input| input.found).count();
        let bar = if found == 0 { ProgressBar::hidden() } else { bar("explaining", found) };
        Self { bar, rows: Vec::new(), pages: 0, failed: Vec::new() }
    }

    /// Adds a row of small pictures.
    pub(super) fn add(&mut self, row: Vec<Panel>, explainer: &Explainer<'_>) -> Result<(), Failure> {
        self.rows.push(row);
        self.bar.inc(1);
        if self.rows.len() == PAGE { self.write(explainer) } else { Ok(()) }
    }

    pub(super) fn failed(&mut self, path: &Path, failure: &Failure) {
        self.bar.suspend(|| complain!("glassbox: {failure}"));
        self.failed.push(path.display().to_string());
        self.bar.inc(1);
    }

    /// Writes the page with the rows so far.
    fn write(&mut self, explainer: &Explainer<'_>) -> Result<(), Failure> {
        self.pages += 1;
        let rows = std::mem::take(&mut self.rows);
        let page = sheet(format!("Summary, page {}", self.pages), explainer.methods.iter().map(Chosen::about));
        let page = rows.into_iter().fold(page, |page, row| page.row("", row));
        let file = explainer.args.out.join(format!("summary-{:02}.png", self.pages));
        save_png(&file, &page.draw())?;
        if explainer.outcomes.is_none() {
            self.bar.suspend(|| say!("{}", file.display()));
        }
        Ok(())
    }

    /// Writes the last page. Fails if some of `all` pictures couldn't be explained.
    pub(super) fn finish(mut self, explainer: &Explainer<'_>, all: usize) -> Result<(), Failure> {
        if !self.rows.is_empty() {
            self.write(explainer)?;
        }
        match &self.failed[..] {
            [] => Ok(()),
            failed => {
                Err(format!("{} of {all} pictures can't be explained: {}", failed.len(), failed.join(", ")).into())
            }
        }
    }
}

/// Reduces a picture so that its longer side fits on a summary page.
pub(super) fn small(picture: RgbImage) -> RgbImage {
    let longer = picture.width().max(picture.height());
    let reduced = |side: u32| (side * SMALL / longer).max(1);
    if longer > SMALL { thumbnail(&picture, reduced(picture.width()), reduced(picture.height())) } else { picture }
}
