//! The extents of an array.

use std::fmt;
use std::ops::Deref;

use thiserror::Error;

use crate::broadcast::broadcast;

/// The limit of a tensor's number of dimensions.
pub const MAX_RANK: usize = 8;

/// The extents of an array, outermost first. It is displayed as `[N, H, W, C]`, and holds the extents without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: usize,
}

/// Extents that no tensor can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// More than [`MAX_RANK`] dimensions.
    #[error("a tensor has at most {MAX_RANK} dimensions, found {0:?}")]
    Rank(Vec<usize>),
    /// More elements than a `usize` can count.
    #[error("the number of elements of {0:?} overflows")]
    Elements(Vec<usize>),
}

impl Shape {
    /// The shape with these extents.
    ///
    /// # Panics
    /// With more than [`MAX_RANK`] dimensions, or if the number of elements overflows.
    #[must_use]
    pub fn new(dims: &[usize]) -> Self {
        Self::try_new(dims).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The shape with these extents.
    ///
    /// # Errors
    /// With more than [`MAX_RANK`] dimensions, or if the number of elements overflows.
    pub fn try_new(dims: &[usize]) -> Result<Self, ShapeError> {
        if dims.len() > MAX_RANK {
            return Err(ShapeError::Rank(dims.to_vec()));
        }
        if dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).is_none() {
            return Err(ShapeError::Elements(dims.to_vec()));
        }
        let mut shape = Self { dims: [0; MAX_RANK], rank: dims.len() };
        shape.dims[..dims.len()].copy_from_slice(dims);
        Ok(shape)
    }

    /// The number of elements: 1 for the shape `[]`.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The shape that arrays of these two [broadcast] to. `None` if they don't, or if the result is no shape.
    #[must_use]
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        Self::try_new(&broadcast(self, other)?).ok()
    }

    /// This shape with another extent in one dimension.
    ///
    /// # Panics
    /// If there is no such dimension.
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
    fn what_no_tensor_can_have_is_refused() {
        assert_eq!(Shape::try_new(&[2, 3]), Ok(Shape::new(&[2, 3])));
        assert_eq!(Shape::try_new(&[1; 9]), Err(ShapeError::Rank(vec![1; 9])));
        assert_eq!(Shape::try_new(&[1 << 40; 2]), Err(ShapeError::Elements(vec![1 << 40; 2])));
        assert_eq!(Shape::new(&[1 << 40, 1]).broadcast(&Shape::new(&[1 << 40])), None, "it overflows");
    }

    #[test]
    fn shapes_print_as_people_read_them() {
        assert_eq!(Shape::new(&[2, 30, 22, 3]).to_string(), "[2, 30, 22, 3]");
        assert_eq!(Shape::new(&[]).to_string(), "[]");
    }
}
