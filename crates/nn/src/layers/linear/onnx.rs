//! Products with constant matrices, which are fully connected layers and convolutions of one pixel, in ONNX files.

use std::iter::once;
use std::rc::Rc;

use super::Linear;
use crate::geometry::Convolution;
use crate::layers::conv2d::Conv2d;
use crate::onnx::prelude::*;

impl Onnx for Linear {
    const READS: Reads = &[("Gemm", gemm), ("MatMul", matmul)];
}

/// alpha·A·B + beta·C.
fn gemm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    r.node.only("transA", 0, "0: rows are images")?;
    let x = r.activation(0, "input A")?;
    let is_transposed = r.node.integer("transB", 0)? != 0;
    let matrix = Matrix { is_transposed, ..matrix(r)? };
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
    of_row(r, x, &matrix, bias)
}

/// A product with a constant `[in, out]`: of a row, or of the channels of an image, which is a convolution of one pixel.
fn matmul(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input A")?;
    let matrix = matrix(r)?;
    let [inputs, outputs] = matrix.extents();
    let last = match x.shape().len() {
        0 | 1 => return of_row(r, x, &matrix, None),
        rank => rank - 1,
    };
    let result = x.with_channels(last, outputs).filter(|x| x.layer_shape().len() == 3);
    let result = result.ok_or_else(|| x.misfit("a row [N, in], or an image whose last dimension is its channels"))?;
    let layer = Conv2d { out_channels: outputs, kernel: [1, 1], conv: Convolution::default(), bias: false };
    let weight = Weight::new(&[1, 1, inputs, outputs], matrix.constant.to_floats());
    Ok(result.of(r.layer_with(layer, &x, [weight])?).into())
}

fn of_row(r: &mut Reading<'_>, x: Activation, matrix: &Matrix, bias: Option<Weight>) -> Result<Value, NodeError> {
    let [inputs, outputs] = matrix.extents();
    if x.shape() != [inputs] {
        return Err(x.misfit(format!("a row [N, {inputs}]")));
    }
    let x = r.materialized(x)?;
    let mut values = x.rows_to_our_layout(&matrix.constant.values, outputs, matrix.is_transposed);
    scale(&mut values, r.node.float("alpha")?);
    let weight = Weight::new(&[inputs, outputs], values);
    let layer = Linear { out_features: outputs, bias: bias.is_some() };
    let source = r.layer_with(layer, &x, once(weight).chain(bias))?;
    Ok(Activation::row(source, outputs, 1).into())
}

/// The matrix B.
struct Matrix {
    constant: Rc<Constant>,
    shape: [usize; 2],
    is_transposed: bool,
}

impl Matrix {
    /// Its inputs and outputs.
    fn extents(&self) -> [usize; 2] {
        let [rows, columns] = self.shape;
        if self.is_transposed { [columns, rows] } else { self.shape }
    }
}

fn matrix(r: &mut Reading<'_>) -> Result<Matrix, NodeError> {
    let constant = r.constant(1, "weight B")?;
    let shape = constant.shape[..].try_into();
    let shape = shape.map_err(|_| NodeError::shape("a weight B of two dimensions", &constant.shape))?;
    Ok(Matrix { constant, shape, is_transposed: false })
}

fn scale(values: &mut [f32], factor: Option<f32>) {
    if let Some(factor) = factor.filter(|&factor| factor != 1.0) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}
