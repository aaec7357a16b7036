//! Extents of an array.

use std::fmt;
use std::ops::Deref;

/// Most dimensions a tensor can have.
pub const MAX_RANK: usize = 8;

/// The extents of an array, outermost first; printed as `[N, H, W, C]`. Copied, not allocated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: usize,
}

impl Shape {
    /// The shape with these extents.
    ///
    /// # Panics
    /// With more than [`MAX_RANK`] dimensions, or where the number of elements overflows.
    #[must_use]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "a tensor has at most {MAX_RANK} dimensions, found {dims:?}");
        assert!(
            dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).is_some(),
            "the number of elements of {dims:?} overflows"
        );
        let mut shape = Self { dims: [0; MAX_RANK], rank: dims.len() };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// Number of elements; 1 for a scalar.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The shape that arrays of these two broadcast to: aligned at the last dimension, an extent of 1 repeats.
    #[must_use]
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank.max(other.rank);
        let mut dims = [1; MAX_RANK];
        for from_last in 1..=rank {
            let extent = |s: &Self| if from_last <= s.rank { s[s.rank - from_last] } else { 1 };
            dims[rank - from_last] = match (extent(self), extent(other)) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return None,
            };
        }
        Some(Self::new(&dims[..rank]))
    }

    /// This shape with another extent in one dimension.
    ///
    /// # Panics
    /// Where there is no such dimension.
    #[must_use]
    pub fn with(&self, axis: usize, extent: usize) -> Self {
        let mut dims = self.dims;
        dims[..self.rank][axis] = extent;
        Self::new(&dims[..self.rank])
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.dims[..self.rank]
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl<const R: usize> From<[usize; R]> for Shape {
    fn from(dims: [usize; R]) -> Self {
        Self::new(&dims)
    }
}

impl<const R: usize> From<&[usize; R]> for Shape {
    fn from(dims: &[usize; R]) -> Self {
        Self::new(dims)
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self::new(&dims)
    }
}

impl From<&Self> for Shape {
    fn from(shape: &Self) -> Self {
        *shape
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_last_dimensions() {
        let shape = |dims: &[usize]| Shape::new(dims);
        assert_eq!(shape(&[2, 3, 4]).broadcast(&shape(&[4])), Some(shape(&[2, 3, 4])));
        assert_eq!(shape(&[2, 1, 4]).broadcast(&shape(&[3, 1])), Some(shape(&[2, 3, 4])));
        assert_eq!(shape(&[]).broadcast(&shape(&[5])), Some(shape(&[5])));
        assert_eq!(shape(&[2, 3]).broadcast(&shape(&[2])), None);
        assert_eq!(shape(&[0]).broadcast(&shape(&[1])), Some(shape(&[0])));
    }

    #[test]
    fn shapes_print_as_people_read_them() {
        assert_eq!(Shape::new(&[2, 30, 22, 3]).to_string(), "[2, 30, 22, 3]");
        assert_eq!(Shape::new(&[]).to_string(), "[]");
    }
}
