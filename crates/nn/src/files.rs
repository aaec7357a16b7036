//! Files that are either whole or absent.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` beside `path` under a temporary name, then renames: a crash or a full disk leaves the file that was
/// there before.
///
/// # Errors
/// Where the file can't be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut part = OsString::from(".");
    part.push(name);
    part.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(part);
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        // On the disk before it takes the other's name: the file system may not keep the two in order.
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().inspect_err(|_| {
        // What failed is the write; that the remains can't be removed either adds nothing.
        let _ = fs::remove_file(&part);
    })
}

/// Removes from a folder what [`write_whole`] had begun to write there when its process was killed. No other process may be
/// writing there.
///
/// # Errors
/// Where the folder can't be listed, or such a file not be removed.
pub fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(".part") {
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

    #[test]
    fn beginnings_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".map.npy.17.part", ".hidden", "map.part", "map.npy"] {
            fs::write(folder.path().join(name), b"bytes").unwrap();
        }
        remove_parts(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".hidden", "map.npy", "map.part"]);
        assert!(remove_parts(&folder.path().join("absent")).is_err());
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
