//! Products with constant matrices, which are fully connected layers and convolutions of one pixel, in ONNX files.

use std::iter::once;

use super::Linear;
use crate::geometry::Convolution;
use crate::layers::conv2d::Conv2d;
use crate::layout::permuted;
use crate::onnx::prelude::*;

impl Onnx for Linear {
    const READS: Reads = &[("Gemm", gemm), ("MatMul", matmul)];
}

/// alpha·A·B + beta·C.
fn gemm(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    r.node.only("transA", 0, "0: rows are images")?;
    let x = r.activation(0, "input A")?;
    let (mut weight, [mut inputs, mut outputs]) = matrix(r)?;
    if r.node.integer("transB", 0)? != 0 {
        weight = permuted(&weight, &[inputs, outputs], &[1, 0]);
        (inputs, outputs) = (outputs, inputs);
    }
    scale(&mut weight, r.node.float("alpha")?);
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
    of_row(r, x, weight, [inputs, outputs], bias)
}

/// A product with a constant `[in, out]`: of a row, or of the channels of an image, which is a convolution of one pixel.
fn matmul(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let x = r.activation(0, "input A")?;
    let (weight, [inputs, outputs]) = matrix(r)?;
    let last = match x.shape().len() {
        0 | 1 => return of_row(r, x, weight, [inputs, outputs], None),
        rank => rank - 1,
    };
    let result = x.with_channels(last, outputs).filter(|x| x.layer_shape().len() == 3);
    let result = result.ok_or_else(|| x.misfit("a row [N, in], or an image whose last dimension is its channels"))?;
    let layer = Conv2d { out_channels: outputs, kernel: [1, 1], conv: Convolution::default(), bias: false };
    Ok(result.of(r.layer_with(layer, &x, [Weight::new(&[1, 1, inputs, outputs], weight)])?).into())
}

fn of_row(
    r: &mut Reading<'_>,
    x: Activation,
    weight: Vec<f32>,
    [inputs, outputs]: [usize; 2],
    bias: Option<Weight>,
) -> Result<Value, NodeError> {
    if x.shape() != [inputs] {
        return Err(x.misfit(format!("a row [N, {inputs}]")));
    }
    let x = r.materialized(x)?;
    let weight = Weight::new(&[inputs, outputs], x.rows_to_our_layout(&weight, outputs));
    let layer = Linear { out_features: outputs, bias: bias.is_some() };
    let source = r.layer_with(layer, &x, once(weight).chain(bias))?;
    Ok(Activation::row(source, outputs, 1).into())
}

/// The matrix B and its two extents.
fn matrix(r: &mut Reading<'_>) -> Result<(Vec<f32>, [usize; 2]), NodeError> {
    let matrix = r.constant(1, "weight B")?;
    let shape = matrix.shape[..].try_into();
    Ok((matrix.to_floats(), shape.map_err(|_| NodeError::shape("a weight B of two dimensions", &matrix.shape))?))
}

fn scale(values: &mut [f32], factor: Option<f32>) {
    if let Some(factor) = factor.filter(|&factor| factor != 1.0) {
        values.iter_mut().for_each(|value| *value *= factor);
    }
}
