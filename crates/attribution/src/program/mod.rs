//! The program `glassbox`. It uses the library as any other program does; it is part of it so that the two compile while the
//! kernels do.

mod cli;
mod commands;
mod files;
mod report;
mod terminal;
mod training;
mod world;

use std::process::ExitCode;

use clap::Parser;
use nn::kernels::use_winograd;
use nn::train::{Alone, Ranks};
use tensor::simd::{Tier, use_tier};

use cli::{Cli, Command};
use commands::demo::DemoArgs;
use commands::{
    certify, completions, demo, evaluate, explain, export, inspect, look, man, merge, sweep, train, verify,
};
use terminal::{Failure, Refuted, Stopped, complain, interrupt, print, progress};

/// Runs the command on the command line, and returns the exit code.
pub fn main() -> ExitCode {
    let Cli { threads, quiet, command } = Cli::parse();
    if quiet {
        progress::silence();
    }
    let command = command.unwrap_or_else(|| Command::Demo(DemoArgs::parse_from(["glassbox"])));
    let checks = matches!(command, Command::Verify(_) | Command::Certify(_));
    let ranks = if command.is_shared() { world::join() } else { Ok(Box::new(Alone) as Box<dyn Ranks>) };
    let failed = |failure: &Failure| {
        // Errors of libraries and of the system may have several lines.
        let line = failure.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(ranks) = ranks.as_ref().ok().filter(|ranks| ranks.count() > 1 && !failure.is::<Stopped>()) {
            ranks.abort(&line);
        }
        complain!("glassbox: {line}");
        ExitCode::from(exit_code(failure, checks))
    };
    match &ranks {
        Ok(ranks) => {
            if ranks.rank() > 0 {
                hush();
            }
            run(threads, command, &**ranks).map_or_else(|failure| failed(&failure), |()| ExitCode::SUCCESS)
        }
        Err(failure) => {
            if !world::speaks() {
                hush();
            }
            failed(failure)
        }
    }
}

/// From now on, this process says nothing, since another one does.
fn hush() {
    progress::silence();
    print::silence();
}

/// The exit code; for commands that check something, that of `diff`: 1 if something does not hold, 2 if the check
/// itself failed.
fn exit_code(failure: &Failure, checks: bool) -> u8 {
    if interrupt::asked() || failure.is::<Stopped>() {
        interrupt::EXIT_CODE
    } else if checks && !failure.is::<Refuted>() {
        2
    } else {
        1
    }
}

fn run(threads: Option<usize>, command: Command, ranks: &dyn Ranks) -> Result<(), Failure> {
    choose_tier()?;
    choose_winograd()?;
    rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build_global()?;
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Train(args) => train::run(&args, ranks),
        Command::Explain(args) => explain::run(&args, ranks),
        Command::Look(args) => look::run(&args),
        Command::Evaluate(args) => evaluate::run(&args, ranks),
        Command::Merge(args) => merge::run(args),
        Command::Sweep(args) => sweep::run(&args, ranks),
        Command::Verify(args) => verify::run(args),
        Command::Certify(args) => certify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Export(args) => export::run(&args),
        #[cfg(feature = "pretrained")]
        Command::Page(args) => commands::page::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Selects the instruction set in the environment variable `GLASSBOX_SIMD` for all kernels.
fn choose_tier() -> Result<(), Failure> {
    let Some(name) = std::env::var_os("GLASSBOX_SIMD") else { return Ok(()) };
    let tier: Tier = name.to_string_lossy().parse().map_err(|error| format!("GLASSBOX_SIMD: {error}"))?;
    use_tier(tier).map_err(|error| format!("GLASSBOX_SIMD={tier}: {error}"))?;
    Ok(())
}

/// Disables Winograd's algorithm if the environment variable `GLASSBOX_WINOGRAD` is `off`.
fn choose_winograd() -> Result<(), Failure> {
    let Some(value) = std::env::var_os("GLASSBOX_WINOGRAD") else { return Ok(()) };
    let wanted = match value.to_str() {
        Some("on") => true,
        Some("off") => false,
        _ => Err(format!("GLASSBOX_WINOGRAD: expected on or off, found {value:?}"))?,
    };
    Ok(use_winograd(wanted)?)
}
