//! What a file may leave open.

/// Facts about an ONNX file that its reader may state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// The output that gives the scores, if the file has several; `None` for the one that can be scores.
    pub output: Option<String>,
    /// Height and width of the input, in pixels, where the file leaves them open; those that it fixes stay. Without it, such a
    /// file is [`OpenSize`](super::OnnxError::OpenSize).
    pub size: Option<[usize; 2]>,
}
