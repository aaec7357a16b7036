//! Explanations in parts.

use nn::train::Ranks;
use serde::{Deserialize, Serialize};

use super::explainer::Explainer;
use super::folders::Folders;
use super::kept::Kept;
use super::pictures::{Pictures, answer, goes_on};
use super::{Input, Written};
use crate::program::files::folder;
use crate::program::files::shards::{self, Facts, Shard};
use crate::program::report;
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, Stopped, interrupt, say};

/// A picture's entry in a shard's file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Explained(Box<Kept>),
    /// Why it can't be explained.
    Failed(String),
}

/// The facts that all parts share.
fn facts(explainer: &Explainer<'_>, inputs: &[Input]) -> Facts {
    let pictures: Vec<String> = inputs.iter().map(|input| input.path.display().to_string()).collect();
    let (settings, pictures) = (explainer.args.settings(), pictures.join("\n"));
    Facts::new([
        ("network", explainer.sha256.as_bytes()),
        ("settings", settings.as_bytes()),
        ("pictures", pictures.as_bytes()),
    ])
}

/// Explains one part and writes what the report needs of it, unless it is there already.
pub(super) fn explain(explainer: &Explainer<'_>, inputs: &[Input], shard: Shard) -> Result<(), Failure> {
    let (out, facts) = (&explainer.args.out, facts(explainer, inputs));
    let own = &inputs[shard.range(inputs.len())];
    let pictures = Pictures::open(explainer, own)?;
    folder::prepare(out)?;
    report::refuse_another(out, "explain")?;
    if shards::begin(out, shard, &facts)? {
        say!("Shard {shard} is in {} already", out.display());
        return Ok(());
    }
    interrupt::listen()?;
    let (page, mut folders, mut parts) = (explainer.report(inputs.len()), Folders::new(own), Vec::new());
    for (input, opened) in pictures.each() {
        let answered = answer(explainer, input, opened, &page, &folders.bar);
        if interrupt::asked() {
            folders.bar.finish_and_clear();
            let (done, all) = (parts.len(), count(own.len(), "picture"));
            return Err(Stopped(format!("stopped after {done} of {all} of shard {shard}; it isn't written")).into());
        }
        parts.push(match answered {
            Ok(kept) => Part::Explained(Box::new(kept)),
            Err(failure) if goes_on(explainer, input) => {
                folders.failed(&input.path, &failure);
                Part::Failed(failure.to_string())
            }
            Err(failure) => return Err(failure),
        });
    }
    folders.bar.finish_and_clear();
    let file = shards::write(out, shard, &facts, &parts)?;
    let pictures = count(own.len(), "picture");
    say!("Shard {shard}, {pictures}: {}; `glassbox merge {}` puts all together", file.display(), out.display());
    Ok(())
}

/// Explains the part of each rank. The first puts them together.
pub(super) fn among(explainer: Explainer<'_>, inputs: &[Input], ranks: &dyn Ranks) -> Result<(), Failure> {
    if explainer.args.shared_scale {
        return Err("--shared-scale looks at all pictures: run it without other ranks".into());
    }
    shards::on_each_rank(ranks, |shard| explain(&explainer, inputs, shard))?;
    if ranks.rank() == 0 { merge(explainer, inputs) } else { Ok(()) }
}

/// Writes the report and the summaries of all parts.
pub(super) fn merge(explainer: Explainer<'_>, inputs: &[Input]) -> Result<(), Failure> {
    let out = &explainer.args.out;
    report::refuse_another(out, "explain")?;
    let parts = shards::gather::<Vec<Part>>(out, &facts(&explainer, inputs))?;
    let mut written = Written::new(explainer, inputs);
    for (file, shard, parts) in parts {
        let own = &inputs[shard.range(inputs.len())];
        if parts.len() != own.len() {
            return Err(format!("{}: damaged; remove it and explain it again", file.display()).into());
        }
        for (input, part) in own.iter().zip(parts) {
            written.add(
                input,
                match part {
                    Part::Explained(kept) => Ok(*kept),
                    Part::Failed(failure) => Err(failure.into()),
                },
            )?;
        }
    }
    written.finish(inputs.len())
}
