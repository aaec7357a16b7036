//! Atomic writing of files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// The names of temporary files begin and end with these.
const PREFIX: &str = ".glassbox-";
const SUFFIX: &str = ".part";

/// Writes `bytes` to a temporary file in the folder of `path`, then renames it to `path`. If the process is killed or the disk
/// is full, an existing file at `path` stays as it was.
///
/// # Errors
/// If the file can't be written; then no temporary file is left.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(folder), Some(_)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"));
    };
    let mut part = part(folder)?;
    part.as_file_mut().write_all(bytes)?;
    // The file system may not keep the order of writing and renaming.
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Checks that files can be created in a folder, which other processes and machines may be doing too.
///
/// # Errors
/// If one can't be created or removed.
pub fn check_writable(folder: &Path) -> io::Result<()> {
    part(folder)?.close()
}

/// A temporary file, created like any other file: one by `tempfile` itself could be read by its owner alone.
fn part(folder: &Path) -> io::Result<NamedTempFile<File>> {
    Builder::new().prefix(PREFIX).suffix(SUFFIX).make_in(folder, |path| File::create_new(path))
}

/// Removes from a folder the temporary files that [`write_whole`] left there when its process was killed. No other process may
/// be writing to the folder.
///
/// # Errors
/// If the folder can't be listed, or a file can't be removed.
pub fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.npy");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_has_the_permissions_of_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, other] = ["ours", "other"].map(|name| folder.path().join(name));
        write_whole(&ours, b"bytes").unwrap();
        fs::write(&other, b"bytes").unwrap();
        let [ours, other] = [ours, other].map(|path| fs::metadata(path).unwrap().permissions().mode());
        assert_eq!(ours, other);
    }

    #[test]
    fn only_temporary_files_of_ours_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let others = [".film.part", ".glassbox-notes", ".hidden", "film.part", "map.npy"];
        for name in others.iter().chain(&[".glassbox-a7Bz09.part"]) {
            fs::write(folder.path().join(name), b"bytes").unwrap();
        }
        remove_parts(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, others);
        assert!(remove_parts(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_folder_that_can_be_written_to_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        check_writable(folder.path()).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        assert!(check_writable(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder.png");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), b"").unwrap();
        assert!(write_whole(&taken, b"bytes").is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert!(write_whole(&folder.path().join("absent/file"), b"").is_err());
        assert!(write_whole(Path::new("/"), b"").is_err());
    }
}
