//! The command line of `glassbox sweep`.

use std::path::PathBuf;

use clap::Args;

use super::grid::Over;
use crate::program::files::shards::Shard;

/// Train with several values of some settings, and compare
///
/// Runs a training for each combination of the values, each in a folder of its own. Tabulates the validation score of the
/// best epoch: the mean over the seeds, with a 95 % interval, for each combination of the other settings.
/// The same command continues an interrupted sweep: it skips the trainings that have finished and resumes the others.
///
/// On a cluster, run one job for each training (`sbatch --array`) with `--task slurm`, then the same command without it
/// for the table. A program built with MPI can share the trainings among processes instead: `mpirun -n 8 glassbox
/// sweep …`.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  \
    glassbox sweep --over training.learning_rate=0.05,0.1,0.2 --over training.seed=0..5\n  \
    glassbox sweep --config run.toml --over training.optimizer=sgd,adamw --list\n  \
    glassbox sweep --config run.toml --over training.seed=0..8 --task 3/8    the third of eight")]
pub(crate) struct SweepArgs {
    /// File of settings (TOML) that all trainings share
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// A setting, and its values, separated by commas; FROM..TO stands for whole numbers from FROM to TO − 1. Repeat for
    /// several settings
    #[arg(long, value_name = "SETTING=VALUE,…", required = true)]
    pub(super) over: Vec<Over>,

    /// List the trainings with their numbers, and exit
    #[arg(long)]
    pub(super) list: bool,

    /// Run only the K-th of the N trainings, without the table: `K/N`, or `slurm` in a task of a Slurm array
    #[arg(long, value_name = "K/N|slurm", conflicts_with = "list")]
    pub(super) task: Option<Shard>,

    /// Output folder, with a subfolder for each training and the table; created if missing
    #[arg(short, long, value_name = "DIR", default_value = "glassbox-sweep")]
    pub(super) out: PathBuf,
}

impl SweepArgs {
    /// Whether ranks share the trainings.
    pub(crate) fn is_shared(&self) -> bool {
        self.task.is_none() && !self.list
    }
}
