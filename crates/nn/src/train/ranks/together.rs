//! Ranks that are threads of one process.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Ranks, RanksError};

/// Ranks that are threads of one process. They give the same bits as ranks that are processes, so that whatever is trained among
/// ranks can be tested without any.
///
/// ```
/// use nn::train::{Ranks, Together};
/// let sums = Together::run(3, |ranks| {
///     let mut numbers = [0; 3];
///     ranks.all_gather(&[1 << ranks.rank()], &mut numbers, &[1; 3])?;
///     Ok::<_, nn::train::RanksError>(numbers)
/// });
/// assert!(sums.into_iter().all(|numbers| numbers == Ok([1, 2, 4])));
/// ```
#[derive(Debug)]
pub struct Together {
    rank: usize,
    meeting: Arc<Meeting>,
}

/// Where the ranks exchange.
#[derive(Debug, Default)]
struct Meeting {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    /// What each rank has brought to the exchange that is under way.
    brought: Vec<Option<Arc<Brought>>>,
    /// How many ranks have taken what they came for.
    served: usize,
    ended: Option<RanksError>,
}

/// Bytes in parts of these lengths.
#[derive(Debug)]
struct Brought {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Brought {
    fn part(&self, index: usize) -> &[u8] {
        let from = self.lengths[..index].iter().sum::<usize>();
        &self.bytes[from..][..self.lengths[index]]
    }
}

impl Together {
    /// Runs `body` on `count` ranks, and returns what each of them returns. If one panics, the others get an error from their
    /// next exchange, and the panic is propagated.
    pub fn run<R: Send>(count: usize, body: impl Fn(&Self) -> R + Sync) -> Vec<R> {
        let table = Table { brought: vec![None; count], ..Table::default() };
        let meeting = Arc::new(Meeting { table: Mutex::new(table), changed: Condvar::new() });
        let run = |rank| {
            let own = Self { rank, meeting: Arc::clone(&meeting) };
            catch_unwind(AssertUnwindSafe(|| body(&own))).inspect_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of unknown cause");
                own.abort(&format!("a panic, {text}"));
            })
        };
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|rank| scope.spawn(move || run(rank))).collect();
            threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
        });
        results.into_iter().map(|result| result.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.meeting.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready`, or until a rank has ended.
    fn when(&self, ready: impl Fn(&Table) -> bool) -> Result<MutexGuard<'_, Table>, RanksError> {
        let waits = |table: &mut Table| table.ended.is_none() && !ready(table);
        let table = self.meeting.changed.wait_while(self.table(), waits).unwrap_or_else(PoisonError::into_inner);
        match &table.ended {
            Some(ended) => Err(ended.clone()),
            None => Ok(table),
        }
    }

    /// Brings something to an exchange, and takes what all ranks have brought.
    fn exchange(&self, bytes: &[u8], lengths: &[usize]) -> Result<Vec<Arc<Brought>>, RanksError> {
        let brought = Brought { bytes: bytes.into(), lengths: lengths.into() };
        // Until all ranks are served, the last exchange is under way.
        self.when(|table| table.brought[self.rank].is_none())?.brought[self.rank] = Some(Arc::new(brought));
        self.meeting.changed.notify_all();
        let mut table = self.when(|table| table.brought.iter().all(Option::is_some))?;
        let all = table.brought.iter().flatten().cloned().collect();
        table.served += 1;
        if table.served == table.brought.len() {
            table.served = 0;
            table.brought.fill(None);
            self.meeting.changed.notify_all();
        }
        Ok(all)
    }
}

impl Ranks for Together {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.table().brought.len()
    }

    fn all_to_all(
        &self,
        sent: &[u8],
        lengths: &[usize],
        mut received: &mut [u8],
        expected: &[usize],
    ) -> Result<(), RanksError> {
        for (brought, &length) in self.exchange(sent, lengths)?.iter().zip(expected) {
            let part = received.split_off_mut(..length).expect("room for each part");
            part.copy_from_slice(brought.part(self.rank));
        }
        Ok(())
    }

    fn all_gather(&self, own: &[u8], mut all: &mut [u8], lengths: &[usize]) -> Result<(), RanksError> {
        for (brought, &length) in self.exchange(own, &[own.len()])?.iter().zip(lengths) {
            all.split_off_mut(..length).expect("room for each part").copy_from_slice(brought.part(0));
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError> {
        let own = if self.rank == 0 { &*bytes } else { &[] };
        let all = self.exchange(own, &[own.len()])?;
        bytes.copy_from_slice(all[0].part(0));
        Ok(())
    }

    fn abort(&self, cause: &str) {
        let ended = RanksError::Ended { rank: self.rank, cause: cause.into() };
        self.table().ended.get_or_insert(ended);
        self.meeting.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_gets_its_part_of_what_each_sends() {
        Together::run(4, |ranks| {
            let rank = ranks.rank();
            for round in 0..50 {
                // Rank r sends rank s the byte 16·r + s, r + s times.
                let lengths: Vec<usize> = (0..4).map(|to| rank + to).collect();
                let sent: Vec<u8> = (0..4).flat_map(|to| vec![(16 * rank + to) as u8; rank + to]).collect();
                let expected: Vec<u8> = (0..4).flat_map(|from| vec![(16 * from + rank) as u8; rank + from]).collect();
                let mut received = vec![0; expected.len()];
                ranks.all_to_all(&sent, &lengths, &mut received, &lengths).unwrap();
                assert_eq!(received, expected);
                let mut round_of_first = [if rank == 0 { round } else { 0 }];
                ranks.broadcast(&mut round_of_first).unwrap();
                assert_eq!(round_of_first, [round]);
            }
        });
    }

    #[test]
    fn the_end_of_one_rank_is_the_end_of_all() {
        let results = Together::run(3, |ranks| {
            if ranks.rank() == 1 {
                ranks.abort("the disk is full");
            }
            ranks.all_gather(&[], &mut [], &[0; 3])
        });
        let expected = RanksError::Ended { rank: 1, cause: "the disk is full".into() };
        assert!(results.into_iter().all(|result| result == Err(expected.clone())));
    }

    #[test]
    fn a_panic_on_one_rank_does_not_leave_the_others_waiting() {
        let said = Mutex::new(Vec::new());
        let panic = catch_unwind(AssertUnwindSafe(|| {
            Together::run(3, |ranks| {
                assert_ne!(ranks.rank(), 2, "a broken machine");
                let error = ranks.all_gather(&[], &mut [], &[0; 3]).unwrap_err();
                said.lock().unwrap().push(error.to_string());
            })
        }));
        assert!(panic.is_err());
        let said = said.into_inner().unwrap();
        assert_eq!(said.len(), 2);
        assert!(said.iter().all(|line| line.starts_with("rank 2 ended: a panic, ")), "{said:?}");
    }
}
