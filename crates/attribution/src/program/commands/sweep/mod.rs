//! `glassbox sweep`: a training for each combination of some settings' values, and which combination is best.

mod arguments;
mod grid;
mod table;

use std::path::Path;

use nn::train::Ranks;

pub(crate) use arguments::SweepArgs;
use grid::{Grid, Training};
use table::Row;

use crate::program::commands::train;
use crate::program::files::folder;
use crate::program::terminal::{Failure, Stopped, complain, interrupt, say, words};
use crate::program::training::config::Config;

/// The file with a line for each training.
const CSV: &str = "sweep.csv";

/// Lists the trainings, or runs all that aren't finished, or one of them; then tabulates those that are.
pub(crate) fn run(args: &SweepArgs, ranks: &dyn Ranks) -> Result<(), Failure> {
    let base = match &args.config {
        Some(path) => Config::open(path)?,
        None => Config::default(),
    };
    let grid = Grid::new(&args.over, &base, &args.out)?;
    if args.list {
        grid.trainings.iter().zip(1..).for_each(|(training, number)| say!("{number}  {}", training.name));
        return Ok(());
    }
    let count = grid.trainings.len();
    let own = match args.task {
        Some(task) if task.of != count => {
            return Err(format!("--task: {task}, though the sweep has {}", words::count(count, "training")).into());
        }
        Some(task) => task.number - 1..task.number,
        None => 0..count,
    };
    let of_rank = |index: &usize| args.task.is_some() || index % ranks.count() == ranks.rank();
    let mut stopped = false;
    for index in own.filter(of_rank) {
        let training = &grid.trainings[index];
        say!("\nTraining {} of {count}: {}", index + 1, training.name);
        match run_one(&training.config) {
            Ok(()) => {}
            Err(failure) if failure.is::<Stopped>() => stopped = true,
            Err(failure) if args.task.is_some() => return Err(failure),
            // One that diverges leaves the others as good as they are.
            Err(failure) => complain!("glassbox: {}: {failure}", training.name),
        }
        if stopped {
            break;
        }
    }
    // A rank that was stopped doesn't leave the others waiting.
    let mut all = vec![0; ranks.count()];
    ranks.all_gather(&[stopped.into()], &mut all, &vec![1; ranks.count()])?;
    if all.contains(&1) {
        return Err(Stopped("stopped; everything is saved; the same command goes on".into()).into());
    }
    if args.task.is_some() || ranks.rank() > 0 { Ok(()) } else { tabulate(&grid, &args.out) }
}

/// Runs or resumes a training, unless it has finished.
fn run_one(config: &Config) -> Result<(), Failure> {
    let out = &config.output.folder;
    let settings = out.join(train::RUN);
    let begun = settings.exists();
    let found = begun.then(|| Config::open(&settings)).transpose()?.map(|mut found| {
        // The folder may have been moved.
        found.output.folder.clone_from(out);
        found
    });
    if found.is_some_and(|found| found != *config) {
        return Err(format!("{}: other settings than the sweep's; choose another --out", settings.display()).into());
    }
    if interrupt::asked() {
        return Err(Stopped("stopped; the same command goes on".into()).into());
    }
    match out.join(train::MODEL).exists() {
        true => {
            say!("It is in {} already", out.display());
            Ok(())
        }
        false => train::run_with(config.clone(), begun),
    }
}

/// Prints and writes what came of the trainings that are finished.
fn tabulate(grid: &Grid, out: &Path) -> Result<(), Failure> {
    let is_finished = |training: &&Training| training.config.output.folder.join(train::MODEL).exists();
    let (finished, others): (Vec<_>, Vec<_>) = grid.trainings.iter().partition(is_finished);
    let rows = finished.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    if !rows.is_empty() {
        folder::write(&out.join(CSV), &table::csv(&grid.keys, &rows))?;
        say!("");
        table::lines(&grid.keys, &rows).iter().for_each(|line| say!("{line}"));
        say!("Each training is in {}; {} has a line for each", out.display(), out.join(CSV).display());
    }
    match &others[..] {
        [] => Ok(()),
        others => {
            let names: Vec<&str> = others.iter().map(|training| &*training.name).collect();
            Err(format!("{} isn't finished: {}", words::count(others.len(), "training"), names.join("; ")).into())
        }
    }
}
