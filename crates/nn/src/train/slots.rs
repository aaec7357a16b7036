//! Slots: the parts of a batch that are learnt from one by one, and the tree along which they are added.
//!
//! A sum of floating-point numbers depends on the order of its additions. Slots are added along a binary tree whose shape
//! follows from their number alone, so the sum is the same wherever each of them is computed:
//!
//! ```text
//!           0 … 4                 a node of n > 1 slots is cut behind the largest power of two below n
//!        0 … 3     4
//!     0, 1   2, 3
//! ```

use std::ops::Range;

/// A batch, cut into slots of a fixed number of images. The last slot may be smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    images: usize,
    size: usize,
}

impl Slots {
    /// A batch of `images` images, in slots of `size` images; if there is no size, in one slot.
    pub(super) fn new(images: usize, size: Option<usize>) -> Self {
        Self { images, size: size.unwrap_or(images).clamp(1, images.max(1)) }
    }

    /// The number of slots.
    pub(super) fn count(self) -> usize {
        self.images.div_ceil(self.size)
    }

    /// The places in the batch of a slot's images.
    pub(super) fn places(self, slot: usize) -> Range<usize> {
        slot * self.size..((slot + 1) * self.size).min(self.images)
    }

    /// A slot's share of the batch's images.
    pub(super) fn share(self, slot: usize) -> f64 {
        self.places(slot).len() as f64 / self.images as f64
    }
}

/// The seed of the dropout masks of a slot in a step: another one for each slot and step, and that of the whole batch in the
/// first slot. Layers change the bits from the 48th on.
pub(super) fn dropout_seed(seed: u64, step: usize, slot: usize) -> u64 {
    seed.wrapping_add(step as u64) ^ (slot as u64) << 32
}

/// Where a node of more than one leaf is cut.
pub(super) fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

/// The largest nodes of the tree over `count` leaves that have leaves in `own` alone, in their order.
pub(super) fn subtrees(count: usize, own: &Range<usize>) -> Vec<Range<usize>> {
    fn visit(node: Range<usize>, own: &Range<usize>, found: &mut Vec<Range<usize>>) {
        if own.start <= node.start && node.end <= own.end {
            found.push(node);
        } else if node.start < own.end && own.start < node.end {
            let middle = middle(&node);
            visit(node.start..middle, own, found);
            visit(middle..node.end, own, found);
        }
    }
    let mut found = Vec::new();
    if !own.is_empty() {
        visit(0..count, own, &mut found);
    }
    found
}

/// The sum of a node's leaves, along the tree. `leaf` is called in the order of the leaves.
pub(super) fn add_up<V, E>(
    node: Range<usize>,
    leaf: &mut impl FnMut(usize) -> Result<V, E>,
    add: &impl Fn(&mut V, V),
) -> Result<V, E> {
    if node.len() == 1 {
        return leaf(node.start);
    }
    let middle = middle(&node);
    let mut sum = add_up(node.start..middle, leaf, add)?;
    add(&mut sum, add_up(middle..node.end, leaf, add)?);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// The sum of a node as text, with brackets.
    fn written(node: Range<usize>) -> String {
        let mut leaf = |slot: usize| Ok::<_, Infallible>(slot.to_string());
        add_up(node, &mut leaf, &|left, right| *left = format!("({left}+{right})")).unwrap()
    }

    #[test]
    fn the_tree_follows_from_the_number_of_slots() {
        let trees = [1, 2, 3, 4, 5, 7].map(|count| written(0..count));
        let expected = ["0", "(0+1)", "((0+1)+2)", "((0+1)+(2+3))", "(((0+1)+(2+3))+4)", "(((0+1)+(2+3))+((4+5)+6))"];
        assert_eq!(trees, expected);
    }

    #[test]
    fn a_batch_is_cut_without_gaps() {
        let slots = Slots::new(10, Some(4));
        assert_eq!((0..slots.count()).map(|slot| slots.places(slot)).collect::<Vec<_>>(), [0..4, 4..8, 8..10]);
        assert_eq!((0..3).map(|slot| slots.share(slot)).sum::<f64>(), 1.0);
        assert_eq!((Slots::new(10, None).count(), Slots::new(10, Some(99)).count()), (1, 1));
    }

    #[test]
    fn every_slot_and_step_has_its_own_dropout() {
        let mut seeds: Vec<u64> = (0..60).map(|at| dropout_seed(7, at / 6, at % 6)).collect();
        assert_eq!(seeds[6], 8);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 60);
    }

    proptest! {
        #[test]
        fn subtrees_cover_what_is_asked_for(count in 1..40usize, a in 0..40usize, b in 0..40usize) {
            let own = a.min(b).min(count)..a.max(b).min(count);
            let found = subtrees(count, &own);
            prop_assert_eq!(found.iter().cloned().flatten().collect::<Vec<_>>(), own.collect::<Vec<_>>());
            let whole = written(0..count);
            for node in found {
                prop_assert!(whole.contains(&written(node)));
            }
        }
    }
}
