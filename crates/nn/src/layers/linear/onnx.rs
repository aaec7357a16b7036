//! Products with constant matrices, which are fully connected layers and convolutions of one pixel, in ONNX files.

use std::iter::once;
use std::rc::Rc;

use tensor::Tensor;

use super::Linear;
use crate::geometry::Convolution;
use crate::layers::conv2d::Conv2d;
use crate::onnx::prelude::*;

impl Onnx for Linear {
    const READS: Reads = &[("Gemm", gemm)];

    fn write(&self, w: &mut Writing<'_>) {
        if w.input_shape(0).len() == 1 {
            return w.one_node("Gemm", &[]);
        }
        let inputs = w.with_parameters(Tensor::clone);
        match inputs[..] {
            [x, weight, bias] => {
                let product = w.inner_node("product", "MatMul", &[x, weight], &[]);
                w.outer_node_of("sum", "Add", &[&product, bias], &[]);
            }
            _ => w.node("MatMul", &inputs, &[]),
        }
    }
}

/// alpha·A·B + beta·C.
fn gemm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    r.node.only("transA", 0, "0: rows are images")?;
    let x = r.activation(0, "input A")?;
    let is_transposed = r.node.integer("transB", 0)? != 0;
    let matrix = Matrix::new(r.constant(1, "weight B")?, is_transposed)?;
    let [_, outputs] = matrix.extents();
    let mut bias = None;
    if let Some(constant) = r.optional_constant(2, "bias C")? {
        let is_row = constant.shape.split_last().is_none_or(|(_, rest)| rest.iter().all(|&extent| extent == 1));
        let mut values = match (is_row, constant.to_floats()) {
            (true, values) if values.len() == 1 => vec![values[0]; outputs],
            (true, values) if values.len() == outputs => values,
            _ => return Err(NodeError::shape(format!("a bias C [{outputs}]"), &constant.shape)),
        };
        scale(&mut values, r.node.float("beta")?);
        bias = Some(Weight::new(&[outputs], values));
    }
    product(r, x, &matrix, bias)
}

impl Reading<'_> {
    /// MatMul of a value that depends on the image and a constant: one `[in, out]`, or several matrices.
    pub(crate) fn times_constant(&mut self, x: Activation, constant: Rc<Constant>) -> Result<Value, NodeError> {
        let leading = constant.shape.len().saturating_sub(2);
        if constant.shape.iter().take(leading).all(|&extent| extent == 1) {
            let matrix = Matrix::new(constant, false)?;
            return product(self, x, &matrix, None);
        }
        let right = self.learned("right", &constant, &x)?;
        self.product_of(&x, &right)
    }
}

/// A product with a constant `[in, out]`: of a row or of tokens, or of the channels of an image, which is a convolution of one
/// pixel.
fn product(r: &mut Reading<'_>, x: Activation, matrix: &Matrix, bias: Option<Weight>) -> Result<Value, NodeError> {
    let [inputs, outputs] = matrix.extents();
    let Some(last) = x.rank().checked_sub(1).filter(|&last| x.shape()[last] == inputs) else {
        return Err(x.misfit(format!("[N, …, {inputs}]")));
    };
    let alpha = r.node.float("alpha")?;
    if x.rank() == 2 && x.has_batch_first() {
        let x = r.materialized(x)?;
        let mut values = x.rows_to_our_layout(&matrix.constant.values, outputs, matrix.is_transposed);
        scale(&mut values, alpha);
        let weight = Weight::new(&[inputs, outputs], values);
        let layer = Linear { out_features: outputs, bias: bias.is_some() };
        let source = r.layer_with(layer, &x, once(weight).chain(bias))?;
        return Ok(r.row(source, 2).into());
    }
    let x = if x.is_channels(last) { x } else { r.plain("plain", &x)? };
    let mut values = if matrix.is_transposed {
        matrix.constant.values.permuted(&[outputs, inputs], &[1, 0])
    } else {
        matrix.constant.to_floats()
    };
    scale(&mut values, alpha);
    let result = x.with_channels(last, outputs).ok_or_else(|| x.misfit(format!("[N, …, {inputs}]")))?;
    let has_bias = bias.is_some();
    let source = if x.layer_shape().len() == 3 {
        let layer = Conv2d { out_channels: outputs, kernel: [1, 1], conv: Convolution::default(), bias: has_bias };
        r.layer_with(layer, &x, once(Weight::new(&[1, 1, inputs, outputs], values)).chain(bias))?
    } else {
        let layer = Linear { out_features: outputs, bias: has_bias };
        r.layer_with(layer, &x, once(Weight::new(&[inputs, outputs], values)).chain(bias))?
    };
    Ok(result.of(source).into())
}

/// The matrix B.
struct Matrix {
    constant: Rc<Constant>,
    shape: [usize; 2],
    is_transposed: bool,
}

impl Matrix {
    /// The last two dimensions of a constant whose others have one element.
    fn new(constant: Rc<Constant>, is_transposed: bool) -> Result<Self, NodeError> {
        let leading = constant.shape.len().saturating_sub(2);
        let shape = constant.shape[leading..].try_into();
        let shape = shape.map_err(|_| NodeError::shape("a weight B of two dimensions", &constant.shape))?;
        Ok(Self { constant, shape, is_transposed })
    }

    /// Its inputs and outputs.
    fn extents(&self) -> [usize; 2] {
        let [rows, columns] = self.shape;
        if self.is_transposed { [columns, rows] } else { self.shape }
    }
}

fn scale(values: &mut [f32], factor: Option<f32>) {
    if let Some(factor) = factor.filter(|&factor| factor != 1.0) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}
