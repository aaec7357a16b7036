//! Indices of one dimension, in any order.

use crate::blocks::for_each_row;
use crate::simd::vectorized;
use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// `y[…, i, …] = x[…, aᵢ, …]` along one dimension, for given indices aᵢ, each of which may occur several times or never. The
/// gradient of an element is the sum of its copies' gradients: `∂x[…, a, …] = Σ ∂y[…, i, …]` over i with aᵢ = a.
#[derive(Clone, Debug)]
pub struct Select {
    /// The dimension.
    pub axis: usize,
    /// The indices aᵢ.
    pub places: Vec<usize>,
}

impl<T: Element> Op<T> for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let mut dx = Tensor::scratch(*node.input_shape(0));
        let width: usize = dx.shape()[self.axis + 1..].iter().product();
        let (row, row_of_y) = (dx.shape()[self.axis] * width, self.places.len() * width);
        let (runs, turns) = patterns(&self.places, width);
        for_each_row(dx.make_mut(), row, |block, dx| {
            let dy = &upstream.as_slice()[block * row_of_y..][..row_of_y];
            dx.fill(T::zero());
            vectorized(
                #[inline(always)]
                || {
                    if let Some(firsts) = turns {
                        let pairs = dy.as_chunks::<2>().0;
                        for (k, first) in firsts.into_iter().enumerate() {
                            add(&mut dx[first..][..pairs.len()], pairs.iter().map(|pair| pair[k]));
                        }
                        return;
                    }
                    for &(at, place, len) in &runs {
                        add(&mut dx[place * width..][..len * width], dy[at * width..].iter().copied());
                    }
                },
            );
        });
        Grads::one(dx)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

/// Adds to each element the next of the terms.
#[inline(always)]
fn add<T: Element>(sums: &mut [T], terms: impl Iterator<Item = T>) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

/// A stretch of neighbouring indices: where it begins in the list, its first index and its length.
type Run = (usize, usize, usize);

/// What is fast to copy: the [`runs`], and those [`taking_turns`] if an index has a single element.
fn patterns(places: &[usize], width: usize) -> (Vec<Run>, Option<[usize; 2]>) {
    (runs(places), taking_turns(places).filter(|_| width == 1))
}

/// The stretches of neighbouring indices.
fn runs(places: &[usize]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, &place) in places.iter().enumerate() {
        match runs.last_mut() {
            Some((_, first, len)) if *first + *len == place => *len += 1,
            _ => runs.push((at, place, 1)),
        }
    }
    runs
}

/// The first indices of two stretches of neighbours that take turns: a, b, a + 1, b + 1, …, as when the channels of two groups are
/// shuffled.
fn taking_turns(places: &[usize]) -> Option<[usize; 2]> {
    let (pairs, rest) = places.as_chunks::<2>();
    let &[a, b] = pairs.first().filter(|_| rest.is_empty())?;
    pairs.iter().enumerate().all(|(i, &pair)| pair == [a + i, b + i]).then_some([a, b])
}

impl<T: Element> Var<T> {
    /// The elements at these indices of a dimension, in this order.
    ///
    /// # Panics
    /// If there is no such dimension or index.
    #[must_use]
    pub fn select(&self, axis: usize, places: &[usize]) -> Self {
        let mut y = Tensor::scratch(self.shape().with(axis, places.len()));
        assert!(
            places.iter().all(|&place| place < self.shape()[axis]),
            "{places:?} in dimension {axis} of {}",
            self.shape()
        );
        let width: usize = self.shape()[axis + 1..].iter().product();
        let row_of_x = self.shape()[axis] * width;
        let (runs, turns) = patterns(places, width);
        for_each_row(y.make_mut(), places.len() * width, |block, y| {
            let x = &self.value().as_slice()[block * row_of_x..][..row_of_x];
            if let Some(firsts) = turns {
                return vectorized(
                    #[inline(always)]
                    || {
                        let pairs = y.as_chunks_mut::<2>().0;
                        let [a, b] = firsts.map(|first| &x[first..][..pairs.len()]);
                        for i in 0..pairs.len() {
                            pairs[i] = [a[i], b[i]];
                        }
                    },
                );
            }
            if width == 1 && 4 * runs.len() > places.len() {
                return y.iter_mut().zip(places).for_each(|(y, &place)| *y = x[place]);
            }
            for &(at, place, len) in &runs {
                y[at * width..][..len * width].copy_from_slice(&x[place * width..][..len * width]);
            }
        });
        self.tape().record(Select { axis, places: places.to_vec() }, &[self], y)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([2, 4, 3], |i| (i as f64 * 0.7).sin());
        for (axis, places) in [(0, &[1, 1, 0][..]), (1, &[3, 0]), (2, &[2, 1, 0, 2, 2]), (2, &[1, 0, 2, 1]), (2, &[])] {
            gradcheck(std::slice::from_ref(&x), |v| v[0].select(axis, places).tanh()).within(1e-8).unwrap();
        }
    }

    #[test]
    fn it_is_what_ndarray_selects() {
        let x = Tensor::from_fn([2, 4, 3, 31], |i| i as f64);
        for (axis, places) in [
            (0, &[1, 1, 0][..]),
            (1, &[3, 0]),
            (2, &[2, 1, 0, 2, 2]),
            // Two groups that take turns, of all channels and of some.
            (3, &[0, 18, 1, 19, 2, 20, 3, 21, 4, 22, 5, 23, 6, 24, 7, 25, 8, 26, 9, 27, 10, 28, 11, 29, 12, 30]),
            (3, &[5, 2, 6, 3]),
            (3, &[5, 2, 6]),
        ] {
            let literal = x.view().select(Axis(axis), places);
            assert_eq!(Tape::new().leaf(x.clone()).select(axis, places).value(), &Tensor::from(literal));
        }
    }
}
