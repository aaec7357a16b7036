//! Products of two activations in ONNX files, and those of constants.

use ndarray::ArrayD;

use super::MatMul;
use crate::onnx::constant::{broadcast, size};
use crate::onnx::prelude::*;

impl Onnx for MatMul {
    const READS: Reads = &[("MatMul", matmul)];

    fn write(&self, w: &mut Writing<'_>) {
        let mut inputs: Vec<String> = (0..2).map(|index| w.channels_last(index)).collect();
        if self.transposed {
            let rank = w.input_shape(1).len() + 1;
            let mut axes: Vec<usize> = (0..rank).collect();
            axes.swap(rank - 2, rank - 1);
            inputs[1] = w.part("transposed", "Transpose", &[&inputs[1]], &[integers("perm", &axes)]);
        }
        w.channels_last_node("product", "MatMul", &[&inputs[0], &inputs[1]], &[]);
    }
}

fn matmul(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let [a, b] = [r.input(0, "input A")?, r.input(1, "input B")?];
    r.product(a, b)
}

impl Reading<'_> {
    /// A product of two matrices. Both, one or none of them depend on the image.
    pub(crate) fn product(&mut self, a: Value, b: Value) -> Result<Value, NodeError> {
        match (a, b) {
            (Value::Activation(x), Value::Constant(constant)) => self.times_constant(x, constant),
            (Value::Activation(a), Value::Activation(b)) => self.product_of(&a, &b),
            (Value::Constant(a), Value::Activation(b)) => {
                let a = self.learned("left", &a, &b)?;
                self.product_of(&a, &b)
            }
            (Value::Constant(a), Value::Constant(b)) => Ok(of_constants(self, &a, &b)?.into()),
        }
    }

    /// A product of two values that depend on the image. The layers' matrices are the last two dimensions.
    pub(crate) fn product_of(&mut self, a: &Activation, b: &Activation) -> Result<Value, NodeError> {
        let misfit = || b.misfit(format!("matrices B that A, {a}, is multiplied by"));
        let (ours, theirs) = (a.shape(), b.shape());
        let (&[ref ours @ .., _, k], &[ref theirs @ .., inner, _]) = (&ours[..], &theirs[..]) else {
            return Err(misfit());
        };
        let leading = broadcast(ours, theirs).map_err(|_| misfit())?;
        if k != inner {
            return Err(misfit());
        }
        let [a, b] =
            [a, b].map(|x| self.expanded(x.clone().into(), &[&leading[..], &x.shape()[x.rank() - 2..]].concat()));
        let (Value::Activation(a), Value::Activation(b)) = (a?, b?) else { return Err(misfit()) };
        let rank = leading.len() + 2;
        // The rows of matrices that ONNX transposes stay together.
        let transposed = b.is_faster(rank - 2, rank - 1);
        let mut order: Vec<usize> = (0..rank).collect();
        if transposed {
            order.swap(rank - 2, rank - 1);
        }
        let a = self.matrices("a", &a)?;
        let b = self.matrices("b", &b.transposed(&order))?;
        if a.layer_shape()[..a.layer_shape().len() - 2] != b.layer_shape()[..b.layer_shape().len() - 2] {
            return Err(NodeError::Batch);
        }
        let source = self.layer(MatMul { transposed }, &[a.source, b.source])?;
        let columns = self.channels(source);
        let result = a.resized(rank - 1, a.layer_shape().len() - 1, columns).ok_or_else(misfit)?;
        Ok(result.of(source).into())
    }
}

fn of_constants(r: &mut Reading<'_>, a: &Constant, b: &Constant) -> Result<Constant, NodeError> {
    let misfit = || NodeError::shape(format!("matrices B that A, {:?}, is multiplied by", a.shape), &b.shape);
    let (&[ref ours @ .., m, k], &[ref theirs @ .., inner, l]) = (&a.shape[..], &b.shape[..]) else {
        return Err(misfit());
    };
    let leading = broadcast(ours, theirs)?;
    if k != inner {
        return Err(misfit());
    }
    let shape = [&leading[..], &[m, l]].concat();
    // What is computed is charged as if it were kept.
    r.charge(size(&shape).saturating_mul(k.max(1)))?;
    let wide = |constant: &Constant, matrix: [usize; 2]| {
        let array = ArrayD::from_shape_vec(&constant.shape[..], constant.to_floats())
            .expect("as many elements as the shape says");
        let shape = [&leading[..], &matrix].concat();
        let array = array.broadcast(shape).expect("the shapes broadcast").to_owned();
        array.into_shape_with_order((size(&leading), matrix[0], matrix[1])).expect("the same elements")
    };
    let (a, b) = (wide(a, [m, k]), wide(b, [k, l]));
    let products = a.outer_iter().zip(b.outer_iter()).flat_map(|(a, b)| a.dot(&b).into_iter().collect::<Vec<f32>>());
    Ok(Constant::floats(&shape, products.collect()))
}
