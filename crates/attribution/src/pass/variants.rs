//! Many variants of one image, run through the model in batches.

use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use ndarray::ArrayView3;
use nn::{Mode, Model, ModelError, Real};
use tensor::{Exact, Keep, Tape, Tensor};

use crate::error::ExplainError;
use crate::map::{Map, Origin, Verdict};
use crate::pass::Shares;
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

impl<T: Real> Variants<'_, T> {
    /// The variants of each batch.
    fn spans(&self) -> impl Iterator<Item = Range<usize>> + use<T> {
        let count = self.count;
        (0..count).step_by(BATCH).map(move |first| first..(first + BATCH).min(count))
    }

    /// A batch `[M, h, w, C]`: `write(k, values)` turns a copy of the original into variant k.
    fn batch(&self, span: &Range<usize>, mut write: impl FnMut(usize, &mut [T])) -> Tensor<T> {
        let (h, w, c) = self.original.dim();
        let original = self.original.as_slice().expect("contiguous");
        let mut batch = Tensor::scratch([span.len(), h, w, c]);
        for (k, values) in span.clone().zip(batch.make_mut().chunks_exact_mut(original.len())) {
            values.copy_from_slice(original);
            write(k, values);
        }
        batch
    }
}

/// Runs variants in batches, and reports the progress.
pub(crate) struct Runner<'w> {
    watch: Option<Watch<'w>>,
    progress: Progress,
    /// Whether the network's output was infinite or NaN for a variant.
    is_broken: bool,
    /// If several workers compute the scores.
    shares: Option<Rc<Shares>>,
}

impl<'w> Runner<'w> {
    pub(crate) fn new(total: usize, watch: Option<Watch<'w>>) -> Self {
        Self { watch, progress: Progress { done: 0, total }, is_broken: false, shares: None }
    }

    pub(crate) fn sharing(self, shares: Option<Rc<Shares>>) -> Self {
        Self { shares, ..self }
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
        mut write: impl FnMut(usize, &mut [T]),
        run: impl Fn(Tensor<T>) -> Result<Tensor<T>, ModelError>,
    ) -> Result<Vec<T>, ExplainError> {
        let mut scores = Vec::with_capacity(variants.count);
        for span in variants.spans() {
            let size = span.len();
            if let Some(shares) = &self.shares
                && let Some(known) = shares.next::<T>(size)?
            {
                scores.extend(known);
                continue;
            }
            let found = target.scores(&run(variants.batch(&span, &mut write))?, &vec![variants.image; size])?;
            self.shares.iter().for_each(|shares| shares.keep(&found));
            scores.extend(found);
            self.advance(size)?;
        }
        self.is_broken |= scores.iter().any(|score| !score.is_finite());
        Ok(scores)
    }

    /// Computes the gradient ∂S/∂x, `[H, W, C]`, at each variant of an image, and passes them to `take` in order.
    pub(crate) fn gradients<T: Real>(
        &mut self,
        model: &Model<T>,
        target: &Resolved<T>,
        variants: &Variants<'_, T>,
        mut write: impl FnMut(usize, &mut [T]),
        mut take: impl FnMut(usize, &[T]),
    ) -> Result<(), ExplainError> {
        for span in variants.spans() {
            let tape = Tape::keeping(Keep::Needed);
            let forward = model.forward_to(target.layer, &tape, variants.batch(&span, &mut write), Mode::Evaluation)?;
            let seed = target.seed(forward.logits.value(), &vec![variants.image; span.len()])?;
            let mut gradients = tape.backward_from(&forward.logits, seed, &Exact, [&forward.input])?;
            let gradients = gradients.take(&forward.input).expect("requested");
            self.is_broken |= gradients.as_slice().iter().any(|g| !g.is_finite());
            let each = gradients.as_slice().chunks_exact(variants.original.len());
            span.clone().zip(each).for_each(|(k, gradient)| take(k, gradient));
            self.advance(span.len())?;
        }
        Ok(())
    }
}
