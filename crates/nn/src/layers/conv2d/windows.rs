//! Convolutions of windows that ONNX files fold into the batch, `[N·w, C, H, W]`: one image has them all, one above the other,
//! with rows of zeros between them, so that a convolution stays within each and its weights stand once.

use crate::geometry::{Convolution, Padding};
use crate::layers::shape::Pad;
use crate::onnx::prelude::*;

/// Where each window's output lies in the tall image's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stack {
    windows: usize,
    /// Rows from one window to the next.
    pitch: usize,
    /// Rows of a window.
    rows: usize,
}

impl Stack {
    /// The tall image of windows, and the convolution of it that does what this one does in each.
    pub(super) fn of(
        r: &mut Reading<'_>,
        x: &Activation,
        kernel: [usize; 2],
        conv: Convolution,
    ) -> Result<(Self, Activation, Convolution), NodeError> {
        let misfit = || x.misfit("windows [N·w, C, H, W] that the kernel fits into");
        let (n, &[all, channels, height, width]) = (r.images(), &x.shape()[..]) else { return Err(misfit()) };
        let Padding { top, bottom, left, right } = conv.padding;
        let step = conv.stride[0];
        let reach = kernel[0].saturating_sub(1).saturating_mul(conv.dilation[0]).saturating_add(1);
        let whole = height.saturating_add(top).saturating_add(bottom);
        if !all.is_multiple_of(n) || step == 0 {
            return Err(misfit());
        }
        let (windows, pitch) = (all / n, whole.div_ceil(step));
        let stack = Self { windows, pitch, rows: whole.checked_sub(reach).ok_or_else(misfit)? / step + 1 };
        let beside = r.reshaped(x.clone().into(), &[n, windows * channels, height, width])?;
        let beside = image(r, "windows", beside)?;
        let below = pitch.saturating_mul(step).saturating_sub(height + top);
        let padding = Padding { top, bottom: below, ..Padding::default() };
        let padded = r.add("padded", Pad { padding, channels: [0, 0], value: 0.0 }, &[beside.source], [])?;
        let tall = pitch * step;
        let apart = r.reshaped(r.image(padded).into(), &[n, windows, channels, tall, width])?;
        let apart = r.permuted(apart, &[0, 2, 1, 3, 4])?;
        let stacked = r.reshaped(apart, &[n, channels, windows * tall, width])?;
        let stacked = image(r, "stack", stacked)?;
        // The last window's rows of output are as many as those of the others.
        let padding = Padding { top: 0, bottom: reach.saturating_sub(step), left, right };
        Ok((stack, stacked, Convolution { padding, ..conv }))
    }

    /// The windows of the tall image's convolution.
    pub(super) fn apart(self, r: &mut Reading<'_>, y: Activation) -> Result<Value, NodeError> {
        let (n, &[_, channels, _, width]) = (r.images(), &y.shape()[..]) else {
            return Err(y.misfit("an image [N, C, H, W]"));
        };
        let windows = r.reshaped(y.into(), &[n, channels, self.windows, self.pitch, width])?;
        let windows = r.select(windows, 3, 0..self.rows)?;
        let windows = r.permuted(windows, &[0, 2, 1, 3, 4])?;
        r.reshaped(windows, &[n * self.windows, channels, self.rows, width])
    }
}

/// A view as an image.
fn image(r: &mut Reading<'_>, part: &str, x: Value) -> Result<Activation, NodeError> {
    match x {
        Value::Activation(x) => r.arranged(part, &x),
        Value::Constant(constant) => Err(NodeError::shape("an image [N, C, H, W]", &constant.shape)),
    }
}
