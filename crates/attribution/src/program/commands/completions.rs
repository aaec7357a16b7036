//! `glassbox completions`.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::program::cli::Cli;
use crate::program::terminal::Failure;
use crate::program::terminal::say;

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    glassbox completions bash > ~/.local/share/bash-completion/completions/glassbox\n  \
    glassbox completions fish > ~/.config/fish/completions/glassbox.fish\n  \
    glassbox completions zsh > ~/.zfunc/_glassbox        with ~/.zfunc in $fpath")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "glassbox", &mut script);
    say!("{}", String::from_utf8(script)?.trim_end());
    Ok(())
}
