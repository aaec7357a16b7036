//! The capabilities that a network needs and the reader lacks, found before any node is read.

use std::collections::BTreeMap;

use super::reader::{is_onnx, is_quantised, is_read};
use super::schema::NodeProto;

/// Operators that image classifiers don't use, each with a plain description and, where there is one, a remedy.
const IN_WORDS: &[(&[&str], &str)] = &[
    (&["LSTM", "GRU", "RNN"], "recurrent layers aren't read"),
    (&["If", "Loop", "Scan"], "branches and loops aren't read: export the network by tracing, not as a script"),
    (&["NonMaxSuppression", "RoiAlign"], "detectors aren't read: export the classifier, or the part before the boxes"),
    (&["GridSample", "DeformConv"], "sampling at places that the network computes isn't read"),
    (
        &["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"],
        "random numbers aren't read: export the network in evaluation, `model.eval()`",
    ),
    (&["FFT", "DFT", "STFT"], "Fourier transforms aren't read"),
];

/// All operators of these nodes that aren't read, each with the number of its nodes, and what is to be said of them; `None` if
/// there are none.
pub(super) fn unread(nodes: &[&NodeProto]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in
        nodes.iter().filter(|node| is_onnx(&node.domain) && !is_quantised(&node.op_type) && !is_read(&node.op_type))
    {
        *counts.entry(&node.op_type).or_default() += 1;
    }
    let listed: Vec<String> = counts.iter().map(|(operator, count)| format!("{operator} ({count})")).collect();
    let said: Vec<&str> = IN_WORDS
        .iter()
        .filter(|(operators, _)| operators.iter().any(|operator| counts.contains_key(operator)))
        .map(|(_, words)| *words)
        .collect();
    (!listed.is_empty()).then(|| {
        let words = said.iter().map(|words| format!("; {words}")).collect::<String>();
        format!("{}{words}", listed.join(", "))
    })
}
