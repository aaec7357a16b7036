//! Recognising files by their content.

use std::fmt;

/// The kind of a file, recognised by its first bytes, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A safetensors file.
    Safetensors,
    /// An ONNX file.
    Onnx,
    /// Another kind, in words: `a PNG picture`.
    Other(&'static str),
    /// An unknown kind.
    Unknown,
}

/// Offset of a signature, the signature, and the kind of file.
const SIGNATURES: [(usize, &[u8], &str); 13] = [
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xFF\xD8\xFF", "a JPEG picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (4, b"ftyp", "a HEIC or AVIF picture, or a video"),
    (0, b"PK\x03\x04", "a ZIP archive, as PyTorch saves weights"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x89HDF", "an HDF5 file, as Keras saves"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x1F\x8B", "a gzip file"),
];

impl FileKind {
    /// The kind of the file that begins with these bytes; the first hundred are enough.
    #[must_use]
    pub fn of(start: &[u8]) -> Self {
        let signed =
            |&&(at, signature, _): &&(usize, &[u8], _)| start.get(at..).is_some_and(|s| s.starts_with(signature));
        let printable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
        match (SIGNATURES.iter().find(signed), start) {
            (_, []) => Self::Other("an empty file"),
            (Some(&(_, _, kind)), _) => Self::Other(kind),
            // The length of the JSON header; the version of ONNX's format.
            (_, [_, _, _, _, _, 0, 0, 0, b'{', ..]) => Self::Safetensors,
            (_, [0x08, 1..=31, ..]) => Self::Onnx,
            _ if start.iter().all(printable) => Self::Other("text"),
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "a safetensors file",
            Self::Onnx => "an ONNX file",
            Self::Other(kind) => kind,
            Self::Unknown => "an unknown kind of file",
        })
    }
}
