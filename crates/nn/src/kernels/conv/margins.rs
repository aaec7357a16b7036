//! Rows of an image between margins of zeros, for convolutions of few input channels.

use crate::ConvGeometry;

/// Input channels up to which a padded copy is faster than reading in place.
pub(super) const FEW_CHANNELS: usize = 8;

/// Copies rows of an image between margins of zeros, from padded row `first` on, as many as `copy` holds.
#[inline(always)]
pub(super) fn copy_rows(g: &ConvGeometry, image: &[f32], first: usize, copy: &mut [f32]) {
    let values = g.input[1] * g.in_channels;
    let margin = g.conv.padding.left * g.in_channels;
    let line = values + g.conv.padding.total()[1] * g.in_channels;
    for (row, target) in copy.chunks_exact_mut(line).enumerate() {
        match (first + row).checked_sub(g.conv.padding.top).filter(|&y| y < g.input[0]) {
            Some(y) => {
                target[..margin].fill(0.0);
                target[margin..margin + values].copy_from_slice(&image[y * values..][..values]);
                target[margin + values..].fill(0.0);
            }
            None => target.fill(0.0),
        }
    }
}
