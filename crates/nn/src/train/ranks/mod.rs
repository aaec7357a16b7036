//! The ranks that share a training.

mod alone;
mod check;
mod error;
mod exchange;
mod together;

use std::ops::Range;

pub use alone::Alone;
pub use check::agree;
pub(super) use check::{agree_on_hashes, hash};
pub use error::RanksError;
pub(super) use exchange::Exchange;
pub use together::Together;

/// The ranks that share a training: processes, or threads of one ([`Together`]). Each knows its number, and they move bytes.
/// They never add: sums whose order depended on the number of ranks, or on a library for messages, would change the result.
///
/// All ranks call the same methods in the same order. A call returns when all that it waits for has arrived.
pub trait Ranks {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn count(&self) -> usize;

    /// Sends rank r the r-th part of `sent`, whose parts have these `lengths`, and receives a part from each rank, of the lengths
    /// `expected`, into `received`.
    ///
    /// # Errors
    /// If another rank has ended.
    fn all_to_all(
        &self,
        sent: &[u8],
        lengths: &[usize],
        received: &mut [u8],
        expected: &[usize],
    ) -> Result<(), RanksError>;

    /// Receives what each rank has as its `own`, of these `lengths`, into `all`.
    ///
    /// # Errors
    /// If another rank has ended.
    fn all_gather(&self, own: &[u8], all: &mut [u8], lengths: &[usize]) -> Result<(), RanksError>;

    /// Receives the `bytes` of rank 0.
    ///
    /// # Errors
    /// If another rank has ended.
    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError>;

    /// Ends all ranks, because this one can't go on. Where ranks are processes, it says the cause and doesn't return.
    fn abort(&self, cause: &str);
}

/// The part of `count` things in a row that belongs to a rank. Parts differ by one thing at most.
///
/// # Panics
/// If there is no such rank.
#[must_use]
pub fn share(count: usize, ranks: usize, rank: usize) -> Range<usize> {
    assert!(rank < ranks, "rank {rank} of {ranks}");
    let part = |rank: usize| (count as u128 * rank as u128 / ranks as u128) as usize;
    part(rank)..part(rank + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_all_there_is_and_nearly_equal(count in 0..1000usize, ranks in 1..40usize) {
            let shares: Vec<_> = (0..ranks).map(|rank| share(count, ranks, rank)).collect();
            prop_assert_eq!(shares.iter().cloned().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            let fewest = shares.iter().map(Range::len).min().unwrap();
            prop_assert!(shares.iter().all(|share| share.len() - fewest <= 1));
        }
    }
}
