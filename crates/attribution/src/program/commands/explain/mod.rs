//! `glassbox explain`.

mod arguments;
mod boxes;
mod explainer;
mod folders;
mod kept;
mod outcome;
mod pictures;
mod sharded;

use nn::train::Ranks;
use serde_json::json;

pub(crate) use arguments::ExplainArgs;

use crate::program::files::inputs::Input;
use crate::program::files::{folder, inputs};
use crate::program::report;
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, interrupt, say};
use explainer::Explainer;
use folders::Folders;
use kept::Kept;
use pictures::Pictures;

/// Explains pictures: all of them, a part of them, or a part on each rank.
pub(crate) fn run(args: &ExplainArgs, ranks: &dyn Ranks) -> Result<(), Failure> {
    prepared(args, |explainer, inputs| match args.shard {
        Some(shard) => sharded::explain(&explainer, inputs, shard),
        None if ranks.count() > 1 => sharded::among(explainer, inputs, ranks),
        None => all(explainer, inputs),
    })
}

/// Puts the parts in this folder together.
pub(crate) fn merge(args: &ExplainArgs) -> Result<(), Failure> {
    prepared(args, sharded::merge)
}

fn prepared(
    args: &ExplainArgs,
    act: impl FnOnce(Explainer<'_>, &[Input]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut inputs = inputs::collect(&args.images)?;
    inputs.truncate(args.limit.unwrap_or(usize::MAX));
    let model = args.network.open_to_ask(&inputs[0].path, &args.target)?;
    act(Explainer::new(args, &model)?, &inputs)
}

/// Explains all pictures. All arguments are checked before anything is written.
fn all(mut explainer: Explainer<'_>, inputs: &[Input]) -> Result<(), Failure> {
    let pictures = Pictures::open(&explainer, inputs)?;
    let out = &explainer.args.out;
    folder::prepare(out)?;
    report::refuse_another(out, "explain")?;
    if explainer.args.shared_scale {
        explainer.scales = Some(explainer.shared_scales(inputs, pictures.opened())?);
    }
    interrupt::listen()?;
    let mut written = Written::new(explainer, inputs);
    for (input, opened) in pictures.each() {
        let Written { explainer, page, folders, .. } = &written;
        let answered = pictures::answer(explainer, input, opened, page, &folders.bar);
        if answered.is_err() && interrupt::asked() {
            break;
        }
        written.add(input, answered)?;
        if interrupt::asked() {
            break;
        }
    }
    written.finish(inputs.len())
}

/// The report and the summaries so far.
struct Written<'a> {
    explainer: Explainer<'a>,
    page: report::Page,
    folders: Folders,
    done: usize,
}

impl<'a> Written<'a> {
    fn new(explainer: Explainer<'a>, inputs: &[Input]) -> Self {
        Self { page: explainer.report(inputs.len()), explainer, folders: Folders::new(inputs), done: 0 }
    }

    /// Adds a picture; one that can't be explained is named at the end, if others are to be explained nevertheless.
    fn add(&mut self, input: &Input, answered: Result<Kept, Failure>) -> Result<(), Failure> {
        match answered {
            Ok(kept) => {
                let row = self.explainer.show(kept, &mut self.page)?;
                if input.found {
                    self.folders.add(row, &self.explainer)?;
                }
            }
            Err(failure) if pictures::goes_on(&self.explainer, input) => self.folders.failed(&input.path, &failure),
            Err(failure) => return Err(failure),
        }
        self.done += 1;
        Ok(())
    }

    /// Writes the report of what was explained of `all` pictures.
    fn finish(self, all: usize) -> Result<(), Failure> {
        let Self { explainer, page, folders, done } = self;
        folders.bar.finish_and_clear();
        if !page.is_empty() {
            let report = page.write(&explainer.args.out)?;
            match explainer.outcomes {
                Some(ref pictures) => {
                    say!("{}", serde_json::to_string_pretty(&json!({ "report": report, "pictures": pictures }))?);
                }
                None => say!("The report: {}", report.display()),
            }
        }
        let finished = folders.finish(&explainer, done);
        if done < all {
            let (all, written) = (count(all, "picture"), explainer.args.out.display());
            return Err(format!("stopped after {done} of {all}; the results so far are in {written}").into());
        }
        finished.and_then(|()| match &explainer.refused[..] {
            [] => Ok(()),
            refused => {
                let methods = count(refused.len(), "method");
                Err(format!("{methods} can't explain this network: {}", refused.join(", ")).into())
            }
        })
    }
}
