//! Arrays read as if they had a larger shape.

use crate::blocks::{BLOCK, LOOP, for_each_part};
use crate::element::Element;
use crate::shape::Shape;
use crate::simd::vectorized;
use crate::tensor::Tensor;

/// The extents that arrays of these two broadcast to: aligned at the last dimension, an extent of 1 repeats. `None` if they
/// don't broadcast.
///
/// ```
/// assert_eq!(tensor::broadcast(&[2, 1, 4], &[3, 1]), Some(vec![2, 3, 4]));
/// assert_eq!(tensor::broadcast(&[2, 3], &[2]), None);
/// ```
#[must_use]
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (longer, shorter) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let (leading, aligned) = longer.split_at(longer.len() - shorter.len());
    let mut extents = leading.to_vec();
    for pair in aligned.iter().zip(shorter) {
        extents.push(match pair {
            (&a, &b) if a == b || b == 1 => a,
            (1, &b) => b,
            _ => return None,
        });
    }
    Some(extents)
}

/// A tensor read as if it had a larger shape, in which the dimensions of extent 1 repeat.
struct Expanded<'a, T> {
    data: &'a [T],
    /// Elements of the last dimensions, which don't repeat.
    width: usize,
    /// How often the dimensions before these repeat them.
    repeats: usize,
    /// The extents of the dimensions before these, the last first, and the elements from one index to the next.
    outer: Vec<(usize, usize)>,
}

impl<'a, T: Element> Expanded<'a, T> {
    /// `tensor` broadcasts to `shape`.
    fn new(tensor: &'a Tensor<T>, shape: &Shape) -> Self {
        let leading = shape.len() - tensor.shape().len();
        let own = |axis: usize| if axis < leading { 1 } else { tensor.shape()[axis - leading] };
        let mut axes = (0..shape.len()).rev().peekable();
        let (mut width, mut repeats) = (1, 1);
        while let Some(axis) = axes.next_if(|&axis| own(axis) == shape[axis]) {
            width *= shape[axis];
        }
        while let Some(axis) = axes.next_if(|&axis| own(axis) == 1) {
            repeats *= shape[axis];
        }
        let mut step = width;
        let outer = axes.map(|axis| {
            let outer = (shape[axis], if own(axis) == 1 { 0 } else { step });
            step *= own(axis);
            outer
        });
        Self { data: tensor.as_slice(), width, repeats, outer: outer.collect() }
    }

    /// The `index`th of the rows that repeat.
    fn row(&self, mut index: usize) -> &'a [T] {
        let mut start = 0;
        for &(extent, step) in &self.outer {
            start += index % extent * step;
            index /= extent;
        }
        &self.data[start..][..self.width]
    }

    /// Writes the elements from the index `start` of the larger shape on.
    fn fill(&self, mut start: usize, mut to: &mut [T]) {
        let block = self.width * self.repeats;
        while !to.is_empty() {
            let (index, within) = (start / block, start % block);
            let len = to.len().min(block - within);
            let (part, rest) = std::mem::take(&mut to).split_at_mut(len);
            repeat(self.row(index), within % self.width, part);
            (start, to) = (start + len, rest);
        }
    }

    /// The elements from the index `start` of the larger shape on, as many as the buffer has: in the buffer, unless they lie
    /// side by side anyway.
    fn read<'b>(&'b self, start: usize, buffer: &'b mut [T]) -> &'b [T] {
        let within = start % self.width;
        if within + buffer.len() <= self.width {
            return &self.row(start / (self.width * self.repeats))[within..][..buffer.len()];
        }
        self.fill(start, buffer);
        buffer
    }

    /// `y[i] ← f(y[i], x[i])` with the elements x from the index `start` of the larger shape on.
    fn update(&self, start: usize, y: &mut [T], buffer: &mut [T], f: &impl Fn(T, T) -> T) {
        let x = self.read(start, &mut buffer[..y.len()]);
        vectorized(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(*y, x)),
        );
    }
}

/// Fills `to` with the row from the index `first` on, over and over.
fn repeat<T: Copy>(row: &[T], first: usize, to: &mut [T]) {
    let (head, tail) = to.split_at_mut((row.len() - first).min(to.len()));
    head.copy_from_slice(&row[first..][..head.len()]);
    let mut filled = row.len().min(tail.len());
    tail[..filled].copy_from_slice(&row[..filled]);
    while filled < tail.len() {
        let more = filled.min(tail.len() - filled);
        tail.copy_within(..more, filled);
        filled += more;
    }
}

impl<T: Element> Tensor<T> {
    /// The array with a larger shape, in which the dimensions of extent 1 repeat.
    ///
    /// # Panics
    /// If this tensor's shape doesn't broadcast to `shape`.
    #[must_use]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(self.shape().broadcast(&shape), Some(shape), "{} doesn't broadcast to {shape}", self.shape());
        if *self.shape() == shape {
            return self.clone();
        }
        let expanded = Expanded::new(self, &shape);
        let mut result = Self::scratch(shape);
        for_each_part(result.make_mut(), BLOCK, |block, part| expanded.fill(block * BLOCK, part));
        result
    }

    /// `f(self, other)` element by element over the shape that both broadcast to. Works in place if that is this tensor's
    /// shape and nothing else shares its memory.
    ///
    /// # Panics
    /// If the shapes don't broadcast.
    #[must_use]
    pub fn zip_broadcast(mut self, other: &Self, f: impl Fn(T, T) -> T + Sync) -> Self {
        if self.shape() == other.shape() {
            return self.zip(other, f);
        }
        let shape = self.shape().broadcast(other.shape());
        let shape = shape.unwrap_or_else(|| panic!("{} and {} don't broadcast", self.shape(), other.shape()));
        let right = Expanded::new(other, &shape);
        if *self.shape() == shape
            && let Some(data) = self.get_mut()
        {
            for_each_run(data, |start, y, [buffer, _]| right.update(start, y, buffer, &f));
            return self;
        }
        let left = Expanded::new(&self, &shape);
        let mut result = Self::scratch(shape);
        for_each_run(result.make_mut(), |start, y, [a, b]| {
            let (a, b) = (left.read(start, &mut a[..y.len()]), right.read(start, &mut b[..y.len()]));
            vectorized(
                #[inline(always)]
                || y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = f(a, b)),
            );
        });
        result
    }
}

/// Calls `f(start, run, buffers)` for runs of elements, in parallel; `start` is a run's index, and each buffer has room for it.
fn for_each_run<T: Element>(data: &mut [T], f: impl Fn(usize, &mut [T], [&mut [T]; 2]) + Sync) {
    for_each_part(data, BLOCK, |block, part| {
        let [mut a, mut b] = [[T::zero(); LOOP]; 2];
        for (i, run) in part.chunks_mut(LOOP).enumerate() {
            f(block * BLOCK + i * LOOP, run, [&mut a, &mut b]);
        }
    });
}

/// `y[i] ← f(y[i], other[i])` for a part of an array of this shape, from the element `first` on, to which `other` broadcasts.
///
/// # Panics
/// If `other` doesn't broadcast to the shape.
pub fn update_broadcast<T: Element>(
    part: &mut [T],
    first: usize,
    shape: &Shape,
    other: &Tensor<T>,
    f: impl Fn(T, T) -> T + Sync,
) {
    assert_eq!(other.shape().broadcast(shape), Some(*shape), "{} doesn't broadcast to {shape}", other.shape());
    let right = Expanded::new(other, shape);
    for_each_run(part, |start, y, [buffer, _]| right.update(first + start, y, buffer, &f));
}

#[cfg(test)]
mod tests {
    use ndarray::{IxDyn, Zip};
    use proptest::prelude::*;

    use super::*;

    /// Two shapes that broadcast.
    fn shapes() -> impl Strategy<Value = [Vec<usize>; 2]> {
        let extent = prop_oneof![
            Just((1, 1)),
            (1_usize..6).prop_map(|n| (n, n)),
            (0_usize..70).prop_map(|n| (1, n)),
            (0_usize..70).prop_map(|n| (n, 1))
        ];
        (prop::collection::vec(extent, 0..5), 0_usize..5, 0_usize..5).prop_map(|(extents, a, b)| {
            let (left, right): (Vec<_>, Vec<_>) = extents.into_iter().unzip();
            [left[a.min(left.len())..].to_vec(), right[b.min(right.len())..].to_vec()]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_ndarray_broadcasts([left, right] in shapes()) {
            let values = |shape: &[usize]| Tensor::from_fn(shape, |i| (i as f32 * 0.7).sin());
            let (a, b) = (values(&left), values(&right));
            let Some(shape) = broadcast(&left, &right) else { return Err(TestCaseError::reject("they don't broadcast")) };
            prop_assume!(shape.iter().product::<usize>() < 300_000);
            let mut expected = Tensor::zeros(&shape[..]);
            let (x, y) = (a.view(), b.view());
            let (x, y) = (x.broadcast(IxDyn(&shape)).unwrap(), y.broadcast(IxDyn(&shape)).unwrap());
            Zip::from(expected.view_mut()).and(&x).and(y).for_each(|z, &x, &y| *z = x - y);
            prop_assert_eq!(&a.clone().zip_broadcast(&b, |x, y| x - y), &expected);
            prop_assert_eq!(&Tensor::from(a.view()).zip_broadcast(&b, |x, y| x - y), &expected, "in place");
            prop_assert_eq!(a.broadcast_to(&shape[..]), Tensor::from(x));
        }
    }

    #[test]
    fn broadcasting_aligns_last_dimensions() {
        assert_eq!(broadcast(&[2, 3, 4], &[4]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast(&[2, 1, 4], &[3, 1]), Some(vec![2, 3, 4]));
        assert_eq!(broadcast(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast(&[2, 3], &[2]), None);
        assert_eq!(broadcast(&[0], &[1]), Some(vec![0]));
    }

    #[test]
    fn an_array_of_the_common_shape_is_overwritten() {
        for channels in [3, 1000] {
            let a = Tensor::from_fn([40, 30, channels], |i| i as f32);
            let b = Tensor::from_fn([channels], |i| i as f32);
            let address = a.as_slice().as_ptr();
            let sum = a.zip_broadcast(&b, |a, b| a + b);
            assert_eq!(sum.as_slice().as_ptr(), address);
            assert!(sum.as_slice().iter().enumerate().all(|(i, &x)| x == (i + i % channels) as f32));
        }
    }
}
