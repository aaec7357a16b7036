//! Tensors whose data are in a file beside the ONNX file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use super::error::TensorError;
use super::schema::TensorProto;

/// The ONNX file's folder, if it came from one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExternalData<'a>(pub(super) Option<&'a Path>);

impl ExternalData<'_> {
    /// The bytes of a tensor, from the file that it names.
    pub(super) fn read(&self, tensor: &TensorProto) -> Result<Vec<u8>, TensorError> {
        let entry =
            |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &entry.value[..]);
        let file = entry("location").unwrap_or_default();
        let error = |problem: String| TensorError::External { file: file.into(), problem };
        let number = |key| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| error(format!("its {key} is `{text}`"))),
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let folder = self.0.ok_or_else(|| error("only the ONNX file's own bytes were given".into()))?;
        // A model must not read files from elsewhere.
        let inside = !file.is_empty() && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(error("expected the name of a file in the model's own folder".into()));
        }
        let read = || {
            let mut data = File::open(folder.join(file))?;
            let size = data.metadata()?.len();
            let rest = size.checked_sub(offset);
            let Some(length) = rest.map(|rest| length.unwrap_or(rest)).filter(|length| Some(*length) <= rest) else {
                let wanted = length.map_or_else(|| "all".to_string(), |length| format!("{length} bytes"));
                return Ok(Err(error(format!("it has {size} bytes; expected {wanted} from byte {offset} on"))));
            };
            data.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            data.take(length).read_to_end(&mut bytes)?;
            Ok(Ok(bytes))
        };
        read().unwrap_or_else(|io: std::io::Error| Err(error(io.to_string())))
    }
}
