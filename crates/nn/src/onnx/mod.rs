//! Models from ONNX files, and in them (feature `onnx`).
//!
//! [`Model::load_onnx`] reads what PyTorch, Keras and others export: opset 7 to the newest, with the operators of image
//! classifiers, an image as its one input, and scores `[N, K]` or a map of them `[N, K, H, W]` as its output. The result is a
//! model like any other: it trains, is saved, and is explained. Its layers keep the names of their ONNX nodes.
//!
//! - The image is `[N, C, H, W]`, or `[N, H, W, C]` if the graph transposes it, whatever functions of single values stand
//!   before; `[N, C, L]`, of networks of one dimension, is an image of one row. Height and width that the file leaves open are
//!   those of [`OnnxOptions::size`].
//! - Images become `[N, H, W, C]`, weights of convolutions `[Kh, Kw, Cin/groups, Cout]`, those of fully connected layers
//!   `[in, out]`, with their rows in our order if they read a flattened image. Transposing, squeezing and reshaping cost
//!   nothing (`activation.rs` explains how).
//! - Tokens `[N, T, C]`, heads `[N, h, T, d]` and windows are values like any other: each of ONNX's dimensions is followed
//!   through transposing and reshaping, and a [`Rearrange`](crate::layers::Rearrange) stands where their order must change.
//!   Attention is products of activations and a softmax; which token stands where in the picture is known from the patches
//!   that it came from ([`Model::grids`]).
//! - Values that depend on no image are computed while the file is read.
//! - Functions that exporters write as several nodes are one layer: GELU, SiLU, hard swish and hard sigmoid, softplus, the division by a
//!   vector's length. The nodes of a file may stand in any order.
//! - A softmax, sigmoid, argmax or top-k at the end is left out: the scores are its input. It says what they mean
//!   ([`Task`](crate::Task)): one of several classes, or independent labels. A division by the length at the end makes an
//!   embedding.
//! - Of several outputs, the one that alone can be scores is read: a row rather than a map, not one from which another output
//!   is computed, or the one called `logits`, `scores` or the like.
//! - Class names and preprocessing are kept in the metadata of files that [`Model::save_onnx`] writes, and are found there.
//! - Whatever isn't supported is an error: operators that aren't read are named all at once, and a node that asks for
//!   something else than is supported says what.

pub(crate) mod activation;
mod capability;
pub(crate) mod constant;
pub(crate) mod context;
pub(crate) mod error;
mod external;
mod file;
mod fold;
mod input;
pub(crate) mod layer;
pub(crate) mod network;
pub(crate) mod node;
mod operators;
mod options;
mod order;
mod output;
mod patterns;
pub(crate) mod prelude;
pub(crate) mod proto;
mod reader;
mod registry;
mod schema;
#[cfg(test)]
mod tests;
mod views;
pub(crate) mod windows;
mod writer;
pub(crate) mod writing;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use prost::Message;
use prost::bytes::Buf;

pub use error::{LoadError, LoadErrorKind, NodeError, OnnxError, TensorError};
use external::ExternalData;
use file::FileBytes;
pub use options::OnnxOptions;
use schema::ModelProto;

use crate::files::write_whole;
use crate::model::{FileError, Model};

impl Model<f32> {
    /// Reads a model from an ONNX file; weights in files beside it are found there.
    ///
    /// # Errors
    /// If the file can't be read, isn't an ONNX file, or can't become a model; the error names the node.
    pub fn load_onnx(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::load_onnx_with(path, &OnnxOptions::default())
    }

    /// Reads a model from an ONNX file, with what the file leaves open.
    ///
    /// ```no_run
    /// use nn::Model;
    /// use nn::onnx::OnnxOptions;
    /// let options = OnnxOptions { size: Some([224, 224]), ..OnnxOptions::default() };
    /// let model = Model::load_onnx_with("mobilevit.onnx", &options)?;
    /// # Ok::<(), nn::onnx::LoadError>(())
    /// ```
    ///
    /// # Errors
    /// As [`load_onnx`](Self::load_onnx).
    pub fn load_onnx_with(path: impl AsRef<Path>, options: &OnnxOptions) -> Result<Self, LoadError> {
        let path = path.as_ref();
        read(path, options).map_err(|kind| LoadError { path: path.into(), kind })
    }

    /// Reads a model from the bytes of an ONNX file.
    ///
    /// # Errors
    /// As [`load_onnx`](Self::load_onnx).
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, OnnxError> {
        Self::from_onnx_with(bytes, &OnnxOptions::default())
    }

    /// Reads a model from the bytes of an ONNX file, with what the file leaves open.
    ///
    /// # Errors
    /// As [`load_onnx`](Self::load_onnx).
    pub fn from_onnx_with(bytes: &[u8], options: &OnnxOptions) -> Result<Self, OnnxError> {
        reader::model(ModelProto::decode(bytes)?, ExternalData(None), bytes.len(), options)
    }

    /// Writes the model as an ONNX file of opset 21, which appears whole or not at all. Its input is an image `[N, C, H, W]`
    /// with any N, its output scores `[N, classes]`. [`load_onnx`](Self::load_onnx) gives the same model again, bit for bit.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save_onnx(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        FileError::within(path.as_ref(), |path| Ok(write_whole(path, &self.to_onnx())?))
    }

    /// The model as the bytes of an ONNX file.
    #[must_use]
    pub fn to_onnx(&self) -> Vec<u8> {
        writer::bytes(self)
    }
}

/// The model in a file.
fn read(path: &Path, options: &OnnxOptions) -> Result<Model, LoadErrorKind> {
    let mut file = File::open(path)?;
    let (decoded, len) = if file.metadata()?.is_file() {
        let mut bytes = FileBytes::new(file)?;
        let len = bytes.remaining();
        let decoded = ModelProto::decode(&mut bytes);
        bytes.finish()?;
        (decoded, len)
    } else {
        // The length of a pipe is known at its end.
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        (ModelProto::decode(&bytes[..]), bytes.len())
    };
    let model = decoded.map_err(OnnxError::from);
    let model = model.and_then(|decoded| reader::model(decoded, ExternalData(path.parent()), len, options));
    Ok(model.map_err(Box::new)?)
}
