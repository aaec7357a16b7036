//! What must be the same on all ranks.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Exchange, Ranks, RanksError};
use crate::train::Training;
use crate::train::slots::Slots;

/// A hash that is the same in every process of one program.
pub(in crate::train) fn hash<T: Hash>(values: impl IntoIterator<Item = T>) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.into_iter().for_each(|value| value.hash(&mut hasher));
    hasher.finish()
}

/// Checks that all ranks have the same facts, each with what it is about. A [`Trainer`](crate::train::Trainer) does so for its
/// settings, network and weights; whatever is written before the training begins is to be checked before that.
///
/// # Errors
/// If a fact isn't that of rank 0, on all ranks; or if another rank has ended.
pub fn agree(ranks: &dyn Ranks, facts: &[(&'static str, &str)]) -> Result<(), RanksError> {
    agree_on_hashes(ranks, &facts.iter().map(|&(what, fact)| (what, hash(fact.bytes()))).collect::<Vec<_>>())
}

/// As [`agree`], given hashes.
pub(in crate::train) fn agree_on_hashes(ranks: &dyn Ranks, facts: &[(&'static str, u64)]) -> Result<(), RanksError> {
    let hashes: Vec<u64> = facts.iter().map(|&(_, hash)| hash).collect();
    match Exchange::new(ranks).differing(&hashes)? {
        Some((rank, fact)) => Err(RanksError::Differs { rank, what: facts[fact].0 }),
        None => Ok(()),
    }
}

impl Training {
    /// Checks that each rank has a slot of a batch, of `images` images in all.
    ///
    /// # Errors
    /// If there are more ranks than slots.
    pub fn check_ranks(&self, ranks: usize, images: usize) -> Result<(), RanksError> {
        let size = self.slot_size.unwrap_or(self.batch_size);
        let slots = Slots::new(self.batch_size.min(images), Some(size)).count();
        if ranks > slots { Err(RanksError::TooMany { ranks, slots, size }) } else { Ok(()) }
    }
}
