//! Sums of products by Einstein's convention.

use crate::onnx::prelude::*;

pub(crate) const READS: Reads = &[("Einsum", einsum)];

/// Einsum of two inputs: a product of matrices between two permutations.
fn einsum(r: &mut Reading<'_>) -> Result<Value, NodeError> {
    let equation = r.node.text("equation")?.unwrap_or_default();
    let unsupported =
        || NodeError::unsupported("equation", &equation, "a product of two inputs, such as bhid,bhjd->bhij");
    let text: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (inputs, output) = text.split_once("->").ok_or_else(unsupported)?;
    let (a_letters, b_letters) = inputs.split_once(',').ok_or_else(unsupported)?;
    let [ours, theirs, output] = [a_letters, b_letters, output].map(|letters| letters.chars().collect::<Vec<char>>());
    let is_distinct = |letters: &[char]| {
        letters.iter().enumerate().all(|(at, letter)| letter.is_ascii_alphabetic() && !letters[..at].contains(letter))
    };
    let [a, b] = [r.input(0, "input A")?, r.input(1, "input B")?];
    let (a_shape, b_shape) = (r.full_shape(&a), r.full_shape(&b));
    if r.node.inputs() != 2
        || ![&ours, &theirs, &output].into_iter().all(|letters| is_distinct(letters))
        || (ours.len(), theirs.len()) != (a_shape.len(), b_shape.len())
    {
        return Err(unsupported());
    }
    let extent = |letter: &char| {
        let of =
            |letters: &[char], shape: &[usize]| letters.iter().position(|other| other == letter).map(|at| shape[at]);
        of(&ours, &a_shape).or_else(|| of(&theirs, &b_shape))
    };
    let size = |letters: &[char]| letters.iter().filter_map(extent).product::<usize>();
    let only = |keep: &dyn Fn(&char) -> bool, of: &[char]| of.iter().copied().filter(keep).collect::<Vec<char>>();
    let shared = only(&|letter| theirs.contains(letter) && output.contains(letter), &ours);
    let summed = only(&|letter| theirs.contains(letter) && !output.contains(letter), &ours);
    let rows = only(&|letter| !theirs.contains(letter), &ours);
    let columns = only(&|letter| !ours.contains(letter), &theirs);
    let result = [&shared[..], &rows, &columns].concat();
    if result.len() != output.len() || !output.iter().all(|letter| result.contains(letter)) {
        return Err(unsupported());
    }
    let order = |from: &[char], to: &[char]| {
        to.iter().filter_map(|letter| from.iter().position(|other| other == letter)).collect::<Vec<usize>>()
    };
    let a = r.permuted(a, &order(&ours, &[&shared[..], &rows, &summed].concat()))?;
    let b = r.permuted(b, &order(&theirs, &[&shared[..], &summed, &columns].concat()))?;
    let leading: Vec<usize> = shared.iter().filter_map(extent).collect();
    let a = r.reshaped(a, &[&leading[..], &[size(&rows), size(&summed)]].concat())?;
    let b = r.reshaped(b, &[&leading[..], &[size(&summed), size(&columns)]].concat())?;
    let product = r.product(a, b)?;
    let extents: Vec<usize> = result.iter().filter_map(extent).collect();
    let product = r.reshaped(product, &extents)?;
    r.permuted(product, &order(&result, &output))
}
