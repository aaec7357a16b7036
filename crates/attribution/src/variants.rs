//! Many variants of one image, run through the model in batches.

use std::ops::ControlFlow;

use ndarray::ArrayView3;
use nn::{Mode, Model, ModelError, Real};
use tensor::{Exact, Keep, Tape, Tensor};

use crate::error::ExplainError;
use crate::target::Resolved;

/// Variants in one batch.
const BATCH: usize = 16;

/// The progress of a method that runs the model many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Images run so far.
    pub done: usize,
    /// Images to run.
    pub total: usize,
}

/// A progress callback that does nothing and never stops the method.
pub fn silent(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Variants of an image, or of a layer's output for it.
pub(crate) struct Variants<'v, T> {
    /// The image's index in the batch.
    pub(crate) image: usize,
    /// The original, `[h, w, C]`, contiguous.
    pub(crate) original: ArrayView3<'v, T>,
    pub(crate) count: usize,
}

/// Runs variants in batches and reports progress to the caller, who can stop it.
pub(crate) struct Runner<'a, F> {
    progress: &'a mut F,
    done: usize,
    total: usize,
}

impl<'a, F: FnMut(Progress) -> ControlFlow<()>> Runner<'a, F> {
    pub(crate) fn new(total: usize, progress: &'a mut F) -> Self {
        Self { progress, done: 0, total }
    }

    fn advance(&mut self, images: usize) -> Result<(), ExplainError> {
        self.done += images;
        let (done, total) = (self.done, self.total);
        match (self.progress)(Progress { done, total }) {
            ControlFlow::Break(()) if done < total => Err(ExplainError::Cancelled { done, total }),
            _ => Ok(()),
        }
    }

    /// The target's score for each variant. `write(k, values)` turns a copy of the original into variant k, and `run`
    /// computes the logits `[M, classes]` of a batch `[M, h, w, C]`.
    pub(crate) fn scores<T: Real>(
        &mut self,
        target: &Resolved<T>,
        variants: &Variants<'_, T>,
        write: impl FnMut(usize, &mut [T]),
        run: impl Fn(Tensor<T>) -> Result<Tensor<T>, ModelError>,
    ) -> Result<Vec<T>, ExplainError> {
        let mut scores = Vec::with_capacity(variants.count);
        self.batches(variants, write, |_, batch| {
            let rows = vec![variants.image; batch.shape()[0]];
            scores.extend(target.scores(&run(batch)?, &rows)?);
            Ok(())
        })?;
        Ok(scores)
    }

    /// Computes the gradient ∂S/∂x, `[H, W, C]`, at each variant of an image, and passes them to `take` in order.
    pub(crate) fn gradients<T: Real>(
        &mut self,
        model: &Model<T>,
        target: &Resolved<T>,
        variants: &Variants<'_, T>,
        write: impl FnMut(usize, &mut [T]),
        mut take: impl FnMut(usize, &[T]),
    ) -> Result<(), ExplainError> {
        self.batches(variants, write, |first, batch| {
            let rows = vec![variants.image; batch.shape()[0]];
            let tape = Tape::keeping(Keep::Needed);
            let forward = model.forward(&tape, batch, Mode::Evaluation)?;
            let seed = target.seed(forward.logits.value(), &rows)?;
            let mut gradients = tape.backward_from(&forward.logits, seed, &Exact, [&forward.input])?;
            let gradients = gradients.take(&forward.input).expect("asked for");
            let each = gradients.as_slice().chunks_exact(variants.original.len());
            each.enumerate().for_each(|(index, gradient)| take(first + index, gradient));
            Ok(())
        })
    }

    /// Calls `run` with batches `[M, h, w, C]` of variants, and the index of each batch's first.
    fn batches<T: Real>(
        &mut self,
        variants: &Variants<'_, T>,
        mut write: impl FnMut(usize, &mut [T]),
        mut run: impl FnMut(usize, Tensor<T>) -> Result<(), ExplainError>,
    ) -> Result<(), ExplainError> {
        let (h, w, c) = variants.original.dim();
        let original = variants.original.as_slice().expect("contiguous");
        for first in (0..variants.count).step_by(BATCH) {
            let size = BATCH.min(variants.count - first);
            let mut batch = Tensor::scratch([size, h, w, c]);
            for (index, values) in batch.make_mut().chunks_exact_mut(original.len()).enumerate() {
                values.copy_from_slice(original);
                write(first + index, values);
            }
            run(first, batch)?;
            self.advance(size)?;
        }
        Ok(())
    }
}
