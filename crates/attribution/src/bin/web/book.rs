//! What the book's pieces compute.

use attribution::rules::{Deconv, Guided};
use attribution::{Pass, tensor};
use nn::layers::{Apply, Relu};
use nn::{Convolution, im2col};
use serde::Deserialize;
use serde_json::{Value, json};
use tensor::{Element, Exact, Grads, Node, Op, Rule, Tape, Tensor, Var, Wanted, gradcheck};

use crate::learn::Learn;
use crate::message::{Reply, said};
use crate::terminal::Failure;

/// A 3×3 convolution of a grey picture `[H, W]`, zeros around it: the result, and the matrix of its windows, a row for each.
pub(crate) fn convolve(kernel: &[f64; 9], [height, width]: [usize; 2], picture: &[u8]) -> Result<Reply, Failure> {
    if picture.len() != height * width {
        return Err(format!("expected {height} × {width} pixels, found {}", picture.len()).into());
    }
    let picture: Vec<f64> = picture.iter().map(|&pixel| f64::from(pixel) / 255.0).collect();
    let convolved = |kernels: &[f64], outputs: usize| -> Result<Vec<f32>, Failure> {
        let g = Convolution::default().padding(1).geometry(&[1, height, width, 1], &[3, 3, 1, outputs])?;
        let mut y = vec![0.0; height * width * outputs];
        im2col::forward(&g, &picture, kernels, None, &mut y);
        Ok(y.into_iter().map(|y| y as f32).collect())
    };
    // Nine kernels of a single 1 copy the windows.
    let copies: Vec<f64> = (0..81).map(|at| if at / 9 == at % 9 { 1.0 } else { 0.0 }).collect();
    let mut reply = Reply::default();
    let (result, rows) = (convolved(kernel, 1)?, convolved(&copies, 9)?);
    reply.json = json!({ "result": reply.floats(result), "rows": reply.floats(rows) });
    Ok(reply)
}

/// The values of a ReLU, and the gradients that pass it under each rule.
pub(crate) fn relu(x: &[f32], upstream: &[f32]) -> Result<Reply, Failure> {
    if x.len() != upstream.len() || x.is_empty() {
        return Err("expected a gradient for each value".into());
    }
    let tape = Tape::new();
    let input = tape.leaf(Tensor::new([x.len()], x.to_vec()));
    let output = input.apply(Relu);
    let rules: [&dyn Rule<f32>; 3] = [&Exact, &Deconv, &Guided];
    let passed = rules.map(|rule| {
        let gradients = tape.backward_from(&output, Tensor::new([x.len()], upstream.to_vec()), rule, [&input]);
        gradients.map(|gradients| gradients[&input].as_slice().to_vec())
    });
    let passed = passed.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(said(json!({ "output": output.value().as_slice(), "passed": passed })))
}

/// Where the cells of each layer with positions lie on the input, and what they read.
pub(crate) fn fields(learn: &Learn) -> Result<Reply, Failure> {
    let (input, _) = learn.input(0)?;
    let pass = Pass::new(learn.model(), input)?;
    let layers = pass.spatial_layers().into_iter().map(|name| {
        let output = &learn.model().layers()[learn.model().layer_index(name)?].output_shape;
        let cells = pass.cells(name)?.map(|cells| {
            json!({ "first": cells.centre([0, 0]), "stride": cells.stride(), "field": cells.receptive_field() })
        });
        Ok(json!({ "name": name, "rows": output[0], "columns": output[1], "cells": cells }))
    });
    let layers = layers.collect::<Result<Vec<Value>, Failure>>()?;
    Ok(said(json!({ "layers": layers })))
}

/// A mistake in a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mistake {
    None,
    /// The sign is wrong.
    Sign,
    /// A factor of 2 is missing.
    Factor,
    /// One element is too large by a thousandth.
    Slight,
}

/// y = x², with a gradient that may be wrong.
#[derive(Debug)]
struct Square(Mistake);

impl<T: Element> Op<T> for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn vjp(&self, node: &Node<T>, upstream: Tensor<T>, _: Wanted<'_>) -> Grads<T> {
        let factor = T::from_f64(match self.0 {
            Mistake::None | Mistake::Slight => 2.0,
            Mistake::Sign => -2.0,
            Mistake::Factor => 1.0,
        });
        let mut gradient = upstream.zip(node.input(0), |g, x| factor * x * g);
        if self.0 == Mistake::Slight {
            gradient.make_mut()[0] *= T::from_f64(1.001);
        }
        Grads::one(gradient)
    }
}

/// The gradient of Σ x² as the operation has it, as central differences have it, and what the check says.
pub(crate) fn check(x: &[f64], mistake: Mistake) -> Result<Reply, Failure> {
    if x.is_empty() {
        return Err("expected at least one value".into());
    }
    let square = |x: &Var<f64>| {
        let y = x.value().clone().map(|x| x * x);
        x.tape().record(Square(mistake), &[x], y)
    };
    let input = Tensor::new([x.len()], x.to_vec());
    let tape = Tape::new();
    let leaf = tape.leaf(input.clone());
    let gradients = tape.backward(&square(&leaf), &Exact, [&leaf])?;
    let differences: Vec<f64> = x.iter().map(|x| ((x + STEP).powi(2) - (x - STEP).powi(2)) / (2.0 * STEP)).collect();
    let found = gradcheck(&[input], |vars| square(&vars[0]));
    Ok(said(json!({
        "gradient": gradients[&leaf].as_slice(),
        "differences": differences,
        "found": found.within(TOLERANCE).is_err(),
        "worst": found.worst.map(|worst| json!([worst.element, worst.relative_error])),
    })))
}

/// h of the differences that are shown.
const STEP: f64 = 1e-3;
/// The relative error that the check accepts.
const TOLERANCE: f64 = 1e-6;
