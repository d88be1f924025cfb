//! Why the database gave no answer that can be used.

use std::fmt;

use service::message::problem::Problem;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use store::unavailable::RETRY_SECONDS;

/// A failure of the database. Whether a transaction that failed was committed is not known where the connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// It can't be reached, ended the connection, did not answer in time, or takes no writes because it is a replica.
    Unreachable(String),
    /// It refuses the password, or the user, or asks for one.
    Password(String),
    /// Its volume is full.
    Full(String),
    /// Its schema is one that this release can't serve on.
    Ahead(String),
    Refused(String),
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let text = error.to_string();
            // The client says so where the server asks for a password and none is set.
            return if text.contains("password") { Self::Password(text) } else { Self::Unreachable(text) };
        };
        Self::of(refusal.code(), refusal.message().to_owned())
    }
}

impl Unavailable {
    /// What an error with this code means: <https://www.postgresql.org/docs/15/errcodes-appendix.html>
    fn of(code: &SqlState, message: String) -> Self {
        match code.code() {
            "28000" | "28P01" => Self::Password(message),
            "53100" => Self::Full(message),
            // A database that is not made yet, by whoever makes it.
            "3D000" | "25006" => Self::Unreachable(message),
            // No more connections; ended by an administrator, by a crash, or because it took too long; not started yet.
            code if code.starts_with("53") || code.starts_with("57") || code.starts_with("08") => {
                Self::Unreachable(message)
            }
            // A deadlock, or a lock that was not got in time: another try may have more luck.
            "40001" | "40P01" | "55P03" => Self::Unreachable(message),
            _ => Self::Refused(message),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the database can't be reached: {why}"),
            Self::Password(why) => write!(
                f,
                "the database refuses the user or the password: set DATABASE_PASSWORD or DATABASE_PASSWORD_FILE to the \
                 database's own, and the user in DATABASE_URL to one that may log in ({why})"
            ),
            Self::Full(why) => write!(f, "the database takes no writes: make room on its volume ({why})"),
            Self::Ahead(why) => write!(f, "this release is too old for its database: {why}; start a later release"),
            Self::Refused(why) => write!(f, "the database refuses the command: {why}"),
        }
    }
}

/// 503, whatever it is: no request is wrong for it, and each of them ends when somebody mends the database. The database's own
/// words are for the log.
impl From<Unavailable> for Problem {
    fn from(failure: Unavailable) -> Self {
        let detail = match failure {
            Unavailable::Unreachable(_) => "the database can't be reached",
            Unavailable::Password(_) => "the database refuses the password of this service",
            Unavailable::Full(_) => "the database takes no writes: its volume is full",
            Unavailable::Ahead(_) => "this release is too old for its database",
            Unavailable::Refused(_) => "the database refuses the command",
        };
        Problem::busy(detail, RETRY_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_by_the_table() {
        for (code, name) in [
            ("28P01", "Password"),
            ("28000", "Password"),
            ("53100", "Full"),
            ("53300", "Unreachable"),
            ("57P01", "Unreachable"),
            ("57P03", "Unreachable"),
            ("57014", "Unreachable"),
            ("25006", "Unreachable"),
            ("3D000", "Unreachable"),
            ("40P01", "Unreachable"),
            ("42P01", "Refused"),
            ("23505", "Refused"),
        ] {
            let failure = Unavailable::of(&SqlState::from_code(code), String::new());
            assert!(format!("{failure:?}").starts_with(name), "{code}: {failure:?}");
        }
    }
}
