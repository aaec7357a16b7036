//! Scores of variants that several workers compute.

use std::cell::RefCell;
use std::iter::repeat_n;

use nn::Real;

use crate::error::ExplainError;

/// What one worker computes, or what all of them found. Of n workers, i runs the batches i, i + n, i + 2n, …
#[derive(Debug)]
pub(crate) struct Shares(RefCell<State>);

#[derive(Debug)]
struct State {
    /// Number of batches so far.
    batches: usize,
    /// The number of workers.
    count: usize,
    /// The worker that computes, unless all have.
    worker: Option<usize>,
    /// The scores of each worker's batches, in order.
    scores: Vec<Vec<f64>>,
}

impl Shares {
    /// The share of a worker.
    pub(crate) fn of_worker(worker: usize, count: usize) -> Self {
        Self(RefCell::new(State { batches: 0, count, worker: Some(worker), scores: vec![Vec::new(); count] }))
    }

    /// The shares of all workers.
    pub(crate) fn of_all<T: Real>(shares: &[Vec<T>]) -> Self {
        // The next score is the last.
        let scores = shares.iter().map(|share| share.iter().rev().map(|score| score.as_f64()).collect()).collect();
        Self(RefCell::new(State { batches: 0, count: shares.len(), worker: None, scores }))
    }

    /// Begins a batch of `size` variants. Returns `None` if this worker is to compute its scores, zeros if another worker is, and
    /// the scores themselves if all workers are done.
    pub(crate) fn next<T: Real>(&self, size: usize) -> Result<Option<Vec<T>>, ExplainError> {
        let State { batches, count, worker, scores } = &mut *self.0.borrow_mut();
        let turn = *batches % (*count).max(1);
        *batches += 1;
        if let Some(worker) = *worker {
            return Ok((worker != turn).then(|| repeat_n(T::zero(), size).collect()));
        }
        let share = scores.get_mut(turn).filter(|share| share.len() >= size).ok_or_else(misfit)?;
        let rest = share.len() - size;
        Ok(Some(share.drain(rest..).rev().map(T::from_f64).collect()))
    }

    /// Keeps the scores of the present batch.
    pub(crate) fn keep<T: Real>(&self, found: &[T]) {
        let State { worker, scores, .. } = &mut *self.0.borrow_mut();
        if let Some(worker) = *worker {
            scores[worker].extend(found.iter().map(|score| score.as_f64()));
        }
    }

    /// The scores that the worker computed, or those of all workers that no batch asked for.
    pub(crate) fn left<T: Real>(&self) -> Vec<T> {
        self.0.borrow().scores.iter().flatten().copied().map(T::from_f64).collect()
    }
}

/// The shares aren't those of this question.
pub(crate) fn misfit() -> ExplainError {
    ExplainError::Setting("expected the shares of all workers, in order, of the same question".into())
}
