//! The n-dimensional array.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use approx::{AbsDiffEq, RelativeEq};
use ndarray::{Array, ArrayD, ArrayView, ArrayViewD, ArrayViewMutD, Axis, Dimension, IxDyn, Slice};

use crate::blocks::{self, BLOCK, for_each_part, grain, update};
use crate::buffer::Buffer;
use crate::element::Element;
use crate::shape::Shape;

/// An n-dimensional array: contiguous and row-major. Clones share their memory until one of them is written to.
///
/// ```
/// use tensor::Tensor;
/// let x = Tensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// assert_eq!(x.shape().to_string(), "[2, 3]");
/// assert_eq!(x.view()[[1, 0]], 4.0);
/// ```
#[derive(Clone)]
pub struct Tensor<T: Element> {
    shape: Shape,
    buffer: Arc<Buffer<T>>,
}

impl<T: Element> Tensor<T> {
    /// An array with these elements in row-major order.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    #[must_use]
    pub fn new(shape: impl Into<Shape>, data: Vec<T>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "the shape {shape} doesn't hold {} elements", data.len());
        Self { shape, buffer: Arc::new(Buffer::new(data)) }
    }

    /// An array without dimensions, `[]`: one element.
    #[must_use]
    pub fn scalar(x: T) -> Self {
        Self::new([], vec![x])
    }

    /// An array of zeros.
    #[must_use]
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self { shape, buffer: Arc::new(Buffer::zeros(shape.elements())) }
    }

    /// An array whose elements are all `x`.
    #[must_use]
    pub fn full(shape: impl Into<Shape>, x: T) -> Self {
        let mut tensor = Self::scratch(shape);
        update(tensor.make_mut(), [], |_, []| x);
        tensor
    }

    /// An array of unspecified elements, to be overwritten: memory that is used again isn't cleared first.
    #[must_use]
    pub fn scratch(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        Self { shape, buffer: Arc::new(Buffer::scratch(shape.elements())) }
    }

    /// An array whose element at the row-major index `i` is `f(i)`.
    #[must_use]
    pub fn from_fn(shape: impl Into<Shape>, f: impl FnMut(usize) -> T) -> Self {
        let shape = shape.into();
        Self::new(shape, (0..shape.elements()).map(f).collect())
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.elements()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.buffer.data()
    }

    /// The elements in a vector: copied if something else shares them, or if their memory is pooled.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<T> {
        match Arc::get_mut(&mut self.buffer) {
            Some(buffer) => buffer.take(),
            None => self.as_slice().to_vec(),
        }
    }

    /// The elements, to write to. `None` if something else shares them.
    pub fn get_mut(&mut self) -> Option<&mut [T]> {
        Arc::get_mut(&mut self.buffer).map(Buffer::data_mut)
    }

    /// The elements, to write to: copied first if something else shares them.
    pub fn make_mut(&mut self) -> &mut [T] {
        if Arc::get_mut(&mut self.buffer).is_none() {
            let mut copy = Buffer::scratch(self.len());
            blocks::copy(copy.data_mut(), self.as_slice());
            self.buffer = Arc::new(copy);
        }
        self.get_mut().expect("the buffer is this tensor's own")
    }

    /// The array as a view of `ndarray`.
    #[must_use]
    pub fn view(&self) -> ArrayViewD<'_, T> {
        ArrayViewD::from_shape(IxDyn(&self.shape), self.as_slice()).expect("a tensor is contiguous")
    }

    /// The array as a view of `ndarray`, to write to: copied first if something else shares its memory.
    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, T> {
        let shape = self.shape;
        ArrayViewMutD::from_shape(IxDyn(&shape), self.make_mut()).expect("a tensor is contiguous")
    }

    /// A copy as an array of `ndarray`.
    #[must_use]
    pub fn to_array(&self) -> ArrayD<T> {
        self.view().to_owned()
    }

    /// The only element.
    ///
    /// # Panics
    /// If there isn't exactly one element.
    #[must_use]
    pub fn item(&self) -> T {
        assert_eq!(self.len(), 1, "expected one element, found {}", self.shape);
        self.as_slice()[0]
    }

    /// The same elements with another shape. Nothing is copied.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), self.len(), "{} can't be read as {shape}", self.shape);
        Self { shape, buffer: Arc::clone(&self.buffer) }
    }

    /// `f` of every element. Works in place if nothing else shares the memory.
    #[must_use]
    pub fn map(mut self, f: impl Fn(T) -> T + Sync) -> Self {
        if let Some(data) = self.get_mut() {
            update(data, [], |x, []| f(x));
            return self;
        }
        let mut result = Self::scratch(self.shape);
        update(result.make_mut(), [self.as_slice()], |_, [x]| f(x));
        result
    }

    /// `f(self, other)` element by element. Works in place if nothing else shares this tensor's memory.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn zip(mut self, other: &Self, f: impl Fn(T, T) -> T + Sync) -> Self {
        assert_eq!(self.shape, other.shape, "{} and {} differ", self.shape, other.shape);
        if let Some(data) = self.get_mut() {
            update(data, [other.as_slice()], |x, [y]| f(x, y));
            return self;
        }
        let mut result = Self::scratch(self.shape);
        update(result.make_mut(), [self.as_slice(), other.as_slice()], |_, [x, y]| f(x, y));
        result
    }

    /// max(x, 0) of every element. NaN stays NaN.
    #[must_use]
    pub fn positive_part(&self) -> Self {
        self.clone().map(|x| if x < T::zero() { T::zero() } else { x })
    }

    /// The elements in another precision.
    #[must_use]
    pub fn cast<U: Element>(&self) -> Tensor<U> {
        Tensor::new(self.shape, self.as_slice().iter().map(|x| U::from_f64(x.as_f64())).collect())
    }

    /// A value computed from this array's elements and kept with them: transformed weights, say.
    ///
    /// Returns the value of type `D` that `fits`; if there is none, `make` computes it. After the elements have been written
    /// to, `refresh` brings it up to date, or `make` does if somebody still holds the old one. Four values are kept at most,
    /// those used last. Two threads that ask at once may both compute the value, and get the same one.
    #[must_use]
    pub fn derived<D: Any + Send + Sync>(
        &self,
        fits: impl Fn(&D) -> bool,
        make: impl FnOnce() -> D,
        refresh: impl FnOnce(&mut D),
    ) -> Arc<D> {
        self.buffer.derived().get(fits, make, refresh)
    }

    /// Whether the two share their memory.
    #[must_use]
    pub fn shares_memory(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.buffer, &other.buffer)
    }
}

impl<T: Element, D: Dimension> From<ArrayView<'_, T, D>> for Tensor<T> {
    fn from(view: ArrayView<'_, T, D>) -> Self {
        let mut tensor = Self::scratch(view.shape());
        let mut view = view.into_dyn();
        if tensor.len() <= BLOCK {
            tensor.view_mut().assign(&view);
            return tensor;
        }
        // In parallel over the first dimension that has several indices.
        while view.len_of(Axis(0)) == 1 {
            view = view.index_axis_move(Axis(0), 0);
        }
        let width: usize = view.shape()[1..].iter().product();
        let rows = grain(width);
        for_each_part(tensor.make_mut(), rows * width, |i, part| {
            let first = i * rows;
            let from = view.slice_axis(Axis(0), Slice::from(first..first + part.len() / width));
            ArrayViewMutD::from_shape(from.raw_dim(), part).expect("a tensor is contiguous").assign(&from);
        });
        tensor
    }
}

impl<T: Element, D: Dimension> From<Array<T, D>> for Tensor<T> {
    fn from(array: Array<T, D>) -> Self {
        let shape = Shape::new(array.shape());
        if array.is_standard_layout() {
            let (mut data, offset) = array.into_raw_vec_and_offset();
            data.truncate(offset.unwrap_or(0) + shape.elements());
            data.drain(..offset.unwrap_or(0));
            return Self::new(shape, data);
        }
        Self::from(array.view())
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor<{}> {} {:?}", T::NAME, self.shape, self.view())
    }
}

/// Tensors are equal if their shapes and elements are.
impl<T: Element> PartialEq for Tensor<T> {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.as_slice() == other.as_slice()
    }
}

impl<T: Element + AbsDiffEq<Epsilon = T>> AbsDiffEq for Tensor<T> {
    type Epsilon = T;

    fn default_epsilon() -> T {
        T::default_epsilon()
    }

    fn abs_diff_eq(&self, other: &Self, epsilon: T) -> bool {
        self.shape == other.shape && self.as_slice().abs_diff_eq(other.as_slice(), epsilon)
    }
}

impl<T: Element + RelativeEq<Epsilon = T>> RelativeEq for Tensor<T> {
    fn default_max_relative() -> T {
        T::default_max_relative()
    }

    fn relative_eq(&self, other: &Self, epsilon: T, max_relative: T) -> bool {
        self.shape == other.shape && self.as_slice().relative_eq(other.as_slice(), epsilon, max_relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn clones_share_until_written_to() {
        let a = Tensor::new([2], vec![1.0_f32, 2.0]);
        let mut b = a.clone();
        assert!(a.shares_memory(&b));
        b.make_mut()[0] = 5.0;
        assert_eq!((a.as_slice(), b.as_slice()), (&[1.0, 2.0][..], &[5.0, 2.0][..]));
    }

    #[test]
    fn an_array_in_any_layout_becomes_contiguous() {
        let a = Array2::from_shape_vec((2, 3), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(Tensor::from(a.clone().reversed_axes()).as_slice(), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let mut tail = a;
        tail.slice_axis_inplace(ndarray::Axis(1), (1..).into());
        tail.slice_axis_inplace(ndarray::Axis(0), (1..).into());
        assert_eq!(Tensor::from(tail).as_slice(), &[5.0, 6.0]);
    }

    #[test]
    fn derived_values_are_made_once_and_follow_the_elements() {
        let mut a = Tensor::new([2], vec![1.0_f32, 2.0]);
        let sum = |t: &Tensor<f32>| t.as_slice().iter().sum::<f32>();
        let never = || -> f32 { panic!("made again") };
        assert_eq!(*a.derived(|_| true, || sum(&a), |_| panic!("it is up to date")), 3.0);
        assert_eq!(*a.clone().derived(|_| true, never, |_| panic!("it is up to date")), 3.0);
        a.make_mut()[0] = 5.0;
        let held = a.derived(|_| true, never, |old: &mut f32| *old = sum(&a));
        a.make_mut()[0] = 6.0;
        assert_eq!(*a.derived(|_| true, || sum(&a), |_| panic!("it is held")), 8.0);
        assert_eq!(*held, 7.0);
    }

    #[test]
    #[should_panic(expected = "the shape [2, 3] doesn't hold 5 elements")]
    fn a_shape_that_does_not_fit_is_refused() {
        let _ = Tensor::new([2, 3], vec![0.0_f32; 5]);
    }
}
