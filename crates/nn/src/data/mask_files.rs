//! Folders of masks: which mask belongs to which picture, and what their values mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::folder::gather;
use super::{DataError, Mask};

/// The largest value of a pixel. In masks that have no other value but 0, it stands for class 1.
const WHITE: u8 = 255;

/// The pairs of pictures and masks, and the classes.
pub(super) struct MaskFiles {
    pub(super) pairs: Vec<(PathBuf, PathBuf)>,
    pub(super) coding: Coding,
    pub(super) names: Vec<String>,
}

/// What the values of masks mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// The values are the classes: this is their number.
    Numbers(usize),
    /// 0 and 255 are the two classes.
    Binary,
}

impl Coding {
    /// The classes of these values.
    pub(super) fn classes(self, file: &Path, values: &[u8]) -> Result<Vec<u8>, DataError> {
        let class = |&value: &u8| match (self, value) {
            (Self::Binary, 0) => Ok(0),
            (Self::Binary, WHITE) => Ok(1),
            (Self::Numbers(classes), _) if usize::from(value) < classes => Ok(value),
            _ => Err(self.refused(file, value)),
        };
        values.iter().map(class).collect()
    }

    fn refused(self, file: &Path, found: u8) -> DataError {
        let expected = match self {
            Self::Numbers(classes) => format!("a class from 0 to {}", classes - 1),
            Self::Binary => format!("0 or {WHITE}"),
        };
        DataError::MaskValue { mask: file.to_owned(), expected, found }
    }
}

impl MaskFiles {
    /// Finds the mask of each picture, and reads all of them for their values.
    pub(super) fn find(
        folder: &Path,
        pictures: &[PathBuf],
        masks: &Path,
        class_names: &[String],
    ) -> Result<Self, DataError> {
        let mut files = Vec::new();
        gather(masks, &mut files)?;
        let stem = |within: &Path, path: &Path| path.strip_prefix(within).unwrap_or(path).with_extension("");
        let mut by_stem: BTreeMap<PathBuf, PathBuf> =
            files.into_iter().map(|path| (stem(masks, &path), path)).collect();
        let mut pairs = Vec::new();
        // The folder of the masks may lie in that of the pictures.
        for picture in pictures.iter().filter(|path| masks == folder || !path.starts_with(masks)) {
            let mask = by_stem.remove(&stem(folder, picture));
            let missing = || DataError::NoMask { picture: picture.clone(), masks: masks.to_owned() };
            pairs.push((picture.clone(), mask.ok_or_else(missing)?));
        }
        if let Some(mask) = by_stem.into_values().next() {
            return Err(DataError::NoPicture { mask, folder: folder.to_owned() });
        }
        if pairs.is_empty() {
            return Err(DataError::NoPictures { folder: folder.display().to_string(), files: 0 });
        }
        let read = |(_, mask): &(PathBuf, PathBuf)| {
            let mut seen = [false; 256];
            Mask::open(mask)?.classes().iter().for_each(|&value| seen[usize::from(value)] = true);
            Ok::<_, DataError>(seen)
        };
        let seen = pairs.par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let has = |value: usize| seen.iter().any(|seen| seen[value]);
        let binary = has(WHITE.into()) && (1..WHITE.into()).all(|value| !has(value)) && class_names.len() <= 2;
        let values = (0..256).rfind(|&value| has(value)).map_or(0, |most| most + 1);
        let coding = match class_names.len() {
            _ if binary => Coding::Binary,
            0 => Coding::Numbers(values),
            named => Coding::Numbers(named),
        };
        let first_with = |value: usize| seen.iter().position(|seen| seen[value]).map(|at| pairs[at].1.clone());
        if let (Coding::Numbers(_), []) = (coding, class_names)
            && let Some(gap) = (0..values).find(|&value| !has(value))
        {
            let mask = first_with(values - 1).unwrap_or_default();
            return Err(DataError::MaskGap { mask, found: values - 1, gap });
        }
        let classes = match coding {
            Coding::Numbers(classes) => classes,
            Coding::Binary => 2,
        };
        let beyond = (classes..256).find_map(|value| Some((first_with(value)?, value as u8)));
        if let (Coding::Numbers(_), Some((mask, value))) = (coding, beyond) {
            return Err(coding.refused(&mask, value));
        }
        if coding == Coding::Binary && class_names.len() == 1 {
            return Err(DataError::MaskValue {
                mask: first_with(WHITE.into()).unwrap_or_default(),
                expected: "one class".into(),
                found: WHITE,
            });
        }
        let names = match (class_names, classes) {
            ([], 2) => ["background", "object"].map(String::from).to_vec(),
            ([], _) => (0..classes).map(|class| class.to_string()).collect(),
            (names, _) => names.to_vec(),
        };
        Ok(Self { pairs, coding, names })
    }
}
