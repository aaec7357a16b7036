//! Values that are there, and values that are computed when they are first read.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::element::Element;
use crate::tensor::Tensor;

/// The value of a variable, apart from its tape. Reading a deferred one computes it, once; clones share the result.
#[derive(Clone)]
pub struct Value<T: Element>(State<T>);

#[derive(Clone)]
enum State<T: Element> {
    Ready(Tensor<T>),
    Deferred(Arc<Deferred<T>>),
}

struct Deferred<T: Element> {
    result: OnceLock<Tensor<T>>,
    compute: Box<dyn Fn() -> Tensor<T> + Send + Sync>,
}

impl<T: Element> Value<T> {
    /// A value that `compute` gives when it is first read. Whatever `compute` holds of variables should be their values
    /// ([`Var::to_value`](crate::Var::to_value)): a variable would keep the tape alive from within.
    #[must_use]
    pub fn deferred(compute: impl Fn() -> Tensor<T> + Send + Sync + 'static) -> Self {
        Self(State::Deferred(Arc::new(Deferred { result: OnceLock::new(), compute: Box::new(compute) })))
    }

    /// The value. Two threads that read a deferred one at once may both compute it, and get the same one: no lock is held
    /// meanwhile, since a thread of a pool that waits for a parallel loop runs other tasks, which may read it, too.
    #[must_use]
    pub fn get(&self) -> &Tensor<T> {
        match &self.0 {
            State::Ready(tensor) => tensor,
            State::Deferred(deferred) => match deferred.result.get() {
                Some(tensor) => tensor,
                None => {
                    let tensor = (deferred.compute)();
                    deferred.result.get_or_init(|| tensor)
                }
            },
        }
    }

    /// Gives a deferred value its result, known from elsewhere, unless it has one.
    pub(crate) fn fulfil(&self, result: Tensor<T>) {
        if let State::Deferred(deferred) = &self.0 {
            let _ = deferred.result.set(result);
        }
    }

    /// The value: the only handle on it, if this was.
    pub(crate) fn into_tensor(self) -> Tensor<T> {
        match self.0 {
            State::Ready(tensor) => tensor,
            State::Deferred(_) => self.get().clone(),
        }
    }

    /// Whether reading it computes nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            State::Ready(_) => true,
            State::Deferred(deferred) => deferred.result.get().is_some(),
        }
    }
}

impl<T: Element> From<Tensor<T>> for Value<T> {
    fn from(tensor: Tensor<T>) -> Self {
        Self(State::Ready(tensor))
    }
}

impl<T: Element> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ready() { self.get().fmt(f) } else { f.write_str("deferred") }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Tape;
    use crate::ops::Exp;

    #[test]
    fn a_deferred_value_is_computed_once_and_only_when_it_is_read() {
        static COMPUTED: AtomicUsize = AtomicUsize::new(0);
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::new([2], vec![0.0, 1.0]));
        let from = x.to_value();
        let value = Value::deferred(move || {
            COMPUTED.fetch_add(1, Ordering::Relaxed);
            from.get().clone().map(f64::exp)
        });
        let y = tape.record_value(Box::new(Exp), &[&x], [2].into(), value);
        let other = y.clone();
        assert_eq!((y.shape().len(), y.to_value().is_ready(), COMPUTED.load(Ordering::Relaxed)), (1, false, 0));
        assert_eq!(y.value().as_slice(), &[1.0, 1.0_f64.exp()]);
        assert_eq!(other.value().as_slice()[0], 1.0);
        assert_eq!(tape.nodes()[y.id()].output().as_slice()[0], 1.0);
        assert_eq!((y.to_value().is_ready(), COMPUTED.load(Ordering::Relaxed)), (true, 1));
        let gradients = tape.backward(&y, &crate::Exact, [&x]).unwrap();
        assert_eq!(gradients[&x], *y.value());
    }

    #[test]
    fn a_value_that_is_given_is_not_computed() {
        let tape = Tape::<f64>::new();
        let x = tape.leaf(Tensor::scalar(0.0));
        let value = Value::deferred(|| panic!("it is known"));
        let y = tape.record_value(Box::new(Exp), &[&x], [].into(), value);
        y.fulfil(Tensor::scalar(1.0));
        assert_eq!((y.value().item(), tape.nodes()[y.id()].output().item()), (1.0, 1.0));
    }
}
