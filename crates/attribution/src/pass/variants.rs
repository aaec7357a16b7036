//! Many variants of one image, run through the model in batches.

use std::ops::ControlFlow;

use ndarray::ArrayView3;
use nn::{Mode, Model, ModelError, Real};
use tensor::{Exact, Keep, Tape, Tensor};

use crate::error::ExplainError;
use crate::map::{Map, Origin, Verdict};
use crate::progress::{Progress, Watch};
use crate::target::Resolved;

/// Number of variants in a batch.
const BATCH: usize = 16;

/// Variants of an image, or of a layer's output for that image.
pub(crate) struct Variants<'v, T> {
    /// The image's index in the batch.
    pub(crate) image: usize,
    /// The original, `[h, w, C]`, contiguous.
    pub(crate) original: ArrayView3<'v, T>,
    pub(crate) count: usize,
}

/// Runs variants in batches, and reports the progress.
pub(crate) struct Runner<'w> {
    watch: Option<Watch<'w>>,
    progress: Progress,
    /// Whether the network's output was infinite or NaN for a variant.
    is_broken: bool,
}

impl<'w> Runner<'w> {
    pub(crate) fn new(total: usize, watch: Option<Watch<'w>>) -> Self {
        Self { watch, progress: Progress { done: 0, total }, is_broken: false }
    }

    /// Reports that `images` more images have been run.
    pub(crate) fn advance(&mut self, images: usize) -> Result<(), ExplainError> {
        self.progress.done += images;
        let Progress { done, total } = self.progress;
        match self.watch.map(|watch| watch(self.progress)) {
            Some(ControlFlow::Break(())) if done < total => Err(ExplainError::Cancelled { done, total }),
            _ => Ok(()),
        }
    }

    /// Completes the verdict of a map made from variants. If infinity or NaN didn't arise for the image, it may have
    /// arisen for a variant.
    pub(crate) fn traced<T: Real>(&self, mut map: Map<T>) -> Map<T> {
        if let Verdict::NonFinite { origin: origin @ None } = &mut map.verdict {
            *origin = self.is_broken.then_some(Origin::Variant);
        }
        map
    }

    /// The target's score for each variant. `write(k, values)` turns a copy of the original into variant k, and `run`
    /// computes the outputs `[M, …]` of the target's layer for a batch `[M, h, w, C]`.
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
        self.is_broken |= scores.iter().any(|score| !score.is_finite());
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
        let mut is_broken = false;
        self.batches(variants, write, |first, batch| {
            let rows = vec![variants.image; batch.shape()[0]];
            let tape = Tape::keeping(Keep::Needed);
            let forward = model.forward_to(target.layer, &tape, batch, Mode::Evaluation)?;
            let seed = target.seed(forward.logits.value(), &rows)?;
            let mut gradients = tape.backward_from(&forward.logits, seed, &Exact, [&forward.input])?;
            let gradients = gradients.take(&forward.input).expect("requested");
            is_broken |= gradients.as_slice().iter().any(|g| !g.is_finite());
            let each = gradients.as_slice().chunks_exact(variants.original.len());
            each.enumerate().for_each(|(index, gradient)| take(first + index, gradient));
            Ok(())
        })?;
        self.is_broken |= is_broken;
        Ok(())
    }

    /// Calls `run` with batches `[M, h, w, C]` of variants, and the index of the first variant in each batch.
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
