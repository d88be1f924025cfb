//! A password that the settings give: where it comes from, and what it may be.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use service::settings::environment::{Environment, HIDDEN, Variable};

/// The longest password, in bytes.
pub const LONGEST: usize = 4096;

/// Where a password comes from. Shown, it is hidden.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// None is asked for.
    None,
    /// A password that the settings gave.
    Given(Vec<u8>),
    /// A file that is read for each connection, so that a Secret may be changed under a running pod.
    File(PathBuf),
}

/// The variables that a password may be in.
pub struct Names {
    /// That of the URL, which may hold one.
    pub url: &'static str,
    /// That of the password itself.
    pub given: Variable,
    /// That of the file with it, and what it is.
    pub file: (&'static str, &'static str),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Password {
    /// Reads the password beside a URL, in which there may be one as well; more than one is refused. `None` where there is no URL.
    pub fn read_beside(environment: &mut Environment, names: &Names, in_url: Option<Self>) -> Option<Self> {
        let accepted = format!("1 to {LONGEST} bytes of text, more than a line end");
        let given = environment.parse_secret(names.given, &accepted, |text| match text {
            "" => Some(None),
            text if text.len() > LONGEST || without_line_end(text.as_bytes()).is_empty() => None,
            text => Some(Some(Self::Given(text.into()))),
        });
        let (file_name, about) = names.file;
        let path = environment.optional_text(file_name, about);
        let file = path.as_ref().map(|path| Self::File(path.into()));
        if let (Some(path), Some(Err(error))) = (&path, file.as_ref().map(Self::read)) {
            environment.refuse(file_name, path, &format!("a file with the password: {error}"));
        }
        let in_url = in_url.map(|password| Some(password).filter(|password| *password != Self::None))?;
        let mut sources = [in_url, given, file].into_iter().flatten();
        let password = sources.next().unwrap_or(Self::None);
        if sources.next().is_some() {
            let accepted = format!("one password: in {}, {} or {file_name}", names.url, names.given.name);
            environment.refuse(names.given.name, HIDDEN, &accepted);
        }
        Some(password)
    }

    /// What the password may be, in the order to try it; nothing where there is none. That is the secret as it is, and one
    /// that ends with a line end also without it: whoever made the Secret by an editor or `echo` did not mean the line end,
    /// but a store that was given the same Secret has it in its password.
    ///
    /// # Errors
    /// Where the file can't be read, holds nothing, or is too long for a password.
    pub fn read(&self) -> io::Result<Vec<Vec<u8>>> {
        let secret = match self {
            Self::None => return Ok(Vec::new()),
            Self::Given(secret) => secret.clone(),
            Self::File(path) => {
                let mut secret = Vec::new();
                File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut secret)?;
                if secret.len() > LONGEST {
                    return Err(io::Error::other(format!("a password has at most {LONGEST} bytes")));
                }
                secret
            }
        };
        let line = without_line_end(&secret);
        if line.is_empty() {
            return Err(io::Error::other("it is empty"));
        }
        let trimmed = (line.len() < secret.len()).then(|| line.to_vec());
        Ok([Some(secret), trimmed].into_iter().flatten().collect())
    }
}

fn without_line_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = text {
        text = rest;
    }
    text
}
