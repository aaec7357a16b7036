//! The command line.

use clap::{Parser, Subcommand};

use crate::program::commands::certify::CertifyArgs;
use crate::program::commands::completions::CompletionsArgs;
use crate::program::commands::demo::DemoArgs;
use crate::program::commands::evaluate::EvaluateArgs;
use crate::program::commands::explain::ExplainArgs;
use crate::program::commands::export::ExportArgs;
use crate::program::commands::inspect::InspectArgs;
use crate::program::commands::look::LookArgs;
use crate::program::commands::man::ManArgs;
use crate::program::commands::merge::MergeArgs;
#[cfg(feature = "pretrained")]
use crate::program::commands::page::PageArgs;
use crate::program::commands::sweep::SweepArgs;
use crate::program::commands::train::TrainArgs;
use crate::program::commands::verify::VerifyArgs;
use crate::program::terminal::values::threads;

/// Train small convolutional networks and see why they decide.
///
/// Without a command, `glassbox demo` runs: it trains a network on garments hidden among clutter, explains its
/// decisions with four methods, scores the explanations against the garments' true boxes, and draws pictures.
#[derive(Debug, Parser)]
#[command(
    name = "glassbox",
    version,
    max_term_width = 100,
    after_long_help = "Try, in this order:\n  \
        glassbox explain photo.jpg                           explain a photograph with the built-in network\n  \
        glassbox                                             train, explain and write to glassbox-out/\n  \
        glassbox inspect glassbox-out/model.safetensors      show the network as a table\n  \
        glassbox explain glassbox-out/inputs/*.png --model glassbox-out/model.safetensors\n\n\
        Results go to standard output, progress and errors to standard error. Exit codes: 0 success; 1 failure, with a \
        line on the cause; 2 wrong usage; 130 stopped by Ctrl-C. `verify` and `certify` use diff's exit codes: 1 if \
        something does not hold, 2 if the check itself failed.\n\
        Results are the same for any number of threads. These environment variables change how results are rounded:\n  \
        GLASSBOX_SIMD=portable|neon|avx2|avx512  the instruction set; default: the fastest that the processor supports\n  \
        GLASSBOX_WINOGRAD=off               3×3 convolutions without Winograd's algorithm: slower, but more accurate"
)]
pub(crate) struct Cli {
    /// Number of threads [default: one per core]
    #[arg(short = 'j', long, global = true, value_name = "N", value_parser = threads, display_order = 1000)]
    pub(crate) threads: Option<usize>,

    /// Hide progress; results, warnings and errors are still printed
    #[arg(short, long, global = true, display_order = 1001)]
    pub(crate) quiet: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Train(TrainArgs),
    Explain(ExplainArgs),
    Look(LookArgs),
    Evaluate(EvaluateArgs),
    Merge(MergeArgs),
    Sweep(SweepArgs),
    Verify(VerifyArgs),
    Certify(CertifyArgs),
    Inspect(InspectArgs),
    Export(ExportArgs),
    #[cfg(feature = "pretrained")]
    Page(PageArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Command {
    /// Whether the processes that a launcher has started share the command.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Train(_) => true,
            Self::Sweep(args) => args.is_shared(),
            Self::Evaluate(args) => args.shard.is_none(),
            Self::Explain(args) => args.shard.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// A short flag has the same meaning in all commands. The test above finds two options with the same letter.
    #[test]
    fn short_flags_mean_the_same_everywhere() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            for option in command.get_arguments().filter(|argument| !argument.is_positional()) {
                let expected = match option.get_long() {
                    Some("method") => Some('m'),
                    Some("out") => Some('o'),
                    Some("layer") => Some('l'),
                    Some("target") => Some('t'),
                    Some("limit") => Some('n'),
                    Some("threads") => Some('j'),
                    Some("quiet") => Some('q'),
                    Some("help") => Some('h'),
                    Some("version") => Some('V'),
                    _ => None,
                };
                assert_eq!(option.get_short(), expected, "{name} {option}");
            }
        }
    }

    /// Every command of the README, after `glassbox` or `cargo run --release --`.
    #[test]
    fn the_commands_of_the_readme_are_understood() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
        let text = std::fs::read_to_string(readme).unwrap().replace("\\\n", " ");
        let fenced = text.split("```sh\n").skip(1).flat_map(|block| block.split("```").next().unwrap().lines());
        let mut count = 0;
        for line in fenced {
            let Some(rest) = line.strip_prefix("glassbox ").or(line.strip_prefix("cargo run --release -- ")) else {
                continue;
            };
            let words = rest.split('"').enumerate().flat_map(|(number, part)| match number % 2 {
                0 => part.split_whitespace().collect::<Vec<_>>(),
                _ => vec![part],
            });
            Cli::try_parse_from(std::iter::once("glassbox").chain(words))
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            count += 1;
        }
        assert!(count >= 8, "{count} commands");
    }

    #[test]
    fn the_demo_runs_without_arguments() {
        let args = DemoArgs::parse_from(["glassbox"]);
        assert_eq!((args.seed, args.out), (0, std::path::PathBuf::from("glassbox-out")));
    }
}
