//! `glassbox merge`.

use std::iter::once;
use std::path::PathBuf;

use clap::{Args, Parser};

use crate::program::cli::{Cli, Command};
use crate::program::commands::{evaluate, explain};
use crate::program::files::shards;
use crate::program::terminal::Failure;

/// Put the shards of an evaluation or of explanations together
///
/// Reads what `glassbox evaluate --shard` or `glassbox explain --shard` has written to a folder, in any order and on any
/// machine, and writes what the same command without `--shard` would, to the last byte. If a shard is missing, or comes from
/// other images, another network or other settings, the error names it. The network and the images are opened again, at the
/// paths that the shards were given.
#[derive(Args, Debug)]
#[command(after_long_help = "Example:\n  \
    for k in 1 2 3; do glassbox evaluate --shard $k/3 --out measured; done\n  \
    glassbox merge measured")]
pub(crate) struct MergeArgs {
    /// The output folder of the shards
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

/// Runs the shards' command without computing what they have.
pub(crate) fn run(args: MergeArgs) -> Result<(), Failure> {
    let words = shards::command(&args.out)?;
    match Cli::try_parse_from(once("glassbox".into()).chain(words)).map(|cli| cli.command) {
        Ok(Some(Command::Evaluate(command))) => evaluate::merge(&evaluate::EvaluateArgs { out: args.out, ..command }),
        Ok(Some(Command::Explain(command))) => explain::merge(&explain::ExplainArgs { out: args.out, ..command }),
        _ => Err(format!("{}: its shards are of an unknown command", args.out.display()).into()),
    }
}
