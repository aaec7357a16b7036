//! Ranks that are processes and talk by MPI.

use std::io::{Write, stderr};
use std::thread;
use std::time::Duration;

use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::{Universe, initialize_with_threading};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use mpi::{Count, Threading};
use nn::train::{Ranks, RanksError};

use crate::program::terminal::Failure;

/// Limit in bytes on a message, whose length MPI has as an `int`.
const MESSAGE: usize = 1 << 30;
/// How long a rank other than the first waits before it reports a failure. If the first has failed for the same reason, its
/// report ends all ranks before that, which takes launchers up to a second.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The processes of this program that one `mpirun` or `srun` has started.
pub(super) struct Processes {
    world: SimpleCommunicator,
    /// MPI, until it is dropped.
    _universe: Universe,
}

impl Processes {
    /// Joins the others.
    pub(super) fn join() -> Result<Self, Failure> {
        // The main thread alone calls MPI, and others compute.
        let joined = initialize_with_threading(Threading::Funneled);
        let (universe, threading) = joined.ok_or("MPI: it has been started before")?;
        if threading < Threading::Funneled {
            return Err("MPI: this library doesn't support threads besides the main one".into());
        }
        let world = universe.world();
        let rank = world.rank();
        // Without this, a rank that panics would wait for the others while MPI shuts down, and they for it.
        std::panic::set_hook(Box::new(move |panic| end(rank as usize, &format!("a bug: {panic}"))));
        Ok(Self { world, _universe: universe })
    }
}

/// Reports the cause and ends all processes.
fn end(rank: usize, cause: &str) -> ! {
    if rank > 0 {
        thread::sleep(PATIENCE);
    }
    let line = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    // Though this process is otherwise silent.
    let _ = writeln!(stderr(), "glassbox: rank {rank}: {line}");
    SimpleCommunicator::world().abort(1)
}

/// The bytes, at an address of memory even if there are none: that of an empty `Vec` is 1, which in Open MPI stands for
/// `MPI_IN_PLACE`.
fn placed(bytes: &[u8]) -> &[u8] {
    if bytes.is_empty() { &[0][..0] } else { bytes }
}

/// As [`placed`], for bytes that are received.
fn placed_mut<'b>(bytes: &'b mut [u8], spare: &'b mut [u8; 1]) -> &'b mut [u8] {
    if bytes.is_empty() { &mut spare[..0] } else { bytes }
}

/// Lengths as MPI has them, and where each part begins.
fn counts(lengths: &[usize]) -> [Vec<Count>; 2] {
    let counts: Vec<Count> = lengths.iter().map(|&length| Count::try_from(length).expect("short messages")).collect();
    let begin = |end: &mut Count, count: &Count| {
        let begin = *end;
        *end = end.checked_add(*count).expect("short messages");
        Some(begin)
    };
    let begins = counts.iter().scan(0, begin).collect();
    [counts, begins]
}

impl Ranks for Processes {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn count(&self) -> usize {
        self.world.size() as usize
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        lengths: &[usize],
        received: &mut [u8],
        expected: &[usize],
    ) -> Result<(), RanksError> {
        let ([counts_out, begins_out], [counts_in, begins_in]) = (counts(lengths), counts(expected));
        let mut spare = [0];
        let mut received = PartitionMut::new(placed_mut(received, &mut spare), counts_in, begins_in);
        self.world.all_to_all_varcount_into(&Partition::new(placed(sent), counts_out, begins_out), &mut received);
        Ok(())
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), RanksError> {
        let [counts, begins] = counts(lengths);
        let mut spare = [0];
        let mut all = PartitionMut::new(placed_mut(all, &mut spare), counts, begins);
        self.world.all_gather_varcount_into(placed(own), &mut all);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError> {
        bytes.chunks_mut(MESSAGE).for_each(|part| self.world.process_at_rank(0).broadcast_into(part));
        Ok(())
    }

    fn abort(&self, cause: &str) {
        end(self.rank(), cause)
    }
}
