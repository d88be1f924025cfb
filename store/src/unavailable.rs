//! Why the store gave no answer that can be used.

use std::fmt;

use service::message::problem::Problem;

/// Seconds after which a client may try again. The store is looked for anew more often than that.
pub const RETRY_SECONDS: u64 = 2;
/// The longest text of the store that a message repeats, in characters.
const LONGEST_SHOWN: usize = 200;

/// A failure of the store. Whether a command that failed was carried out is not known, except where it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// It can't be reached, ended the connection, did not answer in time, or this one is not the store any more (see
    /// [`has_moved`]).
    Unreachable(String),
    /// It refuses the password, or the user, or asks for one.
    Password(String),
    /// It takes no writes: no memory is left, or its disk fails. Reads may be answered.
    Full(String),
    /// It refuses the command.
    Refused(String),
}

impl Unavailable {
    /// What an error reply means, by its code.
    pub(crate) fn of(error: &str) -> Self {
        let shown: String = error.chars().take(LONGEST_SHOWN).collect();
        match error.split(' ').next().unwrap_or_default() {
            "WRONGPASS" | "NOAUTH" | "NOPERM" => Self::Password(shown),
            // The only command that talks of AUTH in vain is the one that says the password.
            "ERR" if error.contains("AUTH") => Self::Password(shown),
            "OOM" | "MISCONF" => Self::Full(shown),
            _ if has_moved(error) => Self::Unreachable(shown),
            "BUSY" => Self::Unreachable(shown),
            _ => Self::Refused(shown),
        }
    }

    /// The same kind of failure: what is logged once is not logged again while it lasts.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Whether an error reply says that this server is not, or not yet again, where the data is written: the connection is of no
/// use, and the name may lead to another by now. After a failover the old primary is a replica (READONLY), reads the new
/// one's data (LOADING), or has lost it (MASTERDOWN); cut off from its replicas it takes no writes (NOREPLICAS); one of a
/// cluster may not serve while the others decide (CLUSTERDOWN).
pub(crate) fn has_moved(error: &str) -> bool {
    let code = error.split(' ').next().unwrap_or_default();
    matches!(code, "READONLY" | "LOADING" | "MASTERDOWN" | "NOREPLICAS" | "CLUSTERDOWN")
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the store can't be reached: {why}"),
            Self::Password(why) => {
                write!(
                    f,
                    "the store refuses the user or the password: set STORE_PASSWORD or STORE_PASSWORD_FILE to the store's own, \
                     and the user in STORE_URL to one that may run scripts ({why})"
                )
            }
            Self::Full(why) => write!(f, "the store takes no writes: make room in its memory or on its volume ({why})"),
            Self::Refused(why) => write!(f, "the store refuses the command: {why}"),
        }
    }
}

/// 503, whatever it is: no request is wrong for it, and each of them ends when somebody mends the store. The store's own words
/// are for the log.
impl From<Unavailable> for Problem {
    fn from(failure: Unavailable) -> Self {
        let detail = match failure {
            Unavailable::Unreachable(_) => "the store can't be reached",
            Unavailable::Password(_) => "the store refuses the password of this service",
            Unavailable::Full(_) => "the store takes no writes: its memory or its volume is full",
            Unavailable::Refused(_) => "the store refuses the command",
        };
        Problem::busy(detail, RETRY_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_replies_by_the_table() {
        for (error, name) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "Password"),
            ("NOAUTH Authentication required.", "Password"),
            ("ERR AUTH <password> called without any password configured for the default user.", "Password"),
            ("OOM command not allowed when used memory > 'maxmemory'.", "Full"),
            ("MISCONF Errors writing to the AOF file: No space left on device", "Full"),
            ("LOADING Redis is loading the dataset in memory", "Unreachable"),
            ("READONLY You can't write against a read only replica.", "Unreachable"),
            ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "Unreachable"),
            ("NOREPLICAS Not enough good replicas to write.", "Unreachable"),
            ("CLUSTERDOWN The cluster is down", "Unreachable"),
            ("BUSY Redis is busy running a script.", "Unreachable"),
            ("MOVED 3999 127.0.0.1:6381", "Refused"),
            ("NOSCRIPT No matching script.", "Refused"),
            ("WRONGTYPE Operation against a key", "Refused"),
            ("", "Refused"),
        ] {
            assert!(format!("{:?}", Unavailable::of(error)).starts_with(name), "{error}");
        }
    }
}
