//! The pictures that are explained, one after the other. Those in folders are opened one at a time, so memory doesn't limit
//! their number, and a file that isn't a picture doesn't stop the others.

use indicatif::ProgressBar;

use super::explainer::Explainer;
use super::kept::Kept;
use crate::program::files::inputs::{self, Input};
use crate::program::files::picture::Picture;
use crate::program::report::Page;
use crate::program::terminal::Failure;

/// Pictures. Those that must be readable are opened.
pub(super) struct Pictures<'a> {
    inputs: &'a [Input],
    opened: Vec<Option<Picture>>,
}

/// Whether the others are explained if this one can't be.
pub(super) fn goes_on(explainer: &Explainer<'_>, input: &Input) -> bool {
    input.found || explainer.args.skip_unreadable
}

impl<'a> Pictures<'a> {
    pub(super) fn open(explainer: &Explainer<'_>, inputs: &'a [Input]) -> Result<Self, Failure> {
        let open = |input: &Input| match goes_on(explainer, input) {
            true => Ok(None),
            false => Picture::open(&input.path, explainer.model).map(Some),
        };
        let opened = inputs.iter().map(open).collect::<Result<_, _>>().map_err(inputs::or_skipped)?;
        Ok(Self { inputs, opened })
    }

    /// The pictures that are opened.
    pub(super) fn opened(&self) -> &[Option<Picture>] {
        &self.opened
    }

    /// Each, with the picture if it is opened.
    pub(super) fn each(self) -> impl Iterator<Item = (&'a Input, Option<Picture>)> {
        self.inputs.iter().zip(self.opened)
    }
}

/// Explains a picture, while the bar makes room.
pub(super) fn answer(
    explainer: &Explainer<'_>,
    input: &Input,
    opened: Option<Picture>,
    page: &Page,
    bar: &ProgressBar,
) -> Result<Kept, Failure> {
    let picture = opened.map_or_else(|| Picture::open(&input.path, explainer.model), Ok)?;
    bar.suspend(|| explainer.answer(input, &picture, page))
}
