//! Limits far above any real network, which keep a hostile file from asking for memory or time without measure.

/// Values of one image and of all that a model computes from it: 2 GiB in single precision.
pub(crate) const MAX_VALUES: usize = 1 << 29;
/// Multiply–adds for one image, and values that poolings look at.
pub(crate) const MAX_WORK: u64 = 1 << 40;

/// The number of values in an array of this shape, if it can be counted.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, &extent| n.checked_mul(extent))
}
