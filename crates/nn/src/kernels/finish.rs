//! The layers after a layer, computed together with it while its outputs are in the cache.
//!
//! `y ← f((y − mean)·scale + shift + residual)`: a batch norm, a sum with another layer's outputs, and a function of each
//! element; each may be missing. Each step rounds as the layer does by itself, so the results are bit for bit the same.

use std::fmt;
use std::ops::Range;

use tensor::Tensor;
use tensor::blocks::{BLOCK, for_each_part, grain};
use tensor::simd::{Kernel, Simd, Tier, dispatch_on, tier};

use super::bounds::{Bounds, clipped};
use super::function::Curve;
use super::parallel::Disjoint;
use super::tile::balanced;
use crate::real::Real;

/// The steps after a layer.
#[derive(Clone, Debug)]
pub struct Finish<'a, T: Real> {
    pub(crate) affine: Option<Affine<T>>,
    /// As large as the output.
    pub(crate) residual: Option<&'a [T]>,
    pub(crate) activation: Option<Activation<'a>>,
    /// Where the values before the function of each element are written, too.
    pub(crate) before: Option<Kept<'a>>,
}

/// An array of the output's size that tasks write, each at the places of its own outputs.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    values: Disjoint<'a>,
    len: usize,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(values: &'a mut [f32]) -> Self {
        Self { len: values.len(), values: Disjoint::new(values) }
    }
}

impl fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.len)
    }
}

/// An affine map of each channel, `(y − mean)·scale + shift`; all three are `[C]`.
#[derive(Clone, Debug)]
pub(crate) struct Affine<T: Real> {
    pub(crate) mean: Tensor<T>,
    pub(crate) scale: Tensor<T>,
    pub(crate) shift: Tensor<T>,
}

impl<T: Real> Affine<T> {
    /// w·y, for w `[C]`. (y − 0 and y + −0 are y, for zeros of both signs.)
    pub(crate) fn scale(w: Tensor<T>) -> Self {
        Self { mean: Tensor::zeros(*w.shape()), shift: Tensor::full(*w.shape(), -T::zero()), scale: w }
    }

    /// y + b, for b `[C]`.
    pub(crate) fn shift(b: Tensor<T>) -> Self {
        Self { mean: Tensor::zeros(*b.shape()), scale: Tensor::full(*b.shape(), T::one()), shift: b }
    }
}

/// A function of each element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Activation<'a> {
    /// min(max(y, low), high).
    Clip {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// f(y).
    Function(&'a dyn Curve),
    /// y·f(y).
    Gated(&'a dyn Curve),
}

impl Activation<'_> {
    fn as_bounds(self) -> Option<Bounds> {
        match self {
            Self::Clip { low, high } => Some(Bounds::new(low, high)),
            Self::Function(_) | Self::Gated(_) => None,
        }
    }
}

impl<T: Real> Finish<'_, T> {
    /// No step.
    pub(crate) const NONE: Self = Self { affine: None, residual: None, activation: None, before: None };

    /// Whether there is no step.
    pub(crate) fn is_empty(&self) -> bool {
        self.affine.is_none() && self.residual.is_none() && self.activation.is_none()
    }

    /// The bounds of a clip that is the only step: kernels apply it in registers.
    pub(crate) fn as_bounds(&self) -> Option<Bounds> {
        let is_alone = self.affine.is_none() && self.residual.is_none();
        self.activation.and_then(Activation::as_bounds).filter(|_| is_alone)
    }
}

impl Finish<'_, f64> {
    /// Applies the steps to an output, which must have the residual's size.
    pub(crate) fn apply(&self, y: &mut [f64]) {
        if let Some(Affine { mean, scale, shift }) = &self.affine {
            let [mean, scale, shift] = [mean, scale, shift].map(Tensor::as_slice);
            for y in y.chunks_exact_mut(mean.len().max(1)) {
                for c in 0..y.len() {
                    y[c] = (y[c] - mean[c]) * scale[c] + shift[c];
                }
            }
        }
        if let Some(residual) = self.residual {
            y.iter_mut().zip(residual).for_each(|(y, r)| *y += r);
        }
        match self.activation {
            None => (),
            Some(Activation::Clip { low, high }) => y.iter_mut().for_each(|y| *y = clipped(*y, low, high)),
            Some(Activation::Function(f)) => f.map_f64(y),
            Some(Activation::Gated(f)) => {
                let x = y.to_vec();
                f.map_f64(y);
                y.iter_mut().zip(x).for_each(|(y, x)| *y *= x);
            }
        }
    }
}

impl Finish<'_, f32> {
    /// Applies the steps to a whole output.
    pub(crate) fn apply(&self, y: &mut [f32]) {
        self.apply_on(tier(), y);
    }

    /// As [`apply`](Self::apply), on a tier.
    pub(crate) fn apply_on(&self, tier: Tier, y: &mut [f32]) {
        self.parts(tier, Base(y.as_mut_ptr()), self.width(), y, |_, _| ());
    }

    /// Writes what the steps make of `x` to `y`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub(crate) fn apply_from(&self, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len(), "values of the source");
        self.parts(tier(), Base(x.as_ptr().cast_mut()), self.width(), y, |_, _| ());
    }

    /// The channels of a pixel. Without a map by channel, all elements are alike.
    fn width(&self) -> usize {
        self.affine.as_ref().map_or(BLOCK, |affine| affine.mean.len().max(1))
    }

    /// Writes an output in parts of whole pixels, of `width` channels, each followed by the steps while it is in the cache:
    /// `write(first, part)` gets the index of a part's first pixel.
    pub(crate) fn write(&self, width: usize, y: &mut [f32], write: impl Fn(usize, &mut [f32]) + Sync) {
        self.parts(tier(), Base(y.as_mut_ptr()), width, y, write);
    }

    fn parts(&self, tier: Tier, from: Base, width: usize, y: &mut [f32], write: impl Fn(usize, &mut [f32]) + Sync) {
        self.check(y.len());
        let base = Base(y.as_mut_ptr());
        let pixels = grain(width);
        for_each_part(y, pixels * width.max(1), |i, y| {
            write(i * pixels, y);
            // Without a map by channel, the part is one row.
            let row = if self.affine.is_some() { width } else { y.len() };
            let rows: Vec<*mut f32> = y.chunks_mut(row.max(1)).map(<[f32]>::as_mut_ptr).collect();
            // SAFETY: the rows are parts of this task's own slice, at their places in the output.
            unsafe { self.steps(tier, from.pointer(), base.pointer(), &rows, 0..row.min(y.len())) };
        });
    }

    /// # Panics
    /// If the steps are for an output of another size.
    pub(crate) fn check(&self, len: usize) {
        assert!(self.residual.is_none_or(|residual| residual.len() == len), "a residual for each of {len} outputs");
        assert!(
            self.before.is_none_or(|before| before.len == len),
            "room for each of {len} values before the function"
        );
        let is_whole = |affine: &Affine<f32>| {
            let channels = affine.mean.len();
            affine.scale.len() == channels && affine.shift.len() == channels && len.is_multiple_of(channels.max(1))
        };
        assert!(self.affine.as_ref().is_none_or(is_whole), "an affine map of each channel of {len} outputs");
    }

    /// Applies the steps to some channels of the pixels to which `rows` point. Their values before these steps lie at the same
    /// places from `from` on.
    ///
    /// # Safety
    /// `check` has accepted the output that begins at `base`. It has these channels of these pixels, which no other thread accesses,
    /// and so have the values from `from` on.
    #[inline(always)]
    unsafe fn steps(&self, tier: Tier, from: *const f32, base: *mut f32, rows: &[*mut f32], channels: Range<usize>) {
        let bounds = self.activation.and_then(Activation::as_bounds);
        if self.affine.is_some() || self.residual.is_some() || bounds.is_some() || !std::ptr::eq(from, base) {
            let affine = self
                .affine
                .as_ref()
                .map(|affine| [&affine.mean, &affine.scale, &affine.shift].map(|values| values.as_slice().as_ptr()));
            let residual = self.residual.map(<[f32]>::as_ptr);
            let bounds = bounds.unwrap_or(Bounds::None);
            let steps = Steps { affine, residual, bounds, from, base, rows, channels: channels.clone() };
            dispatch_on(tier, steps);
        }
        // SAFETY: the caller guarantees the rows.
        unsafe {
            if let Some(before) = self.before {
                for &row in rows {
                    let row = row.add(channels.start);
                    let kept = before.values.pointer().offset(row.offset_from(base));
                    // `check` has accepted the size, and the places of this task's outputs are its own.
                    kept.copy_from_nonoverlapping(row, channels.len());
                }
            }
            match self.activation {
                Some(Activation::Function(f)) => f.map_rows(tier, false, rows, channels),
                Some(Activation::Gated(f)) => f.map_rows(tier, true, rows, channels),
                Some(Activation::Clip { .. }) | None => (),
            }
        }
    }
}

/// Outputs that tasks write, each its own part, and what is done to a part when it is complete.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    values: Disjoint<'a>,
    len: usize,
    finish: Option<&'a Finish<'a, f32>>,
}

impl<'a> Target<'a> {
    /// Nothing is done to them.
    pub(crate) fn new(values: &'a mut [f32]) -> Self {
        Self { len: values.len(), values: Disjoint::new(values), finish: None }
    }

    /// With these steps.
    ///
    /// # Panics
    /// If they are for an output of another size.
    pub(crate) fn finished_by(self, finish: &'a Finish<'a, f32>) -> Self {
        finish.check(self.len);
        Self { finish: (!finish.is_empty()).then_some(finish), ..self }
    }

    /// The address of the first value.
    pub(crate) fn pointer(self) -> *mut f32 {
        self.values.pointer()
    }

    /// The number of values.
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// To be called when these channels of the pixels to which `rows` point are computed.
    ///
    /// # Safety
    /// The outputs have these channels of these pixels, which no other thread accesses.
    #[inline(always)]
    pub(crate) unsafe fn complete(self, tier: Tier, rows: &[*mut f32], channels: Range<usize>) {
        if let Some(finish) = self.finish {
            let base = self.pointer();
            // SAFETY: `finished_by` has checked the size, and the caller guarantees the rows.
            unsafe { finish.steps(tier, base, base, rows, channels) };
        }
    }

    /// To be called when all channels of `pixels` adjacent pixels are computed.
    ///
    /// # Safety
    /// They lie in the outputs, and no other thread accesses them.
    #[inline(always)]
    pub(crate) unsafe fn complete_pixels(self, tier: Tier, first: *mut f32, pixels: usize, channels: usize) {
        let Some(finish) = self.finish else { return };
        // SAFETY: the caller guarantees the pixels.
        unsafe {
            if finish.affine.is_none() {
                return self.complete(tier, &[first], 0..pixels * channels);
            }
            for some in balanced(pixels, ROWS) {
                let mut rows = [first; ROWS];
                for (row, pixel) in rows.iter_mut().zip(some.clone()) {
                    *row = first.wrapping_add(pixel * channels);
                }
                self.complete(tier, &rows[..some.len()], 0..channels);
            }
        }
    }
}

/// The address of an output's first value.
#[derive(Clone, Copy)]
struct Base(*mut f32);

// SAFETY: the pointer is only compared, and the values behind it are reached through the rows.
unsafe impl Sync for Base {}

impl Base {
    /// (A method, so that closures capture the whole and not the bare pointer.)
    fn pointer(self) -> *mut f32 {
        self.0
    }
}

/// Rows that share one load of the parameters of some channels.
const ROWS: usize = 16;

/// The steps that are plain arithmetic, in a single pass over the rows.
struct Steps<'a> {
    affine: Option<[*const f32; 3]>,
    residual: Option<*const f32>,
    bounds: Bounds,
    from: *const f32,
    base: *mut f32,
    rows: &'a [*mut f32],
    channels: Range<usize>,
}

impl Kernel for Steps<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match (self.affine.is_some(), self.residual.is_some()) {
            (true, true) => self.pass::<S, true, true>(s),
            (true, false) => self.pass::<S, true, false>(s),
            (false, true) => self.pass::<S, false, true>(s),
            (false, false) => self.pass::<S, false, false>(s),
        }
    }
}

impl Steps<'_> {
    #[inline(always)]
    fn pass<S: Simd, const AFFINE: bool, const RESIDUAL: bool>(&self, s: S) {
        let [mean, scale, shift] = self.affine.unwrap_or([std::ptr::null(); 3]);
        let at = self.channels.clone().step_by(S::LANES);
        for (rows, at) in self.rows.chunks(ROWS).flat_map(|rows| at.clone().map(move |at| (rows, at))) {
            let lanes = S::LANES.min(self.channels.end - at);
            let whole = lanes == S::LANES;
            // SAFETY: each array has these channels, as the caller of `steps` guarantees.
            unsafe {
                let load = |p: *const f32| if whole { s.load(p) } else { s.load_first(p, lanes) };
                let [mean, scale, shift] =
                    [mean, scale, shift].map(|values| if AFFINE { load(values.wrapping_add(at)) } else { s.zero() });
                for &row in rows {
                    let p = row.wrapping_add(at);
                    let place = p.offset_from(self.base);
                    let mut y = load(self.from.offset(place));
                    if AFFINE {
                        y = s.add(s.mul(s.sub(y, mean), scale), shift);
                    }
                    if let (true, Some(residual)) = (RESIDUAL, self.residual) {
                        y = s.add(y, load(residual.offset(place)));
                    }
                    y = self.bounds.apply(s, y);
                    if whole { s.store(p, y) } else { s.store_first(p, y, lanes) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{bits, values};

    #[test]
    fn the_steps_are_those_of_the_layers_one_by_one() {
        for channels in [1, 3, 16, 40] {
            let len = channels * 500;
            let tensor = |len: usize, seed| Tensor::new([len], values(len, seed));
            let affine = Affine { mean: tensor(channels, 1), scale: tensor(channels, 2), shift: tensor(channels, 3) };
            let residual = values(len, 4);
            let x = values(len, 5);
            for which in 0..8 {
                let finish = Finish {
                    affine: (which & 1 != 0).then(|| affine.clone()),
                    residual: (which & 2 != 0).then_some(&residual),
                    activation: (which & 4 != 0).then_some(Activation::Clip { low: -0.25, high: 0.5 }),
                    before: None,
                };
                let mut y = x.clone();
                finish.apply(&mut y);
                let expected = x.iter().enumerate().map(|(i, &x)| {
                    let c = i % channels;
                    let [mean, scale, shift] = [&affine.mean, &affine.scale, &affine.shift].map(|v| v.as_slice()[c]);
                    let y = if which & 1 != 0 { (x - mean) * scale + shift } else { x };
                    let y = if which & 2 != 0 { y + residual[i] } else { y };
                    if which & 4 != 0 { y.clamp(-0.25, 0.5) } else { y }
                });
                assert_eq!(bits(&y), bits(&expected.collect::<Vec<_>>()), "{channels} channels, steps {which:03b}");
            }
        }
    }
}
