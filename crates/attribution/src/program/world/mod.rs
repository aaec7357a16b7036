//! The ranks among which a command is shared: the processes that `mpirun` or `srun` has started.

#[cfg(feature = "mpi")]
mod mpi;

use std::env;

use nn::train::{Alone, Ranks};

use crate::program::terminal::Failure;

/// Variables in which launchers say how many processes they have started, and which of them this one is: those of Open MPI,
/// of MPICH and its kin, of MVAPICH, and of Slurm.
const LAUNCHERS: [[&str; 2]; 4] = [
    ["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"],
    ["PMI_SIZE", "PMI_RANK"],
    ["MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"],
    ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID"],
];

/// The number of processes that a launcher has started, and this one's, if there is a launcher.
fn launched() -> Option<[usize; 2]> {
    let number = |name| env::var(name).ok()?.parse().ok();
    LAUNCHERS.into_iter().find_map(|[count, rank]| Some([number(count)?, number(rank)?]))
}

/// Joins the other processes of this program, if a launcher has started several.
pub(crate) fn join() -> Result<Box<dyn Ranks>, Failure> {
    let Some([started, _]) = launched() else { return Ok(Box::new(Alone)) };
    #[cfg(feature = "mpi")]
    let (ranks, reason): (Box<dyn Ranks>, _) = (
        Box::new(mpi::Processes::join()?),
        "the `mpirun` belongs to another MPI library than the one that this program was built with",
    );
    #[cfg(not(feature = "mpi"))]
    let (ranks, reason): (Box<dyn Ranks>, _) =
        (Box::new(Alone), "this program was built without MPI; build it with `--features mpi`");
    match ranks.count() {
        // Without a check, each would do everything, and write to the same folder.
        found if found < started => {
            Err(format!("{started} processes were started, but each would find only {found}: {reason}").into())
        }
        _ => Ok(ranks),
    }
}

/// Whether this process is to speak to the user, for all.
pub(crate) fn speaks() -> bool {
    launched().is_none_or(|[_, rank]| rank == 0)
}
