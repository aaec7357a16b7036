//! `glassbox man`.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use nn::files::write_whole;

use crate::program::cli::Cli;
use crate::program::terminal::Failure;
use crate::program::terminal::say;
use crate::program::terminal::words::count;

/// Write the manual pages: one for the program and one for each command
///
/// The pages are glassbox.1, glassbox-explain.1 and so on.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    glassbox man ~/.local/share/man/man1                 then: man glassbox-explain")]
pub(crate) struct ManArgs {
    /// Output folder; created if missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Renders all pages, then writes each atomically.
pub(crate) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let commands: Vec<Command> = std::iter::once(&cli).chain(cli.get_subcommands()).cloned().collect();
    let mut pages = Vec::new();
    for command in commands {
        let (man, mut page) = (Man::new(command), Vec::new());
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    let unwritable =
        |error| format!("{}: can't be written to: {error}; name another folder for DIR", args.folder.display());
    fs::create_dir_all(&args.folder).map_err(unwritable)?;
    for (file, page) in &pages {
        write_whole(&args.folder.join(file), page).map_err(unwritable)?;
    }
    say!("{} in {}", count(pages.len(), "page"), args.folder.display());
    Ok(())
}
