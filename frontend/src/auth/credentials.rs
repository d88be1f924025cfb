//! The directory of secrets that routes are guarded with: each a file, as a mounted Kubernetes Secret has them.
//!
//! What a secret holds goes nowhere but into the check of requests. What is kept to see that it changed is its digest.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The longest secret that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Where secrets are, if there are any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    directory: Option<PathBuf>,
}

/// The secrets of one table: each is read once, so that two routes cannot see it before and after a change.
pub struct Reading<'c> {
    credentials: &'c Credentials,
    contents: BTreeMap<String, Result<Vec<u8>, String>>,
}

/// What secrets held when they were read, to compare with what they hold later; says nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeMap<String, Option<[u8; 32]>>);

impl Credentials {
    /// The files of `directory`.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self { directory: Some(directory) }
    }

    /// Begins to read.
    pub fn reading(&self) -> Reading<'_> {
        Reading { credentials: self, contents: BTreeMap::new() }
    }

    /// What the secrets that `seen` is of hold now.
    pub fn again(&self, seen: &Fingerprints) -> Fingerprints {
        let mut reading = self.reading();
        for name in seen.0.keys() {
            let _ = reading.secret(name);
        }
        reading.fingerprints()
    }

    fn content(&self, name: &str) -> Result<Vec<u8>, String> {
        if !is_name(name) {
            return Err("accepted is a name of 1 to 253 of A-Z a-z 0-9 . _ -, not starting with two dots".into());
        }
        let directory = self.directory.as_deref().ok_or("there is no directory of secrets: set CREDENTIALS_DIR")?;
        bounded(&directory.join(name)).map_err(|error| format!("can't be read from CREDENTIALS_DIR: {error}"))
    }
}

impl Reading<'_> {
    /// What the secret called `name` holds.
    ///
    /// # Errors
    /// Why it can't be read: `name` is no name of a secret, there is no such file, or it is too long.
    pub fn secret(&mut self, name: &str) -> Result<&[u8], String> {
        let content = self.contents.entry(name.to_owned()).or_insert_with(|| self.credentials.content(name));
        content.as_deref().map_err(Clone::clone)
    }

    /// Of all that were asked for.
    pub fn fingerprints(&self) -> Fingerprints {
        let digest = |content: &Result<Vec<u8>, String>| Some(Sha256::digest(content.as_ref().ok()?).into());
        Fingerprints(self.contents.iter().map(|(name, content)| (name.clone(), digest(content))).collect())
    }
}

/// As Kubernetes has it for the keys of a Secret: so never a path, and none of the names that a kubelet uses itself.
fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    (1..=253).contains(&name.len()) && plain && name != "." && !name.starts_with("..")
}

/// The content of a file, through any symbolic links: a mounted Secret consists of them.
fn bounded(file: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(file)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut content)?;
    if content.len() > MOST_BYTES {
        return Err(std::io::Error::other(format!("it is longer than {MOST_BYTES} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for name in ["a", "shop-keys", "tls.key", ".dockerconfigjson", "A_1", &"x".repeat(253)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "..data", "../x", "a/b", "/etc/passwd", "a b", "a\0", "\u{e9}", &"x".repeat(254)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_secret_is_read_once_and_its_change_is_seen_through_links() {
        let directory = std::env::temp_dir().join(format!("credentials-{}", std::process::id()));
        // As a kubelet lays it out: NAME -> ..data/NAME, ..data -> a directory that is replaced.
        let version = |name: &str, content: &str| {
            std::fs::create_dir_all(directory.join(name)).unwrap();
            std::fs::write(directory.join(name).join("keys"), content).unwrap();
            std::os::unix::fs::symlink(name, directory.join("..new")).unwrap();
            std::fs::rename(directory.join("..new"), directory.join("..data")).unwrap();
        };
        version("..1", "one");
        std::os::unix::fs::symlink("..data/keys", directory.join("keys")).unwrap();
        let credentials = Credentials::in_directory(directory.clone());
        let mut reading = credentials.reading();
        assert_eq!(reading.secret("keys"), Ok(&b"one"[..]));
        assert!(reading.secret("missing").unwrap_err().contains("No such file"));
        assert!(reading.secret("..data").unwrap_err().contains("accepted is a name"));
        let before = reading.fingerprints();
        assert_eq!(credentials.again(&before), before);

        version("..2", "two");
        assert_eq!(reading.secret("keys"), Ok(&b"one"[..]), "one reading sees one content");
        assert_ne!(credentials.again(&before), before);

        std::fs::write(directory.join("long"), vec![b'x'; MOST_BYTES + 1]).unwrap();
        std::fs::create_dir(directory.join("folder")).unwrap();
        let mut reading = credentials.reading();
        assert!(reading.secret("long").unwrap_err().contains("65536"));
        assert!(reading.secret("folder").unwrap_err().contains("no file"));
        assert!(!format!("{:?}", reading.fingerprints()).contains("two"));
        std::fs::remove_dir_all(directory).unwrap();
        assert!(Credentials::default().reading().secret("keys").unwrap_err().contains("CREDENTIALS_DIR"));
    }
}
