//! The IDX format of MNIST.
//!
//! A file is `00 00`, the code of an element type, the number of dimensions, each dimension as a big-endian u32, and the
//! elements in row-major order (Y. LeCun, C. Cortes, C. Burges, *The MNIST database*). The elements of image sets in this
//! format are bytes (type 0x08), and the files are usually compressed with gzip.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::DataError;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Limit on the number of elements: a gzip file can hold a thousand times its own length, so a small file could fill memory.
pub(super) const MOST_BYTES: usize = 1 << 31;

/// An array of bytes read from an IDX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Idx {
    /// Reads an IDX file of bytes. If its first bytes are those of a gzip file, it is decompressed.
    ///
    /// # Errors
    /// If the file can't be read, isn't an IDX file of bytes, or its length isn't the one given by its header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => Self::read(file, name),
            Err(cause) => Err(DataError::Io { file: name, cause }),
        }
    }

    /// As [`open`](Self::open), from a reader to its end; errors name it `name`.
    ///
    /// The header isn't trusted: memory grows only with the bytes that are read, and decompression stops one byte after the
    /// length given by the header.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(mut reader: impl Read, name: impl Into<String>) -> Result<Self, DataError> {
        let name = name.into();
        let start = match read_up_to(&mut reader, GZIP_MAGIC.len()) {
            Ok(start) => start,
            Err(cause) => return Err(DataError::Io { file: name, cause }),
        };
        let packed = start == GZIP_MAGIC;
        let whole = Cursor::new(start).chain(reader);
        if packed {
            Self::parse(MultiGzDecoder::new(whole), name, |file, cause| DataError::Gzip { file, cause })
        } else {
            Self::parse(whole, name, |file, cause| DataError::Io { file, cause })
        }
    }

    fn parse(
        mut reader: impl Read,
        file: String,
        failed: fn(String, io::Error) -> DataError,
    ) -> Result<Self, DataError> {
        let mut read = |count| read_up_to(&mut reader, count).map_err(|cause| failed(file.clone(), cause));
        let magic = read(4)?;
        let &[0, 0, code, rank] = &magic[..] else {
            return Err(DataError::NotIdx { file, found: magic });
        };
        let other = match code {
            0x08 => None,
            0x09 => Some("i8"),
            0x0b => Some("i16"),
            0x0c => Some("i32"),
            0x0d => Some("f32"),
            0x0e => Some("f64"),
            _ => return Err(DataError::NotIdx { file, found: magic }),
        };
        if let Some(found) = other {
            return Err(DataError::ElementType { file, code, found });
        }

        let header = read(4 * usize::from(rank))?;
        if header.len() < 4 * usize::from(rank) {
            let [expected, found] = [4 * usize::from(rank), header.len()].map(|dimensions| 4 + dimensions);
            return Err(DataError::HeaderLength { file, expected, found });
        }
        let dimensions = header.as_chunks().0.iter().map(|&bytes| u32::from_be_bytes(bytes) as usize);
        let shape: Vec<usize> = dimensions.collect();
        let size = shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent));
        let Some(expected) = size.filter(|&size| size <= MOST_BYTES) else {
            return Err(DataError::TooLarge { file, shape });
        };

        // Reading one more byte makes the gzip decoder check its checksum.
        let bytes = read(expected + 1)?;
        match bytes.len() {
            found if found < expected => Err(DataError::TooShort { file, shape, expected, found }),
            found if found > expected => Err(DataError::TooLong { file, shape, expected }),
            _ => Ok(Self { name: file, shape, bytes }),
        }
    }

    /// The path, or the name given to [`read`](Self::read).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dimensions in the header: `[N, H, W]` for images, `[N]` for labels.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, in row-major order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn rank_error(&self, expected: &'static str) -> DataError {
        DataError::Rank { file: self.name.clone(), expected, found: self.shape.clone() }
    }
}

/// The next `count` bytes, or fewer at the end of the file.
fn read_up_to(reader: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;
    use crate::data::LabelledImages;

    fn idx(code: u8, shape: &[u32], bytes: &[u8]) -> Vec<u8> {
        let dimensions = shape.iter().flat_map(|extent| extent.to_be_bytes());
        [0, 0, code, shape.len() as u8].into_iter().chain(dimensions).chain(bytes.iter().copied()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn message(file: &[u8]) -> String {
        Idx::read(file, "a file").unwrap_err().to_string()
    }

    /// The message for a file, which is the same for the compressed file.
    fn message_of_both(file: &[u8]) -> String {
        assert_eq!(message(file), message(&gzip(file)));
        message(file)
    }

    fn small_file() -> impl Strategy<Value = (Vec<u32>, Vec<u8>)> {
        prop::collection::vec(0..5u32, 0..5).prop_flat_map(|shape| {
            let size = shape.iter().product::<u32>() as usize;
            (Just(shape), prop::collection::vec(any::<u8>(), size))
        })
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written((shape, bytes) in small_file()) {
            let file = idx(8, &shape, &bytes);
            for file in [gzip(&file), [gzip(&file[..3]), gzip(&file[3..])].concat(), file] {
                let read = Idx::read(&file[..], "a file").unwrap();
                prop_assert!(read.shape().iter().map(|&extent| extent as u32).eq(shape.iter().copied()));
                prop_assert_eq!(read.bytes(), &bytes[..]);
            }
        }

        #[test]
        fn every_truncation_is_an_error((shape, bytes) in small_file()) {
            let file = idx(8, &shape, &bytes);
            for file in [gzip(&file), file] {
                for end in 0..file.len() {
                    prop_assert!(Idx::read(&file[..end], "a file").is_err(), "cut to {} of {}", end, file.len());
                }
            }
        }

        #[test]
        fn every_trailing_byte_is_an_error((shape, bytes) in small_file(), extra: u8) {
            let file = idx(8, &shape, &bytes);
            let longer = [&file[..], &[extra]].concat();
            for file in [gzip(&longer), [gzip(&file), vec![extra]].concat(), longer] {
                prop_assert!(Idx::read(&file[..], "a file").is_err());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), code in 0..20u8, shape: Vec<u32>) {
            let shape = &shape[..shape.len().min(6)];
            for file in [idx(code, shape, &bytes), [&GZIP_MAGIC[..], &bytes].concat(), gzip(&bytes), bytes] {
                let _ = Idx::read(&file[..], "a file");
            }
        }

        #[test]
        fn a_damaged_gzip_stream_is_an_error_or_the_same((shape, bytes) in small_file(), at: prop::sample::Index, by in 1..=255u8) {
            let mut file = gzip(&idx(8, &shape, &bytes));
            let at = at.index(file.len());
            file[at] ^= by;
            // Some bytes of a gzip header (time, system) don't matter.
            if let Ok(read) = Idx::read(&file[..], "a file") {
                prop_assert_eq!(read.bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn errors_name_what_the_header_says_and_what_is_there() {
        let expect = |file: &[u8], text: &str| assert_eq!(message_of_both(file), format!("a file: {text}"));
        expect(&idx(8, &[2, 3], &[0; 5]), "the header promises [2, 3], 6 bytes, found only 5");
        expect(&idx(8, &[2, 3], &[0; 7]), "the header promises [2, 3], 6 bytes, found more");
        expect(&idx(8, &[2, 3], &[])[..7], "expected an IDX header of 12 bytes, found 7");
        expect(&idx(13, &[1], &[0; 4]), "expected IDX elements of type u8 (0x08), found type f32 (0x0d)");
        for shape in [&[u32::MAX; 3][..], &[1 << 16; 2]] {
            let promised: Vec<usize> = shape.iter().map(|&extent| extent as usize).collect();
            let text = format!("the header promises {promised:?}; the limit is 2147483648 elements");
            expect(&idx(8, shape, &[0; 9]), &text);
        }
        expect(&idx(8, &[1 << 30], &[0; 9]), "the header promises [1073741824], 1073741824 bytes, found only 9");
        for start in [&b"\x89PNG"[..], &[0, 0, 10, 1], &[0, 0], &[]] {
            assert!(message_of_both(start).starts_with("a file: expected an IDX file"), "{}", message(start));
        }
        let whole = gzip(&idx(8, &[4], &[1, 2, 3, 4]));
        assert!(
            message(&whole[..whole.len() - 3]).starts_with("a file: expected a whole gzip stream, found a truncated")
        );
    }

    /// A small file that decompresses to much more than the header's length isn't decompressed to its end.
    #[test]
    fn decompression_stops_at_the_length_in_the_header() {
        struct Counted<R>(R, usize);
        impl<R: Read> Read for Counted<R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(buffer)?;
                self.1 += count;
                Ok(count)
            }
        }
        let bomb = gzip(&idx(8, &[10], &vec![0; 1 << 27]));
        let mut counted = Counted(&bomb[..], 0);
        let error = Idx::read(&mut counted, "a bomb").unwrap_err();
        assert!(matches!(error, DataError::TooLong { expected: 10, .. }), "{error}");
        assert!(counted.1 < bomb.len() / 2, "read {} of {}", counted.1, bomb.len());
    }

    #[test]
    fn images_and_labels_must_fit_together() {
        let read = |file: Vec<u8>, name: &str| Idx::read(&file[..], name).unwrap();
        let images = read(idx(8, &[2, 1, 2], &[1, 2, 3, 4]), "images.gz");
        let labels = |labels: &[u8]| read(idx(8, &[labels.len() as u32], labels), "labels.gz");
        let names = || vec!["cat".to_owned(), "dog".to_owned()];
        let set = LabelledImages::from_idx(images.clone(), labels(&[1, 0]), names()).unwrap();
        assert_eq!((set.shape(), set.labels(), set.image(1)), ([2, 1, 2, 1], &[1, 0][..], &[3, 4][..]));

        let message =
            |images: &Idx, labels| LabelledImages::from_idx(images.clone(), labels, names()).unwrap_err().to_string();
        assert_eq!(
            message(&images, labels(&[1, 0, 0])),
            "expected one label per image, found 2 images in images.gz and 3 labels in labels.gz"
        );
        assert_eq!(
            message(&images, labels(&[1, 2])),
            "labels.gz: expected labels below the number of classes, 2; found 2 at index 1"
        );
        assert_eq!(message(&labels(&[1, 0]), images.clone()), "labels.gz: expected images [N, H, W], found [2]");
        assert_eq!(message(&images, images.clone()), "images.gz: expected labels [N], found [2, 1, 2]");
        let flat = read(idx(8, &[2, 0, 2], &[]), "flat.gz");
        assert!(
            message(&flat, labels(&[1, 0])).starts_with("flat.gz: expected pixels for [N, H, W, C] = [2, 0, 2, 1]")
        );
    }

    #[test]
    fn opens_files_and_names_them() {
        let folder = tempfile::tempdir().unwrap();
        // The name doesn't end in `.gz`.
        let path = folder.path().join("labels");
        std::fs::write(&path, gzip(&idx(8, &[2], &[7, 8]))).unwrap();
        assert_eq!(Idx::open(&path).unwrap().bytes(), [7, 8]);
        std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 8]).unwrap();
        for path in [path, folder.path().join("missing"), folder.path().to_owned()] {
            let message = Idx::open(&path).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
        }
    }
}
