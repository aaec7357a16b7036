//! Where the windows of a pooling lie.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{GeometryError, Padding, window_output};

/// The windows of a 2-d pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool2d {
    /// Extent `[rows, columns]` of a window.
    pub kernel: [usize; 2],
    /// Steps `[down, right]` between neighbouring windows.
    pub stride: [usize; 2],
    /// Rows and columns added round the picture, on each side fewer than a window has.
    pub padding: Padding,
}

/// The geometry of one pooling, the input's shape included: `[N, H, W, C]` → `[N, Ho, Wo, C]` with
/// `Ho = ⌊(H + top + bottom − Kh) / stride⌋ + 1`, and `Wo` likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Images in the batch, N.
    pub batch: usize,
    /// Input `[H, W]`.
    pub input: [usize; 2],
    /// Channels, C.
    pub channels: usize,
    /// Output `[Ho, Wo]`.
    pub output: [usize; 2],
    /// Kernel, stride, padding.
    pub pool: Pool2d,
}

impl Pool2d {
    /// Windows of `size` × `size` side by side: the stride is the size, and there is no padding.
    #[must_use]
    pub fn square(size: usize) -> Self {
        Self { kernel: [size; 2], stride: [size; 2], padding: Padding::default() }
    }

    /// The same stride down and right.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same padding on all four sides.
    #[must_use]
    pub fn padding(self, pixels: usize) -> Self {
        Self { padding: Padding::all(pixels), ..self }
    }

    /// The geometry for an input `[N, H, W, C]`.
    ///
    /// # Errors
    /// If the input isn't of that form or has no pixel, or a window doesn't fit or could lie in the padding alone.
    pub fn geometry(&self, input: &[usize]) -> Result<PoolGeometry, GeometryError> {
        let &[batch, height, width, channels] = input else {
            return Err(GeometryError::InputRank(input.to_vec()));
        };
        if height == 0 || width == 0 {
            return Err(GeometryError::Zero("the picture's height or width"));
        }
        let output = window_output([height, width], self.kernel, self.stride, &self.padding, [1, 1])?;
        let Padding { top, bottom, left, right } = self.padding;
        if top.max(bottom) >= self.kernel[0] || left.max(right) >= self.kernel[1] {
            return Err(GeometryError::WindowInPadding { kernel: self.kernel, padding: self.padding });
        }
        Ok(PoolGeometry { batch, input: [height, width], channels, output, pool: *self })
    }
}

impl PoolGeometry {
    /// `[N, H, W, C]`.
    #[must_use]
    pub const fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.input[0], self.input[1], self.channels]
    }

    /// `[N, Ho, Wo, C]`.
    #[must_use]
    pub const fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.output[0], self.output[1], self.channels]
    }

    /// Elements of one image, H·W·C.
    pub(crate) const fn image_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// Whether each pixel of the picture is in exactly one window.
    pub(crate) fn tiles(&self) -> bool {
        let pool = &self.pool;
        pool.kernel == pool.stride
            && pool.padding == Padding::default()
            && [0, 1].map(|d| self.output[d] * pool.stride[d]) == self.input
    }

    /// The rows and the columns of the picture under output pixel `[oy, ox]`; never empty.
    pub(crate) fn window(&self, output: [usize; 2]) -> [Range<usize>; 2] {
        let before = [self.pool.padding.top, self.pool.padding.left];
        [0, 1].map(|d| {
            let start = output[d] * self.pool.stride[d];
            start.saturating_sub(before[d])..(start + self.pool.kernel[d] - before[d]).min(self.input[d])
        })
    }

    /// For output pixel `[oy, ox]`, the offset within its image of each input pixel in its window, row by row.
    pub(crate) fn pixels(&self, output: [usize; 2]) -> impl Iterator<Item = usize> + use<> {
        let [rows, columns] = self.window(output);
        let (width, channels) = (self.input[1], self.channels);
        rows.flat_map(move |y| columns.clone().map(move |x| (y * width + x) * channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_step_and_are_cut_at_the_border() {
        let geometry = Pool2d::square(3).stride(2).padding(1).geometry(&[2, 7, 6, 3]).unwrap();
        assert_eq!(geometry.output_shape(), [2, 4, 3, 3]);
        assert_eq!(geometry.window([0, 1]), [0..2, 1..4]);
        assert_eq!(geometry.window([3, 2]), [5..7, 3..6]);
        assert_eq!(geometry.pixels([0, 0]).collect::<Vec<_>>(), [0, 3, 18, 21]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_a_reason() {
        let message = |pool: Pool2d, input: &[usize]| pool.geometry(input).unwrap_err().to_string();
        assert!(message(Pool2d::square(2).padding(2), &[1, 4, 4, 1]).contains("room for a whole window of [2, 2]"));
        assert!(
            message(Pool2d::square(5), &[1, 4, 4, 1]).contains("[5, 5] (dilation included) doesn't fit into [4, 4]")
        );
        assert!(message(Pool2d::square(2).padding(1), &[1, 0, 4, 1]).contains("height or width is zero"));
        assert!(message(Pool2d::square(2).stride(0), &[1, 4, 4, 1]).contains("stride is zero"));
        assert!(message(Pool2d::square(2), &[4, 4, 1]).contains("found [4, 4, 1]"));
        assert!(message(Pool2d::square(2).padding(usize::MAX), &[1, 4, 4, 1]).contains("a padding of"));
        assert!(message(Pool2d::square(usize::MAX), &[1, 4, 4, 1]).contains("the limit is 1048576"));
    }
}
