//! The pictures that were found in folders.

use std::path::Path;

use attribution::render::{Panel, save_png};
use image::RgbImage;
use image::imageops::thumbnail;
use indicatif::ProgressBar;

use super::question::Question;
use crate::commands::methods::Chosen;
use crate::files::inputs::Input;
use crate::report::sheet;
use crate::terminal::progress::bar;
use crate::terminal::{Failure, complain, say};

/// Pictures on a page of the summary, and the longer side of each there.
const PAGE: usize = 20;
const SMALL: u32 = 200;

/// The pictures that were found in folders: progress, pages of a summary, and what couldn't be explained.
pub(super) struct Folders {
    pub(super) bar: ProgressBar,
    /// Rows of the page to come.
    rows: Vec<Vec<Panel>>,
    pages: usize,
    explained: usize,
    failed: Vec<String>,
}

impl Folders {
    pub(super) fn new(inputs: &[Input]) -> Self {
        let found = inputs.iter().filter(|input| input.found).count();
        let bar = if found == 0 { ProgressBar::hidden() } else { bar("explaining", found) };
        Self { bar, rows: Vec::new(), pages: 0, explained: 0, failed: Vec::new() }
    }

    pub(super) fn add(&mut self, row: Vec<Panel>, question: &Question<'_>) -> Result<(), Failure> {
        self.rows.push(row.into_iter().map(|panel| panel.map(small)).collect());
        self.explained += 1;
        self.bar.inc(1);
        if self.rows.len() == PAGE { self.write(question) } else { Ok(()) }
    }

    pub(super) fn failed(&mut self, path: &Path, failure: &Failure) {
        self.bar.suspend(|| complain!("glassbox: {failure}"));
        self.failed.push(path.display().to_string());
        self.bar.inc(1);
    }

    /// Writes the page so far.
    fn write(&mut self, question: &Question<'_>) -> Result<(), Failure> {
        self.pages += 1;
        let rows = std::mem::take(&mut self.rows);
        let page = sheet(format!("Summary, page {}", self.pages), question.methods.iter().map(Chosen::about));
        let page = rows.into_iter().fold(page, |page, row| page.row("", row));
        let file = question.args.out.join(format!("summary-{:02}.png", self.pages));
        save_png(&file, &page.draw())?;
        if question.told.is_none() {
            self.bar.suspend(|| say!("{}", file.display()));
        }
        Ok(())
    }

    pub(super) fn finish(mut self, question: &Question<'_>) -> Result<(), Failure> {
        if !self.rows.is_empty() {
            self.write(question)?;
        }
        match &self.failed[..] {
            [] => Ok(()),
            failed => {
                let all = self.explained + failed.len();
                Err(format!("{} of {all} pictures can't be explained: {}", failed.len(), failed.join(", ")).into())
            }
        }
    }
}

/// The picture, no longer side longer than on a summary.
fn small(picture: RgbImage) -> RgbImage {
    let longer = picture.width().max(picture.height());
    let reduced = |side: u32| (side * SMALL / longer).max(1);
    if longer > SMALL { thumbnail(&picture, reduced(picture.width()), reduced(picture.height())) } else { picture }
}
