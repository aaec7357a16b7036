//! What layers' texts share.

/// `3` for equal extents, else `3×2`.
pub(super) fn pair([a, b]: [usize; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a}×{b}") }
}
