//! One element of each row.

use crate::{Element, Grads, Nature, Needs, Node, Op, Tensor, Var, Wanted};

/// One element of each row, such as the score of one class for each image: `[N, K]` → `[N]`. The gradient is the
/// upstream at that element and zero elsewhere.
#[derive(Clone, Debug)]
pub struct Pick {
    /// The column of each row's element.
    pub columns: Vec<usize>,
}

impl<T: Element> Op<T> for Pick {
    fn name(&self) -> &'static str {
        "pick"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let shape = *node.input_shape(0);
        let mut gradient = Tensor::zeros(shape);
        let rows = gradient.make_mut().chunks_exact_mut(shape[1]);
        for ((row, &column), &g) in rows.zip(&self.columns).zip(upstream.as_slice()) {
            row[column] = g;
        }
        Grads::one(gradient)
    }

    fn needs(&self) -> Needs {
        Needs::NONE
    }

    fn nature(&self) -> Nature {
        Nature::Moves
    }
}

impl<T: Element> Var<T> {
    /// The element of this column in every row: `[N, K]` → `[N]`.
    ///
    /// # Panics
    /// If this isn't a matrix with such a column.
    #[must_use]
    pub fn pick(&self, column: usize) -> Self {
        self.pick_each(&vec![column; self.shape()[0]])
    }

    /// One element of each row, from the column given for it: `[N, K]` → `[N]`.
    ///
    /// # Panics
    /// If this isn't a matrix, or there isn't a column of it for each row.
    #[must_use]
    pub fn pick_each(&self, columns: &[usize]) -> Self {
        let shape = self.shape();
        assert!(
            shape.len() == 2 && shape[0] == columns.len() && columns.iter().all(|&column| column < shape[1]),
            "columns {columns:?} of {shape}"
        );
        let rows = self.value().as_slice().chunks_exact(shape[1]);
        let value = Tensor::new([shape[0]], rows.zip(columns).map(|(row, &column)| row[column]).collect());
        self.tape().record(Pick { columns: columns.to_vec() }, &[self], value)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tape, Tensor, gradcheck};

    #[test]
    fn gradients_agree_with_differences() {
        let x = Tensor::from_fn([3, 4], |i| i as f64 * 0.3);
        gradcheck(&[x], |v| v[0].tanh().pick_each(&[2, 0, 3])).within(1e-8).unwrap();
    }

    #[test]
    fn each_row_gives_its_own_column() {
        let x = Tape::new().leaf(Tensor::from_fn([2, 3], |i| i as f64));
        assert_eq!(x.pick_each(&[2, 0]).value().as_slice(), &[2.0, 3.0]);
        assert_eq!(x.pick(1).value().as_slice(), &[1.0, 4.0]);
    }
}
