//! Where the store is, and what it wants to hear first: `STORE_URL` and the password beside it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use service::environment::{Environment, HIDDEN, Variable};

/// The port that Redis listens on unless told otherwise.
const PORT: u16 = 6379;
/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 4096;

/// A store to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The number of the database.
    pub database: u16,
    /// Where the password comes from.
    pub password: Password,
}

/// Where a password comes from. Shown, it is hidden.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// The store asks for none.
    None,
    /// A password that the settings gave.
    Given(String),
    /// A file that is read for each connection, so that a Secret may be changed under a running pod.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Password {
    /// The password, without the line end that editors leave; `None` is no password.
    ///
    /// # Errors
    /// Where the file can't be read or is too long for a password.
    pub fn read(&self) -> io::Result<Option<String>> {
        match self {
            Self::None => Ok(None),
            Self::Given(password) => Ok(Some(password.clone())),
            Self::File(path) => {
                let mut text = String::new();
                File::open(path)?.take(LONGEST_PASSWORD as u64 + 1).read_to_string(&mut text)?;
                if text.len() > LONGEST_PASSWORD {
                    return Err(io::Error::other(format!("a password has at most {LONGEST_PASSWORD} bytes")));
                }
                Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }
}

impl Target {
    /// Reads where the store is; `None` where there is none.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let url = Variable {
            name: "STORE_URL",
            default: "",
            about: "redis://[:PASSWORD@]HOST[:PORT][/DATABASE]: switches votes and jobs on; unset is off",
        };
        let accepted = "redis://HOST, with [:PASSWORD@] before it and [:PORT] and [/DATABASE] from 0 to 999 after it";
        let target = environment
            .parse_secret(url, accepted, |text| if text.is_empty() { Some(None) } else { Self::parse(text).map(Some) });
        let given = Variable { name: "STORE_PASSWORD", default: "", about: "password of the store" };
        let accepted = format!("at most {LONGEST_PASSWORD} bytes of text");
        let given = environment.parse_secret(given, &accepted, |text| {
            (text.len() <= LONGEST_PASSWORD).then(|| (!text.is_empty()).then(|| Password::Given(text.to_owned())))
        });
        let path = environment
            .optional_text("STORE_PASSWORD_FILE", "file with the password of the store, read for each connection");
        let file = path.as_ref().map(|path| Password::File(path.into()));
        if let (Some(path), Some(Err(error))) = (&path, file.as_ref().map(Password::read)) {
            environment.refuse("STORE_PASSWORD_FILE", path, &format!("a file with the password: {error}"));
        }
        let mut target = target?;
        let in_url = Some(target.password).filter(|password| *password != Password::None);
        let mut sources = [in_url, given, file].into_iter().flatten();
        target.password = sources.next().unwrap_or(Password::None);
        if sources.next().is_some() {
            let accepted = "one password: in STORE_URL, STORE_PASSWORD or STORE_PASSWORD_FILE";
            environment.refuse("STORE_PASSWORD", HIDDEN, accepted);
        }
        Some(target)
    }

    /// The parts of a `redis://` URL. Nothing in it is percent-encoded: a password that needs that goes into a variable of its
    /// own.
    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("redis://")?;
        let (password, rest) = match rest.rsplit_once('@') {
            Some((before, rest)) => (Password::Given(before.strip_prefix(':')?.to_owned()), rest),
            None => (Password::None, rest),
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (address, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        let host_is_valid = (1..=253).contains(&host.len()) && host.bytes().all(name);
        let port = match port.strip_prefix(':') {
            Some(port) => number(port).filter(|port| *port > 0)?,
            None => port.is_empty().then_some(PORT)?,
        };
        let database = if database.is_empty() { 0 } else { number(database).filter(|number| *number < 1000)? };
        host_is_valid.then(|| Self { host: host.to_owned(), port, database, password })
    }
}

/// A number without a sign.
fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Target>, String> {
        let lookup = |name: &str| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        let mut environment = Environment::new(&lookup);
        let target = Target::read(&mut environment);
        environment
            .finish()
            .map(|()| target)
            .map_err(|invalid| invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn urls_by_the_table() {
        for (url, host, port, database) in [
            ("redis://redis", "redis", 6379, 0),
            ("redis://redis/", "redis", 6379, 0),
            ("redis://redis.shop.svc:6380/2", "redis.shop.svc", 6380, 2),
            ("redis://[::1]:7", "::1", 7, 0),
            ("redis://:p@ss:w/rd@10.0.0.1:7/9", "10.0.0.1", 7, 9),
        ] {
            let target = read(&[("STORE_URL", url)]).unwrap().unwrap();
            assert_eq!((target.host.as_str(), target.port, target.database), (host, port, database), "{url}");
        }
        for url in [
            "redis",
            "http://redis",
            "redis://",
            "redis://:6379",
            "redis://a:0",
            "redis://a:x",
            "redis://a:+1",
            "redis://a/x",
            "redis://a/1000",
            "redis://user:p@a",
            "redis://a b",
            "redis://[a]",
            "redis://a:",
        ] {
            assert!(read(&[("STORE_URL", url)]).is_err(), "{url}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn a_password_has_one_source_and_is_never_shown() {
        let given = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD", "hunter2")]).unwrap().unwrap();
        assert_eq!(given.password.read().unwrap().as_deref(), Some("hunter2"));
        assert!(!format!("{given:?}").contains("hunter2"));
        let twice = read(&[("STORE_URL", "redis://:hunter2@a"), ("STORE_PASSWORD", "hunter3")]).unwrap_err();
        assert!(twice.contains("one password") && !twice.contains("hunter"), "{twice}");
        let wrong = read(&[("STORE_URL", "redis://:hunter2@a:x")]).unwrap_err();
        assert!(wrong.contains("(hidden)") && !wrong.contains("hunter"), "{wrong}");
    }

    #[test]
    fn a_password_file_has_to_be_there_and_loses_its_line_end() {
        let missing = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD_FILE", "/nowhere/password")]).unwrap_err();
        assert!(missing.starts_with("STORE_PASSWORD_FILE=\"/nowhere/password\""), "{missing}");
        let path = std::env::temp_dir().join(format!("store-password-{}", std::process::id()));
        std::fs::write(&path, "hunter2\n").unwrap();
        let target = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD_FILE", path.to_str().unwrap())]);
        assert_eq!(target.unwrap().unwrap().password.read().unwrap().as_deref(), Some("hunter2"));
        std::fs::remove_file(path).unwrap();
    }
}
