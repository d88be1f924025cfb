//! Why something could not be done.

use std::fmt;

/// Why something could not be done. A test panics with it; a program that has to clean up hands it on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Error {
    /// A signal asks the program to end.
    Interrupted,
    /// Anything else, in words.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(what: String) -> Self {
        Self::Failed(what)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
