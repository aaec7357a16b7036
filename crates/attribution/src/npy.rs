//! Arrays as NumPy's `.npy` files, for the use of raw maps in other programs.
//!
//! The format is that of `numpy.lib.format`: a magic string, a version, a Python dictionary of type, order and shape,
//! and the elements. Files are written in version 1.0.

use std::io;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayView, Dimension};
use nn::files::write_whole;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The magic string and the two bytes of the version.
const PREFIX: usize = MAGIC.len() + 2;

/// An `.npy` file that couldn't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file couldn't be opened or read.
    #[error("{}: can't be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file couldn't be written. No partial file is left behind.
    #[error("{}: can't be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file isn't an `.npy` file.
    #[error("{}: expected an .npy file, but {found}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The fault of its header.
        found: &'static str,
    },
    /// The elements are neither `<f4` nor `<f8` (little-endian floats), or not in C order.
    #[error("{}: expected '<f4' or '<f8' elements in C order, found {found}", path.display())]
    Elements {
        /// The file.
        path: PathBuf,
        /// The header's type and order.
        found: String,
    },
    /// The array has another number of axes, or one of them is empty.
    #[error("{}: expected an array {expected}, found {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The names of the axes.
        expected: &'static str,
        /// The header's shape.
        found: Vec<usize>,
    },
    /// The file's length doesn't match its header.
    #[error("{}: the header announces {shape:?}, {expected} bytes of elements; found {found}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The header's shape.
        shape: Vec<usize>,
        /// Bytes that this shape needs.
        expected: u128,
        /// Bytes that follow the header.
        found: usize,
    },
}

/// Writes an array of any shape, in C order, as `<f4`. The write is atomic.
///
/// # Errors
/// [`NpyError::Write`] if the file can't be written.
pub fn write_npy<D: Dimension>(path: impl AsRef<Path>, array: ArrayView<'_, f32, D>) -> Result<(), NpyError> {
    let path = path.as_ref();
    let axes: Vec<String> = array.shape().iter().map(|axis| format!("{axis},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", axes.join(" "));
    // The data starts at a multiple of 64 bytes; the header ends with a newline.
    let length = (PREFIX + 2 + header.len() + 1).next_multiple_of(64) - PREFIX - 2;
    let mut bytes = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{header:<width$}\n", width = length - 1).as_bytes());
    bytes.extend(array.iter().flat_map(|value| value.to_le_bytes()));
    write_whole(path, &bytes).map_err(|error| NpyError::Write { path: path.to_owned(), error })
}

/// Reads an array `[H, W, C]` of f32 or f64 (rounded to f32), in C order.
///
/// The size in the header is compared with the file's length before anything is allocated.
///
/// # Errors
/// If the file can't be read or isn't such an array.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Array3<f32>, NpyError> {
    let path = path.as_ref();
    parse(path, &bytes(path)?)
}

/// Reads a map `[h, w]`; otherwise as [`read_npy`].
///
/// # Errors
/// If the file can't be read or isn't such an array.
pub fn read_npy_map(path: impl AsRef<Path>) -> Result<Array2<f32>, NpyError> {
    let path = path.as_ref();
    let (shape, elements) = elements::<2>(path, &bytes(path)?, "[height, width]")?;
    Ok(Array2::from_shape_vec(shape, elements).expect("the length was compared with the shape"))
}

fn bytes(path: &Path) -> Result<Vec<u8>, NpyError> {
    std::fs::read(path).map_err(|error| NpyError::Read { path: path.to_owned(), error })
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Array3<f32>, NpyError> {
    let (shape, elements) = elements::<3>(path, bytes, "[height, width, channels]")?;
    Ok(Array3::from_shape_vec(shape, elements).expect("the length was compared with the shape"))
}

/// The shape and the elements of an array with `N` axes, called `expected` in errors.
fn elements<const N: usize>(
    path: &Path,
    bytes: &[u8],
    expected: &'static str,
) -> Result<([usize; N], Vec<f32>), NpyError> {
    let (header, data) = split(bytes).map_err(|found| NpyError::Foreign { path: path.to_owned(), found })?;
    let Header { kind, fortran, shape } = header;
    let (size, element): (usize, fn(&[u8]) -> f32) = match (kind, fortran) {
        ("<f4", false) => (4, |bytes| f32::from_le_bytes(bytes.try_into().expect("chunks of 4"))),
        ("<f8", false) => (8, |bytes| f64::from_le_bytes(bytes.try_into().expect("chunks of 8")) as f32),
        _ => {
            let found = format!("'{kind}' in {} order", if fortran { "Fortran" } else { "C" });
            return Err(NpyError::Elements { path: path.to_owned(), found });
        }
    };
    let axes = match <[usize; N]>::try_from(shape.as_slice()) {
        Ok(axes) if !axes.contains(&0) => axes,
        _ => return Err(NpyError::Shape { path: path.to_owned(), expected, found: shape }),
    };
    let expected = shape.iter().try_fold(size as u128, |n, &axis| n.checked_mul(axis as u128)).unwrap_or(u128::MAX);
    if expected != data.len() as u128 {
        return Err(NpyError::Length { path: path.to_owned(), shape, expected, found: data.len() });
    }
    Ok((axes, data.chunks_exact(size).map(element).collect()))
}

/// The dictionary in the header.
struct Header<'a> {
    kind: &'a str,
    fortran: bool,
    shape: Vec<usize>,
}

/// Splits a file into its header and its data.
fn split(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it doesn't start with \\x93NUMPY")?;
    let (text, data) = match *rest {
        [1, _, a, b, ref rest @ ..] => rest.split_at_checked(u16::from_le_bytes([a, b]).into()),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => rest.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize),
        [0 | 4.., ..] => return Err("the version of its format is not 1, 2 or 3"),
        _ => None,
    }
    .ok_or("its header is cut off")?;
    let header =
        std::str::from_utf8(text).ok().and_then(header).ok_or("its header isn't one of an array of numbers")?;
    Ok((header, data))
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 1), }`, with the keys in any order.
fn header(text: &str) -> Option<Header<'_>> {
    let value = |key| Some(text.split_once(key)?.1.trim_start().strip_prefix(':')?.trim_start());
    let (kind, _) = value("'descr'")?.strip_prefix('\'')?.split_once('\'')?;
    let order = value("'fortran_order'")?;
    let fortran = order.starts_with("True");
    let (axes, _) = value("'shape'")?.strip_prefix('(')?.split_once(')')?;
    let axes = axes.trim_end();
    let axes = axes.strip_suffix(',').unwrap_or(axes);
    let shape = if axes.is_empty() { Some(vec![]) } else { axes.split(',').map(|n| n.trim().parse().ok()).collect() };
    (fortran || order.starts_with("False")).then_some(Header { kind, fortran, shape: shape? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    /// A file of version 1.0 with this header and these bytes after it.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len() + 1).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.push(b'\n');
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Array3<f32>, NpyError> {
        parse(Path::new("map.npy"), bytes)
    }

    fn message(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn comes_back_to_the_bit_and_in_the_documented_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let array = Array3::from_shape_fn((2, 3, 2), |(y, x, c)| (y as f32 - 0.1) * (x as f32 + 1e-30) / (c as f32));
        write_npy(&path, array.view()).unwrap();
        let bits = |array: &Array3<f32>| array.mapv(f32::to_bits);
        assert_eq!(bits(&read_npy(&path).unwrap()), bits(&array));

        let map: Array2<f32> = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        write_npy(&path, map.t()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let (head, data) = bytes.split_at(bytes.len() - 24);
        assert_eq!(head.len() % 64, 0);
        let header = String::from_utf8_lossy(&head[10..]);
        assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2,), }"), "{header}");
        assert_eq!(read_npy_map(&path).unwrap(), map.t());
        let error = read_npy(&path).unwrap_err().to_string();
        assert!(error.ends_with("a.npy: expected an array [height, width, channels], found [3, 2]"), "{error}");
        let wanted: Vec<u8> = [1.0f32, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(data, wanted);
    }

    #[test]
    fn reads_doubles_and_keys_in_any_order() {
        let doubles =
            file("{ 'shape' : (1 ,1, 2,) ,'fortran_order':False, 'descr':'<f8'}", &[0.1f64.to_le_bytes(); 2].concat());
        assert_eq!(read(&doubles).unwrap(), array![[[0.1f32], [0.1f32]]].into_shape_with_order((1, 1, 2)).unwrap());
    }

    #[test]
    fn a_lying_header_is_compared_with_the_file() {
        let lying =
            |shape: &str| file(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"), &[0; 8]);
        assert!(read(&lying("(1, 2, 1)")).is_ok());
        assert!(message(&lying("(1, 3, 1)")).contains("[1, 3, 1], 12 bytes of elements; found 8"));
        for shape in ["(1, 1, 1)", "(100000, 100000, 3)", "(4294967296, 4294967296, 4294967296)"] {
            assert!(matches!(read(&lying(shape)), Err(NpyError::Length { .. })), "{shape}");
        }
        for shape in ["(1, 2)", "(2,)", "()", "(0, 2, 1)", "(1, 1, 2, 1)"] {
            assert!(matches!(read(&lying(shape)), Err(NpyError::Shape { .. })), "{shape}");
        }
        for shape in ["(-1, 2, 1)", "(99999999999999999999999, 1, 1)", "7", "('a', 1, 1)", "(1, 2, 1"] {
            assert!(matches!(read(&lying(shape)), Err(NpyError::Foreign { .. })), "{shape}");
        }
    }

    #[test]
    fn other_elements_and_orders_are_named() {
        let array = |kind: &str, fortran: &str| {
            message(&file(&format!("{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': (1, 1, 2), }}"), &[0; 8]))
        };
        assert!(array("'<i4'", "False").ends_with("found '<i4' in C order"));
        assert!(array("'>f4'", "False").ends_with("found '>f4' in C order"));
        assert!(array("'<f4'", "True").ends_with("found '<f4' in Fortran order"));
        assert!(array("[('x', '<f4')]", "False").contains("isn't one of an array of numbers"));
        assert!(array("'<f4'", "Maybe").starts_with("map.npy: expected an .npy file, but its header isn't"));
    }

    #[test]
    fn cut_and_foreign_files_are_told_apart() {
        let endless = b"\x93NUMPY\x02\x00\xff\xff\xff\xff{";
        assert!(message(endless).ends_with("its header is cut off"));
        assert!(message(&endless[..9]).ends_with("its header is cut off"));
        assert!(message(&endless[..6]).ends_with("its header is cut off"));
        assert!(message(b"\x93NUMPY\x09\x00").ends_with("is not 1, 2 or 3"));
        assert!(message(b"\x89PNG\r\n").ends_with("it doesn't start with \\x93NUMPY"));
        assert!(message(b"").ends_with("it doesn't start with \\x93NUMPY"));
    }

    #[test]
    fn an_absent_file_is_named() {
        let error = read_npy("nowhere/map.npy").unwrap_err().to_string();
        assert!(error.starts_with("nowhere/map.npy: can't be read"), "{error}");
        let error = write_npy("nowhere/map.npy", Array2::<f32>::zeros((1, 1)).view()).unwrap_err().to_string();
        assert!(error.starts_with("nowhere/map.npy: can't be written"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0usize..90, new: u8) {
            let _ = read(&bytes);
            bytes = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 1), }", &[1; 8]);
            bytes[place % 80] = new;
            let _ = read(&bytes);
        }
    }
}
