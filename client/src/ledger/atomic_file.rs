//! A file that holds either what it held before, or all of its new content.
//!
//! The content goes into another file of the same folder, is on the disk before that file takes the name, and takes it in one
//! step (rename(2)). A full disk, a kill or a power failure in between leaves the file of before.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the content will go.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Replaced,
    /// What can't be replaced is written as it is: a pipe, a device, a file in a folder that takes no others.
    InPlace(File),
}

impl AtomicFile {
    /// Finds out whether `path` can be written, and changes nothing there. A symbolic link stays one.
    ///
    /// # Errors
    /// Why it can't.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let present = match fs::metadata(path) {
            Ok(present) => present,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
                let path = folder.canonicalize()?.join(name);
                try_beside(&path)?;
                return Ok(Self { path, way: Way::Replaced });
            }
            Err(error) => return Err(error),
        };
        let in_place = || OpenOptions::new().write(true).open(path).map(Way::InPlace);
        if !present.is_file() {
            return Ok(Self { path: path.to_owned(), way: in_place()? });
        }
        let path = path.canonicalize()?;
        let way = match try_beside(&path) {
            Ok(()) => Way::Replaced,
            Err(_) => in_place()?,
        };
        Ok(Self { path, way })
    }

    /// Writes `content`, and waits until it is on the disk.
    ///
    /// # Errors
    /// Why that failed. A file that was there is then as it was, unless it had to be written in place.
    pub(crate) fn write(self, content: &[u8]) -> io::Result<()> {
        match self.way {
            Way::InPlace(file) => overwrite(file, content),
            Way::Replaced => match replace(&self.path, content) {
                // Mounted by itself, as a single file of a container may be: its name can't be given to another.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    overwrite(OpenOptions::new().write(true).open(&self.path)?, content)
                }
                done => done,
            },
        }
    }
}

/// The file that is written before it takes the name of `path`.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let beside = beside(path);
    // One that is there was left by a process of the same number that was killed.
    let file = File::create(&beside)?;
    Ok((beside, file))
}

fn try_beside(path: &Path) -> io::Result<()> {
    let (beside, _) = create_beside(path)?;
    fs::remove_file(beside)
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (beside, mut file) = create_beside(path)?;
    let written = (|| {
        if let Ok(present) = fs::metadata(path) {
            file.set_permissions(present.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        // It may be what fills the disk. That it can't be removed says nothing new.
        drop(fs::remove_file(&beside));
    } else if let Some(folder) = path.parent() {
        // The name is in the folder, which is on the disk when it is synced. Not every file system can.
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
    }
    written
}

fn overwrite(mut file: File, content: &[u8]) -> io::Result<()> {
    let is_file = file.metadata()?.is_file();
    if is_file {
        file.set_len(0)?;
    }
    file.write_all(content)?;
    if is_file { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder of its own for one test, removed with what is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("client-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn names(&self) -> Vec<String> {
            let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
            let mut names: Vec<_> = fs::read_dir(&self.0).unwrap().map(name).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn nothing_changes_before_it_is_written() {
        let folder = Folder::new("before");
        let path = folder.0.join("ledger.json");
        let file = AtomicFile::at(&path).unwrap();
        assert!(folder.names().is_empty());
        file.write(b"one").unwrap();
        let again = AtomicFile::at(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        again.write(b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(folder.names(), ["ledger.json"]);
    }

    #[test]
    fn a_file_keeps_its_permissions_and_a_link_stays_one() {
        let folder = Folder::new("link");
        let (path, link) = (folder.0.join("ledger.json"), folder.0.join("newest"));
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("ledger.json", &link).unwrap();
        AtomicFile::at(&link).unwrap().write(b"two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_device_is_written_and_not_replaced() {
        AtomicFile::at(Path::new("/dev/null")).unwrap().write(b"one").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let full = AtomicFile::at(Path::new("/dev/full")).unwrap().write(b"one").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert!(AtomicFile::at(Path::new("/dev")).is_err());
    }
}
