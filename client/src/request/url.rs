//! The URLs that this client takes: `http://host[:port][/path][?query]`.

use std::{fmt, net::IpAddr};

use contract::authority;
use http::{HeaderValue, Uri};

/// Longest URL that is taken, in bytes.
const MAX_LENGTH: usize = 8192;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) host: Host,
    /// TCP port, 1 to 65535.
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Url {
    pub(crate) text: String,
    pub(crate) origin: Origin,
    /// Value of the `Host` header (RFC 9110, section 7.2).
    pub(crate) authority: HeaderValue,
    /// Path and query, the request target in origin form (RFC 9112, section 3.2.1).
    pub(crate) path: Uri,
}

impl Url {
    /// Parses `url`.
    ///
    /// # Errors
    /// One sentence that names the URL and what is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("URL {url:?}: {why}"));
        if url.len() > MAX_LENGTH {
            return Err(format!("URL of {} bytes: at most {MAX_LENGTH} are accepted", url.len()));
        }
        let Some((scheme, _)) = url.split_once("://") else {
            return refuse("it must start with http://");
        };
        if scheme.eq_ignore_ascii_case("https") {
            return refuse("https is not supported, only http:// is");
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return refuse("it must start with http://");
        }
        let uri: Uri = match url.parse() {
            Ok(uri) => uri,
            Err(error) => return refuse(&error.to_string()),
        };
        let Some(authority) = uri.authority() else {
            return refuse("it has no host");
        };
        if authority.as_str().contains('@') {
            return refuse("a user or password in it is not supported");
        }
        let Some((host, port)) =
            authority::split(authority.as_str()).and_then(|(host, port)| Some((Host::of(host)?, port)))
        else {
            return refuse("the host is neither a name nor an address");
        };
        let port = match port.map_or(Some(80), authority::port) {
            Some(0) => return refuse("port 0 is none"),
            Some(port) => port,
            None => return refuse("the port must be a number from 1 to 65535"),
        };
        let mut path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
        if !path.starts_with('/') {
            // An empty path is sent as "/" (RFC 9112, section 3.2.1).
            path.insert(0, '/');
        }
        let (Ok(authority), Ok(path)) = (HeaderValue::from_str(authority.as_str()), Uri::try_from(path)) else {
            return refuse("it has characters that a URL may not have");
        };
        Ok(Self { text: url.to_owned(), origin: Origin { host, port }, authority, path })
    }
}

impl Host {
    fn of(host: authority::Host<'_>) -> Option<Self> {
        let name = match host {
            authority::Host::Ipv6(address) => return Some(Self::Address(address.into())),
            authority::Host::Name(name) => name,
        };
        if let Ok(address) = name.parse() {
            return Some(Self::Address(address));
        }
        // RFC 1123, section 2.1, and the underscore that some names in DNS have.
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        ((1..=253).contains(&name.len()) && name.bytes().all(sound)).then(|| Self::Name(name.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, String, String) {
        let url = Url::parse(url).unwrap();
        (url.origin.to_string(), url.authority.to_str().unwrap().to_owned(), url.path.to_string())
    }

    #[test]
    fn what_goes_where() {
        for (url, origin, authority, path) in [
            ("http://backend-svc", "backend-svc:80", "backend-svc", "/"),
            ("http://a:8000/x?y=1#z", "a:8000", "a:8000", "/x?y=1"),
            ("http://127.0.0.1:30080/", "127.0.0.1:30080", "127.0.0.1:30080", "/"),
            ("http://[::1]:80/a", "[::1]:80", "[::1]:80", "/a"),
            ("http://[fd00::7]", "[fd00::7]:80", "[fd00::7]", "/"),
            ("HTTP://a_b.example?q", "a_b.example:80", "a_b.example", "/?q"),
        ] {
            assert_eq!(parts(url), (origin.into(), authority.into(), path.into()), "{url}");
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        for (url, why) in [
            ("https://a", "https is not supported"),
            ("a:8000/api", "must start with http://"),
            ("ftp://a", "must start with http://"),
            ("http://", "URL"),
            ("http://a:0", "port 0"),
            ("http://a:99999", "port"),
            ("http://a:x", "port"),
            ("http://u:p@a/", "user or password"),
            ("http://[::1/", "URL"),
            ("http://[nonsense]/", "neither"),
            ("http://a b/", "URL"),
        ] {
            let error = Url::parse(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
        assert!(Url::parse(&format!("http://a/{}", "x".repeat(9000))).unwrap_err().contains("8192"));
    }
}
