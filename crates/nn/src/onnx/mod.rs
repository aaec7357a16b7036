//! Models from ONNX files, and in them (feature `onnx`).
//!
//! [`Model::load_onnx`] reads what PyTorch, Keras and others export: opset 7 to the newest, with the operators of image
//! classifiers, a picture `[N, C, H, W]` of a fixed size as its one input, and scores `[N, classes]` as its first output. The
//! result is a model like any other: it trains, is saved, and is explained. Its layers keep the names of their ONNX nodes.
//!
//! - Pictures become `[N, H, W, C]`, convolutions' weights `[Kh, Kw, Cin/groups, Cout]`, fully connected layers' `[in, out]`, with
//!   their rows in our order if they read a flattened picture. Transposing, squeezing and reshaping cost nothing
//!   (`activation.rs` tells how).
//! - A softmax at the end is left out: the scores are what enters it.
//! - Names of classes and preprocessing are kept in the metadata of files that [`Model::save_onnx`] writes, and found there.
//! - What isn't understood is an error that names the node, what it asks for, and what is supported.

mod activation;
mod constant;
mod error;
mod export;
mod external;
mod graph;
mod network;
mod node;
mod operators;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use prost::Message;

pub use error::{NodeError, OnnxError, TensorError};
use external::ExternalData;
use schema::ModelProto;

use crate::files::write_whole;
use crate::model::{FileError, FileErrorKind, Model};

impl Model<f32> {
    /// Reads a model from an ONNX file; weights in files beside it are found there.
    ///
    /// # Errors
    /// Where the file can't be read, isn't an ONNX file, or no model can be made from it; the error names the node.
    pub fn load_onnx(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let read = || Ok(read(&fs::read(path)?, ExternalData(path.parent())).map_err(Box::new)?);
        read().map_err(|kind: FileErrorKind| FileError { path: path.into(), kind })
    }

    /// Reads a model from the bytes of an ONNX file.
    ///
    /// # Errors
    /// As [`load_onnx`](Self::load_onnx).
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, OnnxError> {
        read(bytes, ExternalData(None))
    }

    /// Writes the model as an ONNX file of opset 21, which appears whole or not at all: a picture `[N, C, H, W]` goes in, any
    /// number N of them, and scores `[N, classes]` come out. [`load_onnx`](Self::load_onnx) gives the same model again, bit
    /// for bit.
    ///
    /// # Errors
    /// Where the file can't be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let write = || Ok(write_whole(path, &self.to_onnx()?)?);
        write().map_err(|kind: FileErrorKind| FileError { path: path.into(), kind })
    }

    /// The model as the bytes of an ONNX file.
    ///
    /// # Errors
    /// Where the class names and preprocessing can't be written as JSON, a number in them not being finite.
    pub fn to_onnx(&self) -> Result<Vec<u8>, FileErrorKind> {
        Ok(export::bytes(self)?)
    }
}

fn read(bytes: &[u8], external: ExternalData<'_>) -> Result<Model, OnnxError> {
    let file = ModelProto::decode(bytes)?;
    graph::model(&file, external, bytes.len())
}
