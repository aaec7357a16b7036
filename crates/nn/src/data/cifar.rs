//! The binary files of CIFAR-10 and CIFAR-100.
//!
//! A file is a sequence of records without a header. A record is the label, one byte (in CIFAR-100 two, the coarse and the fine
//! label), then 32×32 red values, 32×32 green ones and 32×32 blue ones, each in row-major order (A. Krizhevsky, *Learning
//! Multiple Layers of Features from Tiny Images*, 2009).

use std::fs;
use std::path::Path;

use super::{DataError, LabelledImages};

/// Height and width of an image in pixels.
const SIDE: usize = 32;
/// Length of an image in bytes.
const PIXELS: usize = SIDE * SIDE * 3;

/// CIFAR-10 or CIFAR-100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cifar {
    /// CIFAR-10.
    Ten,
    /// CIFAR-100 with its 100 fine classes.
    Hundred,
}

impl Cifar {
    /// Opens the folder of the published archive: the training images and the test images, `[N, 32, 32, 3]`. The files are
    /// `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin` and `batches.meta.txt` for CIFAR-10, and `train.bin`,
    /// `test.bin` and `fine_label_names.txt` for CIFAR-100.
    ///
    /// # Errors
    /// If a file can't be read or isn't a sequence of records, or a label isn't below the number of class names.
    pub fn open(self, folder: impl AsRef<Path>) -> Result<[LabelledImages; 2], DataError> {
        let folder = folder.as_ref();
        let (training, test, names): (&[&str], _, _) = match self {
            Self::Ten => (
                &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
                "test_batch.bin",
                "batches.meta.txt",
            ),
            Self::Hundred => (&["train.bin"], "test.bin", "fine_label_names.txt"),
        };
        let names = read(&folder.join(names))?;
        let names = String::from_utf8_lossy(&names);
        let names: Vec<String> =
            names.lines().map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
        let open = |files: &[&str]| self.images(files.iter().map(|file| folder.join(file)), names.clone());
        Ok([open(training)?, open(&[test])?])
    }

    /// The images `[N, 32, 32, 3]` of these files, in the order of the files.
    ///
    /// # Errors
    /// If a file can't be read or isn't a sequence of records, or a label isn't below the number of class names.
    pub fn images(
        self,
        files: impl IntoIterator<Item = impl AsRef<Path>>,
        class_names: Vec<String>,
    ) -> Result<LabelledImages, DataError> {
        // The label of a record is the last byte before its pixels.
        let label_bytes = match self {
            Self::Ten => 1,
            Self::Hundred => 2,
        };
        let record = label_bytes + PIXELS;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for path in files {
            let (path, file) = (path.as_ref(), path.as_ref().display().to_string());
            let bytes = read(path)?;
            if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
                return Err(DataError::Records { file, record, found: bytes.len() });
            }
            pixels.reserve_exact(bytes.len() / record * PIXELS);
            for (index, record) in bytes.chunks_exact(record).enumerate() {
                let (label, planes) = record.split_at(label_bytes);
                let (label, classes) = (usize::from(label[label_bytes - 1]), class_names.len());
                if label >= classes {
                    return Err(DataError::Label { file, index, label, classes });
                }
                labels.push(label);
                let [red, green, blue] = [0, 1, 2].map(|plane| &planes[plane * SIDE * SIDE..][..SIDE * SIDE]);
                pixels.extend((0..SIDE * SIDE).flat_map(|at| [red[at], green[at], blue[at]]));
            }
        }
        let shape = [labels.len(), SIDE, SIDE, 3];
        LabelledImages::new(pixels, shape, labels, class_names)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(|cause| DataError::Io { file: path.display().to_string(), cause })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| format!("class {class}")).collect()
    }

    /// A record whose value at `[y, x, c]` is `y + 7·x + 31·c + label`.
    fn record(labels: &[u8]) -> Vec<u8> {
        let at = |c: usize, y: usize, x: usize| (y + 7 * x + 31 * c) as u8;
        let label = labels[labels.len() - 1];
        let planes = (0..3).flat_map(|c| (0..SIDE).flat_map(move |y| (0..SIDE).map(move |x| at(c, y, x))));
        labels.iter().copied().chain(planes.map(|value| value.wrapping_add(label))).collect()
    }

    #[test]
    fn planes_become_pixels() {
        let folder = tempfile::tempdir().unwrap();
        for (cifar, labels) in [(Cifar::Ten, vec![[3].as_slice(), &[0]]), (Cifar::Hundred, vec![&[9, 3], &[9, 0]])] {
            let path = folder.path().join("images.bin");
            fs::write(&path, labels.iter().flat_map(|labels| record(labels)).collect::<Vec<_>>()).unwrap();
            let images = cifar.images([&path, &path], names(4)).unwrap();
            assert_eq!(images.shape(), [4, 32, 32, 3]);
            assert_eq!(images.labels(), [3, 0, 3, 0]);
            for (y, x, c) in [(0, 0, 0), (31, 2, 1), (5, 31, 2)] {
                let expected = (y + 7 * x + 31 * c + 3) as u8;
                assert_eq!(images.image(2)[(y * SIDE + x) * 3 + c], expected);
            }
        }
    }

    #[test]
    fn a_folder_is_opened_whole_or_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        for (number, label) in (1..=5).zip(0..5u8) {
            write(&format!("data_batch_{number}.bin"), &record(&[label]));
        }
        write("batches.meta.txt", names(10).join("\n").as_bytes());
        let message = Cifar::Ten.open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("test_batch.bin: "), "{message}");
        write("test_batch.bin", &record(&[9]));
        let [training, test] = Cifar::Ten.open(folder.path()).unwrap();
        assert_eq!((training.labels(), test.labels()), ([0, 1, 2, 3, 4].as_slice(), [9].as_slice()));
        assert_eq!(test.class_names(), names(10));
        write("data_batch_4.bin", &record(&[10]));
        let message = Cifar::Ten.open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("data_batch_4.bin: ") && message.contains("found 10 at index 0"), "{message}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in 0..3usize, classes in 0..3usize) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("images.bin");
            let file = [record(&[1]).repeat(whole), bytes.clone()].concat();
            fs::write(&path, &file).unwrap();
            let found = Cifar::Ten.images([&path], names(classes));
            prop_assert_eq!(found.is_ok(), bytes.is_empty() && whole > 0 && classes > 1);
        }
    }
}
