//! What the caller says of a file.

/// What an ONNX file leaves open, to be said when it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// The output that gives the scores, if the file has several; `None` for the one that can be scores.
    pub output: Option<String>,
}
