//! What ranks tell each other in a training.

use std::cell::RefCell;
use std::ops::Range;

use super::{Ranks, RanksError, share};
use crate::train::lesson::Lesson;
use crate::train::slots::{middle, subtrees};

/// Number of floats that a rank adds at once: enough that a message takes much longer than to begin one.
const PART: usize = 1 << 18;
/// Limit on the number of floats that all ranks add at once, since many ranks have many parts.
const PIECE: usize = 1 << 24;

/// The exchange of one rank with the others.
pub(in crate::train) struct Exchange<'a> {
    ranks: &'a dyn Ranks,
    buffers: RefCell<Buffers>,
}

/// A number as it travels: the bytes of an `f32`, the least significant first.
type Number = [u8; 4];

/// Memory that an exchange keeps: the system would take longer to give it than the numbers to travel.
#[derive(Default)]
struct Buffers {
    sent: Vec<u8>,
    received: Vec<u8>,
    sum: Vec<u8>,
    all: Vec<u8>,
    scratch: Vec<Vec<Number>>,
}

impl<'a> Exchange<'a> {
    pub(in crate::train) fn new(ranks: &'a dyn Ranks) -> Self {
        Self { ranks, buffers: RefCell::default() }
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
        let Buffers { sent, received, sum, all, scratch } = &mut *self.buffers.borrow_mut();
        let piece = (PART * count).min(PIECE);
        for start in (0..total).step_by(piece) {
            let length = piece.min(total - start);
            let part = |rank: usize| {
                let part = share(length, count, rank);
                start + part.start..start + part.end
            };
            // What a rank adds itself isn't sent.
            let size = 4 * part(rank).len();
            let lengths = others(count, rank, |to| 4 * part(to).len() * nodes[rank].len());
            let expected = others(count, rank, |from| size * nodes[from].len());
            let (sent, received) = (grown(sent, lengths.iter().sum()), grown(received, expected.iter().sum()));
            let mut rest = &mut *sent;
            for to in (0..count).filter(|&to| to != rank && !has_none) {
                lessons.iter().for_each(|lesson| write(lesson, part(to), &mut rest));
            }
            self.ranks.all_to_all(sent, &lengths, received, &expected)?;

            let mut rest = &*received;
            let mut known = Vec::new();
            for (from, nodes) in nodes.iter().enumerate() {
                known.extend(nodes.iter().enumerate().map(|(index, node)| {
                    let values = match from == rank {
                        true => Values::Own(&lessons[index], part(rank)),
                        false => Values::Received(rest.split_off(..size).expect("a part of each node").as_chunks().0),
                    };
                    (node, values)
                }));
            }
            let sum = grown(sum, size);
            finish(0..slots, &known, sum.as_chunks_mut().0, scratch);
            let lengths: Vec<usize> = (0..count).map(|rank| 4 * part(rank).len()).collect();
            let all = grown(all, 4 * length);
            self.ranks.all_gather(sum, all, &lengths)?;
            read(all.as_chunks().0, start, &mut lessons[0]);
        }
        drop(lessons);
        Ok(own.swap_remove(0))
    }
}

/// What `length` says for each rank but this one.
fn others(count: usize, rank: usize, length: impl Fn(usize) -> usize) -> Vec<usize> {
    (0..count).map(|other| if other == rank { 0 } else { length(other) }).collect()
}

/// The first `length` bytes, whatever they are, of a buffer that grows if it must.
fn grown(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}

/// The numbers of a node of the tree.
enum Values<'v> {
    /// Those in a range of this rank's own.
    Own(&'v [&'v mut [f32]], Range<usize>),
    Received(&'v [Number]),
}

impl Values<'_> {
    /// Calls `act` with each of `sums` and the number at its place.
    fn each(&self, sums: &mut [Number], act: impl Fn(&mut Number, f32)) {
        match self {
            Self::Received(numbers) => {
                sums.iter_mut().zip(*numbers).for_each(|(sum, number)| act(sum, f32::from_le_bytes(*number)));
            }
            Self::Own(parts, range) => {
                let mut sums = sums.iter_mut();
                for (part, range) in pieces(parts.iter().map(|part| (part.len(), part)), range.clone()) {
                    part[range].iter().zip(&mut sums).for_each(|(&number, sum)| act(sum, number));
                }
            }
        }
    }
}

fn set(sum: &mut Number, number: f32) {
    *sum = number.to_le_bytes();
}

fn add(sum: &mut Number, number: f32) {
    set(sum, f32::from_le_bytes(*sum) + number);
}

/// The sum of a node, from those of its parts that are known.
fn finish(
    node: Range<usize>,
    known: &[(&Range<usize>, Values<'_>)],
    sum: &mut [Number],
    scratch: &mut Vec<Vec<Number>>,
) {
    let values = |node: &Range<usize>| {
        let index = known.binary_search_by_key(&node.start, |(node, _)| node.start).ok()?;
        (known[index].0 == node).then(|| &known[index].1)
    };
    if let Some(values) = values(&node) {
        return values.each(sum, set);
    }
    let (left, right) = (node.start..middle(&node), middle(&node)..node.end);
    finish(left, known, sum, scratch);
    if let Some(values) = values(&right) {
        return values.each(sum, add);
    }
    let mut other = scratch.pop().unwrap_or_default();
    other.resize(sum.len(), [0; 4]);
    finish(right, known, &mut other, scratch);
    Values::Received(&other).each(sum, add);
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

/// Writes the numbers in `range` to the beginning of `bytes`, which then are the rest.
fn write(parts: &[&mut [f32]], range: Range<usize>, bytes: &mut &mut [u8]) {
    for (part, range) in pieces(parts.iter().map(|part| (part.len(), part)), range) {
        let numbers = bytes.split_off_mut(..4 * range.len()).expect("room for a part");
        numbers.as_chunks_mut().0.iter_mut().zip(&part[range]).for_each(|(number, &value)| set(number, value));
    }
}

/// Overwrites the numbers from `start` on.
fn read(numbers: &[Number], start: usize, parts: &mut [&mut [f32]]) {
    let mut numbers = numbers.iter();
    let end = start + numbers.len();
    for (part, range) in pieces(parts.iter_mut().map(|part| (part.len(), part)), start..end) {
        part[range].iter_mut().zip(&mut numbers).for_each(|(own, number)| *own = f32::from_le_bytes(*number));
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

    /// The sum among ranks is that of one rank.
    fn check(ranks: usize, slots: usize, lengths: [usize; 2]) {
        let whole = node(0..slots, lengths);
        let sums = Together::run(ranks, |ranks| {
            let exchange = Exchange::new(ranks);
            let own = || subtrees(slots, &exchange.own(slots)).into_iter().map(|range| node(range, lengths)).collect();
            // A second time, in memory that was used.
            [(); 2].map(|()| exchange.add_up(slots, own(), || lesson(7, lengths)).unwrap().gradients)
        });
        for sum in sums.into_iter().flatten() {
            assert!(sum == whole.gradients, "{ranks} ranks, {slots} slots, {lengths:?}");
        }
    }

    #[test]
    fn long_sums_travel_in_pieces() {
        for (ranks, slots) in [(2, 2), (2, 5), (3, 4)] {
            check(ranks, slots, [3 * PART + 5, 7]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_sum_is_that_of_one_rank(ranks in 1..9usize, slots in 1..20usize, first in 0..9usize, second in 0..99usize) {
            check(ranks, slots, [first, second]);
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
