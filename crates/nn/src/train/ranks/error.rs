//! What goes wrong between ranks.

use thiserror::Error;

/// Why ranks can't go on together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RanksError {
    /// A rank has ended all of them.
    #[error("rank {rank} ended: {cause}")]
    Ended {
        /// Its number.
        rank: usize,
        /// Why.
        cause: String,
    },
    /// There are more ranks than parts of the work.
    #[error(
        "{ranks} ranks share a batch of {slots} slots of {size} images: start at most {slots} ranks, or set a `slot_size` below \
         {size} (other slots change the result)"
    )]
    TooMany {
        /// Number of ranks.
        ranks: usize,
        /// Number of slots in a batch.
        slots: usize,
        /// Number of images in a slot.
        size: usize,
    },
    /// A rank was started with something else.
    #[error("rank {rank} differs from rank 0 in its {what}: start all ranks with the same program, settings and files")]
    Differs {
        /// Its number.
        rank: usize,
        /// What differs.
        what: &'static str,
    },
    /// The weights of a rank differ from those of rank 0. They are equal if all machines compute correctly.
    #[error(
        "after epoch {epoch}, the weights of rank {rank} aren't those of rank 0: one of the two machines computes differently, or \
         a loss isn't the same function on all ranks"
    )]
    Weights {
        /// Its number.
        rank: usize,
        /// The epoch, from 1.
        epoch: usize,
    },
}
