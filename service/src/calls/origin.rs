//! Where an upstream is.

use contract::authority::{Host, port, split};
use hyper::Uri;

/// Where an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name or IP address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `host:port` as configured: the Host of requests, and the upstream's name in replies and logs.
    pub authority: String,
}

impl Origin {
    /// Reads `http://host[:port]`, with at most a slash behind it.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let bare = uri.scheme_str() == Some("http")
            && uri.path_and_query().is_none_or(|path| path == "/")
            && !authority.as_str().contains('@')
            && !text.contains('#');
        let (host, digits) = split(authority.as_str())?;
        let port = digits.map_or(Some(80), port).filter(|port| *port > 0)?;
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            Host::Name(name) => name.to_owned(),
        };
        (bare && !host.is_empty()).then(|| Self { host, port, authority: authority.as_str().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_by_the_table() {
        let parsed = |text| Origin::parse(text).map(|o| format!("{} {} {}", o.host, o.port, o.authority));
        let good = [
            ("http://backend:8000", "backend 8000 backend:8000"),
            ("http://backend:8000/", "backend 8000 backend:8000"),
            ("http://backend", "backend 80 backend"),
            ("http://10.0.0.1:1", "10.0.0.1 1 10.0.0.1:1"),
            ("http://[::1]:8000", "::1 8000 [::1]:8000"),
        ];
        for (text, expected) in good {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "backend",
            "backend:8000",
            "https://backend",
            "http://",
            "http://a/path",
            "http://a?x",
            "http://u@a",
            "http://a:99999",
            "http://a:0",
            "http://a:x",
            "http://[x]",
            "http://[::1]x",
            "http://a b",
            "http://a#f",
            "/x",
            "*",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
