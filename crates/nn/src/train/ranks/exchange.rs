//! What ranks tell each other in a training.

use std::ops::Range;

use super::{Ranks, RanksError, share};
use crate::train::lesson::Lesson;
use crate::train::slots::{middle, subtrees};

/// Number of floats that a rank adds at once: few enough to stay in a cache, enough for a message.
const PART: usize = 1 << 15;

/// The exchange of one rank with the others.
pub(in crate::train) struct Exchange<'a> {
    ranks: &'a dyn Ranks,
}

impl<'a> Exchange<'a> {
    pub(in crate::train) fn new(ranks: &'a dyn Ranks) -> Self {
        Self { ranks }
    }

    /// Whether this rank has nobody to exchange with.
    pub(in crate::train) fn is_alone(&self) -> bool {
        self.ranks.count() == 1
    }

    /// Whether this is the rank that reads and writes files.
    pub(in crate::train) fn leads(&self) -> bool {
        self.ranks.rank() == 0
    }

    /// The part of `count` things in a row that belongs to this rank.
    pub(in crate::train) fn own(&self, count: usize) -> Range<usize> {
        share(count, self.ranks.count(), self.ranks.rank())
    }

    /// What each rank has as its `own`, in the order of the ranks.
    pub(in crate::train) fn gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        let mut lengths = vec![0; 8 * self.ranks.count()];
        self.ranks.all_gather(&(own.len() as u64).to_le_bytes(), &mut lengths, &vec![8; self.ranks.count()])?;
        let lengths: Vec<usize> =
            lengths.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes) as usize).collect();
        let mut all = vec![0; lengths.iter().sum()];
        self.ranks.all_gather(own, &mut all, &lengths)?;
        let mut rest = all.into_iter();
        Ok(lengths.into_iter().map(|length| rest.by_ref().take(length).collect()).collect())
    }

    /// What rank 0 has.
    pub(in crate::train) fn of_first(&self, own: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, RanksError> {
        let mut length = own.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes();
        self.ranks.broadcast(&mut length)?;
        if length == [0xFF; 8] {
            return Ok(None);
        }
        let mut bytes = own.filter(|_| self.leads()).unwrap_or_default();
        bytes.resize(u64::from_le_bytes(length) as usize, 0);
        self.ranks.broadcast(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Whether any rank says yes.
    pub(in crate::train) fn any(&self, yes: bool) -> Result<bool, RanksError> {
        let mut all = vec![0; self.ranks.count()];
        let lengths = vec![1; all.len()];
        self.ranks.all_gather(&[yes.into()], &mut all, &lengths)?;
        Ok(all.contains(&1))
    }

    /// The first rank, if any, for which one of `facts` isn't that of rank 0, and the index of the fact.
    pub(in crate::train) fn differing(&self, facts: &[u64]) -> Result<Option<(usize, usize)>, RanksError> {
        let own: Vec<u8> = facts.iter().flat_map(|fact| fact.to_le_bytes()).collect();
        let all = self.gather(&own)?;
        let pairs = |rank: &[u8]| rank.chunks(8).zip(all[0].chunks(8)).position(|(own, first)| own != first);
        Ok(all.iter().enumerate().find_map(|(rank, facts)| Some((rank, pairs(facts)?))))
    }

    /// What is counted of each slot, given that of this rank's, in the order of the slots, and whether any rank has a `wish`.
    pub(in crate::train) fn counts(
        &self,
        slots: usize,
        own: &[[f64; 2]],
        wish: bool,
    ) -> Result<(Vec<[f64; 2]>, bool), RanksError> {
        let mut bytes: Vec<u8> = own.iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        bytes.push(wish.into());
        let count = self.ranks.count();
        let lengths: Vec<usize> = (0..count).map(|rank| 16 * share(slots, count, rank).len() + 1).collect();
        let mut all = vec![0; lengths.iter().sum()];
        self.ranks.all_gather(&bytes, &mut all, &lengths)?;
        let (mut counts, mut any, mut rest) = (Vec::with_capacity(slots), false, &all[..]);
        for length in lengths {
            let own = rest.split_off(..length).expect("a part of each rank");
            let (pairs, wish) = own.as_chunks::<16>();
            let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            counts.extend(pairs.iter().map(|pair| [number(&pair[..8]), number(&pair[8..])]));
            any |= wish == [1];
        }
        Ok((counts, any))
    }

    /// The sum over all slots, along their tree, given this rank's nodes of it; `empty` is for the sum of a rank that has none.
    ///
    /// The numbers are added in pieces. Each rank adds its part of a piece, for which all others send it theirs, and then all
    /// gather the parts.
    pub(in crate::train) fn add_up(
        &self,
        slots: usize,
        mut own: Vec<Lesson>,
        empty: impl FnOnce() -> Lesson,
    ) -> Result<Lesson, RanksError> {
        if self.is_alone() {
            return Ok(own.pop().expect("one rank has the whole tree"));
        }
        let (count, rank) = (self.ranks.count(), self.ranks.rank());
        let nodes: Vec<Vec<Range<usize>>> =
            (0..count).map(|rank| subtrees(slots, &share(slots, count, rank))).collect();
        let has_none = own.is_empty();
        if has_none {
            own.push(empty());
        }
        let mut lessons: Vec<Vec<&mut [f32]>> = own.iter_mut().map(Lesson::values).collect();
        let total: usize = lessons[0].iter().map(|part| part.len()).sum();
        let (mut sent, mut received, mut sum, mut scratch) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for start in (0..total).step_by(PART * count) {
            let length = (PART * count).min(total - start);
            let part = |rank: usize| {
                let part = share(length, count, rank);
                start + part.start..start + part.end
            };
            sent.clear();
            let lengths: Vec<usize> = (0..count)
                .map(|to| {
                    let before = sent.len();
                    lessons.iter().filter(|_| !has_none).for_each(|lesson| write(lesson, part(to), &mut sent));
                    sent.len() - before
                })
                .collect();
            let size = 4 * part(rank).len();
            let expected: Vec<usize> = nodes.iter().map(|nodes| size * nodes.len()).collect();
            received.resize(expected.iter().sum(), 0);
            self.ranks.all_to_all(&sent, &lengths, &mut received, &expected)?;

            let known: Vec<(&Range<usize>, &[u8])> = match size {
                0 => Vec::new(),
                _ => nodes.iter().flatten().zip(received.chunks_exact(size)).collect(),
            };
            sum.clear();
            sum.resize(part(rank).len(), 0.0);
            finish(0..slots, &known, &mut sum, &mut scratch);
            sent.clear();
            append(&sum, &mut sent);
            let lengths: Vec<usize> = (0..count).map(|rank| 4 * part(rank).len()).collect();
            received.resize(4 * length, 0);
            self.ranks.all_gather(&sent, &mut received, &lengths)?;
            read(&received, start, &mut lessons[0]);
        }
        drop(lessons);
        Ok(own.swap_remove(0))
    }
}

/// The sum of a node, from those of its parts that are known.
fn finish(node: Range<usize>, known: &[(&Range<usize>, &[u8])], sum: &mut [f32], scratch: &mut Vec<Vec<f32>>) {
    if sum.is_empty() {
        return;
    }
    let values = |node: &Range<usize>| {
        let index = known.binary_search_by_key(&node.start, |(node, _)| node.start).ok()?;
        (known[index].0 == node).then(|| known[index].1.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)))
    };
    if let Some(values) = values(&node) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = value);
        return;
    }
    let (left, right) = (node.start..middle(&node), middle(&node)..node.end);
    finish(left, known, sum, scratch);
    if let Some(values) = values(&right) {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        return;
    }
    let mut other = scratch.pop().unwrap_or_default();
    other.resize(sum.len(), 0.0);
    finish(right, known, &mut other, scratch);
    sum.iter_mut().zip(&other).for_each(|(sum, value)| *sum += value);
    scratch.push(other);
}

/// The pieces of `parts`, as one row of numbers, that lie in `range`.
fn pieces<'p, T>(
    parts: impl Iterator<Item = (usize, T)> + 'p,
    range: Range<usize>,
) -> impl Iterator<Item = (T, Range<usize>)> + 'p {
    let mut start = 0;
    parts.filter_map(move |(length, part)| {
        let from = range.start.clamp(start, start + length) - start;
        let to = range.end.clamp(start, start + length) - start;
        start += length;
        (from < to).then_some((part, from..to))
    })
}

/// Appends the bytes of the numbers in `range`.
fn write(parts: &[&mut [f32]], range: Range<usize>, bytes: &mut Vec<u8>) {
    for (part, range) in pieces(parts.iter().map(|part| (part.len(), part)), range) {
        append(&part[range], bytes);
    }
}

fn append(values: &[f32], bytes: &mut Vec<u8>) {
    let before = bytes.len();
    bytes.resize(before + size_of_val(values), 0);
    let words = bytes[before..].as_chunks_mut().0.iter_mut();
    words.zip(values).for_each(|(word, value)| *word = value.to_le_bytes());
}

/// Overwrites the numbers from `start` on.
fn read(bytes: &[u8], start: usize, parts: &mut [&mut [f32]]) {
    let mut values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    for (part, range) in pieces(parts.iter_mut().map(|part| (part.len(), part)), start..start + bytes.len() / 4) {
        part[range].iter_mut().zip(&mut values).for_each(|(own, value)| *own = value);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;
    use tensor::Tensor;

    use super::*;
    use crate::train::ranks::Together;
    use crate::train::slots::add_up;

    /// The lesson of a slot: two tensors of numbers of very different sizes.
    fn lesson(slot: usize, lengths: [usize; 2]) -> Lesson {
        let value = |tensor: usize, i: usize| {
            let x = ((i * 37 + slot * 101 + tensor * 17) % 1009) as f32 - 504.5;
            x * 2.0_f32.powi((i % 40) as i32 - 20 + slot as i32)
        };
        let tensor = |tensor: usize| (tensor, Tensor::from_fn([lengths[tensor]], |i| value(tensor, i)));
        Lesson { gradients: vec![tensor(0), tensor(1)], statistics: Vec::new() }
    }

    fn node(node: Range<usize>, lengths: [usize; 2]) -> Lesson {
        let mut leaf = |slot| Ok::<_, Infallible>(lesson(slot, lengths));
        add_up(node, &mut leaf, &Lesson::add).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_sum_is_that_of_one_rank(ranks in 1..9usize, slots in 1..20usize, short in 0..9usize, long in 0..2usize) {
            let lengths = [short, long * (4 * PART + 7) + short];
            let whole = node(0..slots, lengths);
            let sums = Together::run(ranks, |ranks| {
                let exchange = Exchange::new(ranks);
                let own = subtrees(slots, &exchange.own(slots)).into_iter().map(|range| node(range, lengths)).collect();
                exchange.add_up(slots, own, || lesson(7, lengths)).unwrap().gradients
            });
            for sum in sums {
                prop_assert!(sum == whole.gradients);
            }
        }

        #[test]
        fn counts_come_in_the_order_of_slots(ranks in 1..9usize, slots in 1..20usize, wishing in 0..20usize) {
            let count = |slot: usize| [slot as f64 / 3.0, -(slot as f64)];
            let all: Vec<[f64; 2]> = (0..slots).map(count).collect();
            for (counts, any) in Together::run(ranks, |ranks| {
                let exchange = Exchange::new(ranks);
                let own: Vec<[f64; 2]> = exchange.own(slots).map(count).collect();
                exchange.counts(slots, &own, ranks.rank() == wishing).unwrap()
            }) {
                prop_assert_eq!(&counts, &all);
                prop_assert_eq!(any, wishing < ranks);
            }
        }
    }

    #[test]
    fn what_differs_is_found_and_what_the_first_has_is_shared() {
        let found = Together::run(4, |ranks| {
            let exchange = Exchange::new(ranks);
            assert_eq!(exchange.differing(&[1, 2]).unwrap(), None);
            let own = exchange.leads().then(|| b"checkpoint".to_vec());
            assert_eq!(exchange.of_first(own).unwrap().unwrap(), b"checkpoint");
            assert_eq!(exchange.of_first(None).unwrap(), None);
            exchange.differing(&[1, if ranks.rank() >= 2 { 3 } else { 2 }]).unwrap()
        });
        assert_eq!(found, [Some((2, 1)); 4]);
    }
}
