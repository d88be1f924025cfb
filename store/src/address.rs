//! Where the store is, and what it wants to hear first: `STORE_URL` and the password beside it.

use contract::authority::{self, Host};
use service::settings::environment::{Environment, HIDDEN, Variable};

use crate::password::{LONGEST, Names, Password};

/// The port that Redis listens on unless told otherwise.
const PORT: u16 = 6379;
const NAMES: Names = Names {
    url: "STORE_URL",
    given: Variable::new("STORE_PASSWORD", "", "password of the store"),
    file: ("STORE_PASSWORD_FILE", "file with the password of the store, read for each connection"),
};

/// A store to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The number of the database.
    pub database: u16,
    /// The user of the store's access list; without one it is the store's default user.
    pub user: Option<String>,
    /// Where the password comes from.
    pub password: Password,
}

impl Address {
    /// Reads where the store is, of which the help says `about`; `None` where there is none.
    pub fn read(environment: &mut Environment, about: &'static str) -> Option<Self> {
        let url = Variable::new("STORE_URL", "", about);
        let address = environment.parse_secret(url, ACCEPTED, |text| {
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() { Some(None) } else { Some(Some(Self::parse(text))) }
        });
        let address =
            address.and_then(|parsed| parsed.map_err(|accepted| environment.refuse(url.name, HIDDEN, accepted)).ok());
        let in_url = address.as_ref().map(|address| address.password.clone());
        let password = Password::read_beside(environment, &NAMES, in_url);
        let mut address = address?;
        address.password = password?;
        if address.user.is_some() && address.password == Password::None {
            let accepted = "a URL without a user, or give the user's password: behind it as USER:PASSWORD, in STORE_PASSWORD or \
                            in STORE_PASSWORD_FILE";
            environment.refuse(url.name, HIDDEN, accepted);
        }
        Some(address)
    }

    /// The parts of a `redis://` URL, as the scheme is registered: user and password are percent-decoded (RFC 3986, sections
    /// 2.4 and 3.2.1), the path is the number of a database. More than the standard has it, `/` and `@` in a password may
    /// stand for themselves: it ends at the last `@`.
    fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(ACCEPTED)?;
        match scheme {
            _ if scheme.eq_ignore_ascii_case("redis") => {}
            _ if scheme.eq_ignore_ascii_case("rediss") => return Err(NO_TLS),
            _ => return Err(ACCEPTED),
        }
        let (userinfo, rest) = rest.rsplit_once('@').map_or((None, rest), |(userinfo, rest)| (Some(userinfo), rest));
        let (user, password) = userinfo.map_or(Ok((None, Password::None)), credentials)?;
        let (host, port, database) = place(rest).ok_or(ACCEPTED)?;
        Ok(Self { host, port, database, user, password })
    }
}

const ACCEPTED: &str =
    "redis://HOST, with [USER[:PASSWORD]@] before HOST and [:PORT] and [/DATABASE] from 0 to 999 after it";
const NO_TLS: &str = "redis://..., or put a proxy before the store that speaks TLS to it: rediss:// is TLS, which this service does not speak";
const PERCENT: &str =
    "a URL whose user and password are percent-encoded text: a % in them is written %25, an @ %40, a : in the user %3A";

/// `[user][:password]`, percent-decoded.
fn credentials(userinfo: &str) -> Result<(Option<String>, Password), &'static str> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let user = decoded(user).and_then(|user| String::from_utf8(user).ok()).ok_or(PERCENT)?;
    let password = decoded(password).ok_or(PERCENT)?;
    let password = match password.len() {
        0 => Password::None,
        1..=LONGEST => Password::Given(password),
        _ => return Err("a URL with a shorter password: at most 4096 bytes"),
    };
    Ok((Some(user).filter(|user| !user.is_empty()), password))
}

/// The bytes that percent-encoded text stands for; none where a `%` begins no octet.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (octet, rest) = piece.split_at_checked(2)?;
        let is_hex = octet.bytes().all(|b| b.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(octet, 16).ok().filter(|_| is_hex)?);
        bytes.extend(rest.as_bytes());
    }
    Some(bytes)
}

/// `host[:port][/database]`.
fn place(text: &str) -> Option<(String, u16, u16)> {
    let (authority, database) = text.split_once('/').unwrap_or((text, ""));
    let (host, port) = authority::split(authority)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let host = match host {
        Host::Ipv6(address) => address.to_string(),
        Host::Name(name) if (1..=253).contains(&name.len()) && name.bytes().all(plain) => name.to_owned(),
        Host::Name(_) => return None,
    };
    let port = port.map_or(Some(PORT), authority::port).filter(|port| *port > 0)?;
    // A number without a sign, as a port is.
    let database = if database.is_empty() { 0 } else { authority::port(database).filter(|number| *number < 1000)? };
    Some((host, port, database))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<Address>, String> {
        let lookup = |name: &str| {
            let (_, value) = pairs.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        let mut environment = Environment::new(&lookup);
        let target = Address::read(&mut environment, "");
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
            ("REDIS://default:secret@redis:7/0", "redis", 7, 0),
            ("redis://redis:7/1\n", "redis", 7, 1),
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
            "redis://user@a",
            "redis://user:@a",
            "redis://:p%@a",
            "redis://:p%4@a",
            "redis://:p%+4@a",
            "redis://:p%é@a",
            "redis://u%ff:p@a",
            "redis://a%2eb",
            "redis://a?db=1",
            "valkey://a",
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
        assert_eq!(given.password.read().unwrap(), [b"hunter2"]);
        assert!(!format!("{given:?}").contains("hunter2"));
        let twice = read(&[("STORE_URL", "redis://:hunter2@a"), ("STORE_PASSWORD", "hunter3")]).unwrap_err();
        assert!(twice.contains("one password") && !twice.contains("hunter"), "{twice}");
        let wrong = read(&[("STORE_URL", "redis://:hunter2@a:x")]).unwrap_err();
        assert!(wrong.contains("(hidden)") && !wrong.contains("hunter"), "{wrong}");
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        for (userinfo, user, password) in [
            ("default:secret", Some("default"), &b"secret"[..]),
            (":p%40ss", None, b"p@ss"),
            ("sh%3Aop:%25%2f%00%ff", Some("sh:op"), b"%/\0\xff"),
            (":a:b+c", None, b"a:b+c"),
        ] {
            let target = read(&[("STORE_URL", &format!("redis://{userinfo}@a"))]).unwrap().unwrap();
            assert_eq!(target.user.as_deref(), user, "{userinfo}");
            assert_eq!(target.password.read().unwrap(), [password], "{userinfo}");
        }
        let beside = read(&[("STORE_URL", "redis://shop@a"), ("STORE_PASSWORD", "hunter2")]).unwrap().unwrap();
        assert_eq!(
            (beside.user.as_deref(), beside.password.read().unwrap()),
            (Some("shop"), vec![b"hunter2".to_vec()])
        );
    }

    #[test]
    fn a_url_that_is_refused_says_why_and_hides_itself() {
        for (url, words) in [
            ("rediss://:hunter2@a", "rediss:// is TLS"),
            ("redis://:hunter2%@a", "%25"),
            ("redis://hunter2@a", "the user's password"),
            ("http://:hunter2@a", "redis://HOST"),
        ] {
            let error = read(&[("STORE_URL", url)]).unwrap_err();
            assert!(error.starts_with("STORE_URL=\"(hidden)\"") && error.contains(words), "{error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_secret_is_tried_as_it_is_and_then_without_its_line_end() {
        let path = std::env::temp_dir().join(format!("store-password-{}", std::process::id()));
        for (secret, expected) in [
            ("hunter2", &["hunter2"][..]),
            ("hunter2\n", &["hunter2\n", "hunter2"]),
            ("hunter2\r\n", &["hunter2\r\n", "hunter2"]),
            (" hunter2 ", &[" hunter2 "]),
        ] {
            std::fs::write(&path, secret).unwrap();
            for setting in [("STORE_PASSWORD", secret), ("STORE_PASSWORD_FILE", path.to_str().unwrap())] {
                let target = read(&[("STORE_URL", "redis://a"), setting]).unwrap().unwrap();
                let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
                assert_eq!(target.password.read().unwrap(), expected, "{setting:?}");
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_password_has_to_be_there() {
        let missing = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD_FILE", "/nowhere/password")]).unwrap_err();
        assert!(missing.starts_with("STORE_PASSWORD_FILE=\"/nowhere/password\""), "{missing}");
        let empty = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD_FILE", "/dev/null")]).unwrap_err();
        assert!(empty.contains("it is empty"), "{empty}");
        let line_end = read(&[("STORE_URL", "redis://a"), ("STORE_PASSWORD", "\n")]).unwrap_err();
        assert!(line_end.contains("more than a line end"), "{line_end}");
    }
}
