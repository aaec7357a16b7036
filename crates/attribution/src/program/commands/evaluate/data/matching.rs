//! Which picture another file is about.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Pictures by their names.
pub(crate) struct Matching {
    names: Vec<PathBuf>,
    by_last: HashMap<OsString, Vec<usize>>,
}

impl Matching {
    /// Finds pictures by their whole names.
    pub(super) fn of_names(names: &[PathBuf]) -> Self {
        Self::new(names.to_vec())
    }

    /// Finds pictures by their names without endings.
    pub(super) fn of_stems(names: &[PathBuf]) -> Self {
        Self::new(names.iter().map(|name| name.with_extension("")).collect())
    }

    fn new(names: Vec<PathBuf>) -> Self {
        let mut by_last: HashMap<OsString, Vec<usize>> = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            by_last.entry(name.file_name().unwrap_or_default().to_owned()).or_default().push(index);
        }
        Self { names, by_last }
    }

    /// The picture that a path means. The path may have more folders than the picture's name, or fewer.
    ///
    /// # Errors
    /// If there is no such picture, or there are several.
    pub(crate) fn find(&self, path: &Path) -> Result<usize, String> {
        let alike = path.file_name().and_then(|last| self.by_last.get(last)).map_or(&[][..], Vec::as_slice);
        let found: Vec<usize> = match alike.iter().find(|&&index| self.names[index] == path) {
            Some(&same) => vec![same],
            None => {
                let fits = |name: &PathBuf| name.ends_with(path) || path.ends_with(name);
                alike.iter().copied().filter(|&index| fits(&self.names[index])).collect()
            }
        };
        match found[..] {
            [one] => Ok(one),
            [] => Err(format!("expected the name of one of the pictures, found {}", path.display())),
            [a, b, ..] => Err(format!(
                "{} is the name of several pictures, among them {} and {}; name their folders too",
                path.display(),
                self.names[a].display(),
                self.names[b].display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_pictures_with_more_folders_or_fewer() {
        let names = ["cat/1.png", "dog/1.png", "dog/2.jpg"].map(PathBuf::from);
        let matching = Matching::of_names(&names);
        let find = |path: &str| matching.find(Path::new(path));
        assert_eq!(find("2.jpg"), Ok(2));
        assert_eq!(find("dog/1.png"), Ok(1));
        assert_eq!(find("/home/me/pets/cat/1.png"), Ok(0));
        assert_eq!(find("g/2.jpg").unwrap_err(), "expected the name of one of the pictures, found g/2.jpg");
        assert!(find("1.png").unwrap_err().contains("several pictures, among them cat/1.png and dog/1.png"));
        assert!(find("2.png").is_err() && find("").is_err());
        assert_eq!(Matching::of_stems(&names).find(Path::new("2")), Ok(2));
    }
}
