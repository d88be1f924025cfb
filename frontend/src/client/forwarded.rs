//! Where a request comes from, as the proxies in front of this gateway tell it: `X-Forwarded-For`, `-Proto` and `-Host`, and
//! `Forwarded` (RFC 7239).
//!
//! Each proxy appends whom it got the request from, so the right end of a list is the nearest hop's, and its left end is
//! whatever the client has sent. The list is walked from the right: an entry is believed if a trusted proxy has written it, so
//! the first address that is no trusted proxy's is the client's. What is left of it is not looked at.
//!
//! A proxy that sets one of the two families may pass the other on as the client sent it, and nothing shows which of them it
//! sets. So where both come, only what both say is believed.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};
use service::message::correlation::only;

use crate::client::network::Networks;

/// The addresses of a request's way, nearest last.
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST_ASKED: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The most proxies in a row that are believed.
const MOST_HOPS: usize = 32;
/// The longest entry of a list that is looked at, in bytes.
const LONGEST_ENTRY: usize = 512;
/// The longest host that is believed, in bytes: a name and its port.
const LONGEST_HOST: usize = 261;

/// Who a request is of, and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection.
    peer: IpAddr,
    /// What is believed of its way.
    claims: Claims,
}

/// How the client's request came to the first proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// What one family of headers says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Claims {
    /// Who is before the peer, the client last.
    before: Vec<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
}

impl Client {
    /// That of a request with `headers` which came from `peer`; they are believed if it is one of `trusted`.
    pub fn of(trusted: &Networks, peer: IpAddr, headers: &HeaderMap) -> Self {
        let peer = peer.to_canonical();
        let claims = if trusted.contains(peer) { claims(trusted, headers) } else { Claims::default() };
        Self { peer, claims }
    }

    /// The client's address; the nearest one that is known where a proxy doesn't tell.
    pub fn address(&self) -> IpAddr {
        self.claims.before.last().copied().unwrap_or(self.peer)
    }

    /// The host that the client asked for, in a request with `headers`.
    pub fn host<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        self.claims.host.as_ref().or_else(|| headers.get(HOST))
    }

    /// Says it to the next hop: the client, the proxies behind it and the peer in `X-Forwarded-For`, as each of them would
    /// have appended them; what the client had put before itself is left out. `host` is the request's own, to this gateway.
    pub fn tell(self, headers: &mut HeaderMap, host: Option<HeaderValue>) {
        headers.insert(FOR, self.way());
        let scheme = match self.claims.scheme {
            Some(Scheme::Https) => "https",
            // What this gateway itself was asked with.
            Some(Scheme::Http) | None => "http",
        };
        headers.insert(PROTO, HeaderValue::from_static(scheme));
        if let Some(host) = self.claims.host.or(host) {
            headers.insert(HOST_ASKED, host);
        }
    }

    fn way(&self) -> HeaderValue {
        let mut way = String::new();
        for address in self.claims.before.iter().rev().chain([&self.peer]) {
            if !way.is_empty() {
                way.push_str(", ");
            }
            // A String takes whatever is written.
            let _ = write!(way, "{address}");
        }
        HeaderValue::try_from(way).expect("addresses are ASCII")
    }
}

/// What the headers say that a trusted peer has sent.
fn claims(trusted: &Networks, headers: &HeaderMap) -> Claims {
    let usual = [FOR, HOST_ASKED, PROTO].iter().any(|name| headers.contains_key(name));
    match (usual, headers.contains_key(FORWARDED)) {
        (true, false) => usual_claims(trusted, headers),
        (false, true) => standard_claims(trusted, headers),
        (false, false) => Claims::default(),
        (true, true) => usual_claims(trusted, headers).agreed(standard_claims(trusted, headers)),
    }
}

impl Claims {
    /// What `other` says, too.
    fn agreed(self, other: Self) -> Self {
        Self {
            before: if self.before == other.before { self.before } else { Vec::new() },
            scheme: self.scheme.filter(|scheme| other.scheme == Some(*scheme)),
            host: self.host.filter(|host| other.host.is_some_and(|other| same_name(host, &other))),
        }
    }
}

fn same_name(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

/// What `X-Forwarded-For`, `-Proto` and `-Host` say. The latter two are the peer's alone to set, so of several values none is
/// believed.
fn usual_claims(trusted: &Networks, headers: &HeaderMap) -> Claims {
    let mut before = Vec::new();
    for entry in entries(headers, &FOR, false) {
        let Some(address) = entry.and_then(|entry| address_of(entry, Port::Digits)) else { break };
        before.push(address);
        if before.len() == MOST_HOPS || !trusted.contains(address) {
            break;
        }
    }
    Claims {
        before,
        scheme: only(headers, &PROTO).and_then(|value| Scheme::parse(value.as_bytes())),
        host: only(headers, &HOST_ASKED).and_then(|value| host(value.as_bytes())),
    }
}

/// What `Forwarded` says: scheme and host are those of the entry nearest to the client that a trusted proxy has written.
fn standard_claims(trusted: &Networks, headers: &HeaderMap) -> Claims {
    let mut claims = Claims::default();
    for entry in entries(headers, &FORWARDED, true) {
        let Some(entry) = entry.and_then(Entry::parse) else { break };
        claims.scheme = entry.scheme.or(claims.scheme);
        claims.host = entry.host.or(claims.host);
        let Some(address) = entry.address else { break };
        claims.before.push(address);
        if claims.before.len() == MOST_HOPS || !trusted.contains(address) {
            break;
        }
    }
    claims
}

/// The entries of the list that all fields called `name` make, from the right; `None` for one that is too long. The right end is
/// read first, so that quotation marks which the client left open reach nothing that a proxy has put behind them.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName, quotes: bool) -> impl Iterator<Item = Option<&'a [u8]>> {
    headers.get_all(name).iter().rev().flat_map(move |value| FromRight { rest: Some(value.as_bytes()), quotes })
}

/// The entries of one field.
struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    /// Whether what stands in quotation marks is no end of an entry.
    quotes: bool,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let mut quoted = false;
        let mut start = rest.len();
        loop {
            if start == 0 {
                self.rest = None;
                break;
            }
            if rest.len() - start > LONGEST_ENTRY {
                self.rest = None;
                return Some(None);
            }
            let byte = rest[start - 1];
            if byte == b'"' && self.quotes && !is_escaped(&rest[..start - 1]) {
                quoted = !quoted;
            } else if byte == b',' && !quoted {
                self.rest = Some(&rest[..start - 1]);
                break;
            }
            start -= 1;
        }
        Some(Some(rest[start..].trim_ascii()))
    }
}

/// Whether a quotation mark behind `before` is part of what is quoted (RFC 9110, section 5.6.4).
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take(LONGEST_ENTRY).take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 1
}

#[derive(Default)]
struct Entry {
    /// None where the proxy hides it: `unknown`, or a name of its own (RFC 7239, section 6).
    address: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
}

impl Entry {
    /// Reads `name=value;name="value"`. An entry that is malformed anywhere is none: where it ends is anyone's guess.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut entry = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        let mut rest = text;
        loop {
            while let Some(behind) = rest.strip_prefix(b";") {
                rest = behind;
            }
            if rest.is_empty() {
                break;
            }
            let name = token(&mut rest)?;
            rest = rest.strip_prefix(b"=")?;
            let value = value(&mut rest)?;
            let ends = rest.is_empty() || rest.starts_with(b";");
            if !ends || seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                return None;
            }
            seen.push(name);
            match name.to_ascii_lowercase().as_slice() {
                b"for" => entry.address = Node::parse(&value)?.address(),
                b"proto" => entry.scheme = Scheme::parse(&value),
                b"host" => entry.host = host(&value),
                _ => {}
            }
        }
        (!seen.is_empty()).then_some(entry)
    }
}

/// Takes a token from the start of `rest` (RFC 9110, section 5.6.2).
fn token<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
    let (token, behind) = rest.split_at(end);
    *rest = behind;
    (!token.is_empty()).then_some(token)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Takes a token, or what is quoted, from the start of `rest`.
fn value(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = rest.strip_prefix(b"\"") else { return token(rest).map(<[u8]>::to_vec) };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
    *rest = bytes.as_slice();
    Some(value)
}

/// What may follow an address, behind a colon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Digits,
    /// A number, or a name that hides it.
    DigitsOrHidden,
}

/// A node (RFC 7239, section 6).
#[derive(Clone, Copy)]
enum Node {
    Address(IpAddr),
    /// `unknown`, or a name that stands for an address.
    Hidden,
}

impl Node {
    fn parse(text: &[u8]) -> Option<Self> {
        if let Some(address) = address_of(text, Port::DigitsOrHidden) {
            // The brackets set an IPv6 address apart from its port, and a node has them even without one.
            return (address.is_ipv4() || text.starts_with(b"[")).then_some(Self::Address(address));
        }
        let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
        let (name, port) = text.split_at(end);
        let is_good = port.is_empty() || is_port(&port[1..], Port::DigitsOrHidden);
        (is_good && (name.eq_ignore_ascii_case(b"unknown") || is_hidden(name))).then_some(Self::Hidden)
    }

    fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Hidden => None,
        }
    }
}

/// `_` and a name.
fn is_hidden(name: &[u8]) -> bool {
    let name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    name.len() > 1 && name.starts_with(b"_") && name.iter().all(name_byte)
}

fn is_port(text: &[u8], kind: Port) -> bool {
    let number = (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    number || (kind == Port::DigitsOrHidden && is_hidden(text))
}

/// The address that `text` is, with or without a port; an IPv6 address may stand in brackets, and with a port it must. An IPv6
/// address that stands for an IPv4 address is that one.
fn address_of(text: &[u8], port: Port) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, behind): (IpAddr, &str) = if let Some(inside) = text.strip_prefix('[') {
        let (address, behind) = inside.split_once(']')?;
        (address.parse::<Ipv6Addr>().ok()?.into(), behind)
    } else if let Ok(bare) = text.parse::<Ipv6Addr>() {
        (bare.into(), "")
    } else {
        let (address, behind) = text.split_at(text.find(':').unwrap_or(text.len()));
        (address.parse::<Ipv4Addr>().ok()?.into(), behind)
    };
    let is_good = behind.is_empty() || behind.strip_prefix(':').is_some_and(|text| is_port(text.as_bytes(), port));
    is_good.then(|| address.to_canonical())
}

impl Scheme {
    /// Reads a scheme. Some proxies say `ws` and `wss` of a WebSocket, which begins as a request with `http` and `https`.
    fn parse(text: &[u8]) -> Option<Self> {
        match text.to_ascii_lowercase().as_slice() {
            b"http" | b"ws" => Some(Self::Http),
            b"https" | b"wss" => Some(Self::Https),
            _ => None,
        }
    }
}

/// A host with or without a port, if `text` could be one.
fn host(text: &[u8]) -> Option<HeaderValue> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(byte);
    let is_good = (1..=LONGEST_HOST).contains(&text.len()) && text.iter().all(plain);
    HeaderValue::from_bytes(text).ok().filter(|_| is_good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEER: &str = "10.0.0.1";
    const TRUSTED: &str = "10.0.0.0/8,fd00::/8";

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Client::of(&Networks::parse(TRUSTED).unwrap(), peer.parse().unwrap(), &headers)
    }

    /// What the next hop gets: `X-Forwarded-For`, `-Proto` and `-Host`.
    fn told(client: Client) -> String {
        let mut headers = HeaderMap::new();
        client.tell(&mut headers, Some(HeaderValue::from_static("own")));
        let [way, scheme, host] = [FOR, PROTO, HOST_ASKED].map(|name| headers[name].to_str().unwrap().to_owned());
        format!("{way} {scheme} {host}")
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        for name in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"] {
            for value in ["10.0.0.7", "https", "for=10.0.0.7;proto=https;host=a"] {
                assert_eq!(told(client("203.0.113.9", &[(name, value)])), "203.0.113.9 http own", "{name}: {value}");
            }
        }
        assert_eq!(client("::ffff:203.0.113.9", &[]).address(), "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn the_list_is_walked_from_the_right_to_the_first_address_that_is_no_proxys() {
        for (list, way) in [
            ("203.0.113.9", "203.0.113.9, 10.0.0.1"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9, 10.0.0.1"),
            ("6.6.6.6, 203.0.113.9, 10.0.0.7", "203.0.113.9, 10.0.0.7, 10.0.0.1"),
            ("6.6.6.6,203.0.113.9 ,\t10.0.0.7", "203.0.113.9, 10.0.0.7, 10.0.0.1"),
            // Proxies all the way.
            ("10.0.0.8, 10.0.0.7", "10.0.0.8, 10.0.0.7, 10.0.0.1"),
            // Ports, brackets, and IPv4 addresses in the form of IPv6.
            ("203.0.113.9:4711", "203.0.113.9, 10.0.0.1"),
            ("2001:db8::9", "2001:db8::9, 10.0.0.1"),
            ("[2001:db8::9]", "2001:db8::9, 10.0.0.1"),
            ("[2001:DB8::9]:4711", "2001:db8::9, 10.0.0.1"),
            ("203.0.113.9, fd00::7", "203.0.113.9, fd00::7, 10.0.0.1"),
            ("203.0.113.9, ::ffff:10.0.0.7", "203.0.113.9, 10.0.0.7, 10.0.0.1"),
            ("203.0.113.9, [::ffff:10.0.0.7]:80", "203.0.113.9, 10.0.0.7, 10.0.0.1"),
            // What is malformed ends the walk at the last good address.
            ("203.0.113.9, unknown, 10.0.0.7", "10.0.0.7, 10.0.0.1"),
            ("203.0.113.9, , 10.0.0.7", "10.0.0.7, 10.0.0.1"),
            ("203.0.113.9,", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("010.0.0.7", "10.0.0.1"),
            ("1.2.3", "10.0.0.1"),
            ("203.0.113.9:", "10.0.0.1"),
            ("203.0.113.9:123456", "10.0.0.1"),
            ("203.0.113.9:x", "10.0.0.1"),
            ("[203.0.113.9]", "10.0.0.1"),
            ("[2001:db8::9", "10.0.0.1"),
            ("fe80::1%eth0", "10.0.0.1"),
            ("\"203.0.113.9\"", "10.0.0.1"),
            ("for=203.0.113.9", "10.0.0.1"),
        ] {
            let told = told(client(PEER, &[("x-forwarded-for", list)]));
            assert_eq!(told, format!("{way} http own"), "{list}");
        }
        let lines = [("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-for", "10.0.0.7")];
        assert_eq!(told(client(PEER, &lines)), "203.0.113.9, 10.0.0.7, 10.0.0.1 http own", "lines are one list");
    }

    #[test]
    fn no_more_proxies_are_believed_than_anyone_has() {
        let all = |count| vec!["10.0.0.7"; count].join(",");
        let address = |list: String| client(PEER, &[("x-forwarded-for", &list)]).claims.before.len();
        assert_eq!([address(all(32)), address(all(33)), address(all(3000))], [32, 32, 32]);
        let elements = vec!["for=10.0.0.7"; 3000].join(",");
        assert_eq!(client(PEER, &[("forwarded", &elements)]).claims.before.len(), 32);
        let long = format!("{},203.0.113.9", "x".repeat(30_000));
        assert_eq!(address(long), 1);
        assert_eq!(address("x".repeat(30_000)), 0);
    }

    #[test]
    fn a_trusted_proxys_scheme_and_host_are_kept_where_they_are_one() {
        for (name, value, expected) in [
            ("x-forwarded-proto", "https", "10.0.0.1 https own"),
            ("x-forwarded-proto", "HTTPS", "10.0.0.1 https own"),
            ("x-forwarded-proto", "wss", "10.0.0.1 https own"),
            ("x-forwarded-proto", "ws", "10.0.0.1 http own"),
            ("x-forwarded-proto", "https, http", "10.0.0.1 http own"),
            ("x-forwarded-proto", "javascript", "10.0.0.1 http own"),
            ("x-forwarded-host", "shop.example:8443", "10.0.0.1 http shop.example:8443"),
            ("x-forwarded-host", "[2001:db8::1]:80", "10.0.0.1 http [2001:db8::1]:80"),
            ("x-forwarded-host", "shop.example, evil.example", "10.0.0.1 http own"),
            ("x-forwarded-host", "shop.example/path", "10.0.0.1 http own"),
            ("x-forwarded-host", "user@shop.example", "10.0.0.1 http own"),
            ("x-forwarded-host", "", "10.0.0.1 http own"),
        ] {
            assert_eq!(told(client(PEER, &[(name, value)])), expected, "{name}: {value}");
        }
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("own"))]);
        assert_eq!(client(PEER, &[("x-forwarded-host", "shop.example")]).host(&headers).unwrap(), "shop.example");
        assert_eq!(client("203.0.113.9", &[("x-forwarded-host", "a")]).host(&headers).unwrap(), "own");
        let twice = [("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")];
        assert_eq!(told(client(PEER, &twice)), "10.0.0.1 http own");
        let twice = [("x-forwarded-host", "a"), ("x-forwarded-host", "b")];
        assert_eq!(told(client(PEER, &twice)), "10.0.0.1 http own");
    }

    /// RFC 7239, sections 4 and 6, with the examples of both.
    #[test]
    fn the_standard_header_is_understood() {
        for (value, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60, 10.0.0.1 http own"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17, 10.0.0.1 http own"),
            ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17, 10.0.0.1 http own"),
            ("for=192.0.2.43,for=\"10.0.0.7:80\"", "192.0.2.43, 10.0.0.7, 10.0.0.1 http own"),
            ("for=192.0.2.43, for=\"[fd00::7]:_x\"", "192.0.2.43, fd00::7, 10.0.0.1 http own"),
            ("for=192.0.2.43;host=shop.example;PROTO=https", "192.0.2.43, 10.0.0.1 https shop.example"),
            ("for=\"\\192.0.2.43\";host=\"shop.example:8443\"", "192.0.2.43, 10.0.0.1 http shop.example:8443"),
            ("for=192.0.2.43;ext=\"a,b;for=6.6.6.6\"", "192.0.2.43, 10.0.0.1 http own"),
            ("for=192.0.2.43;ext=\"a\\\",b\"", "192.0.2.43, 10.0.0.1 http own"),
            (";for=192.0.2.43;", "192.0.2.43, 10.0.0.1 http own"),
            // The first proxy says how the client came to it, the second how the first came to it.
            ("for=192.0.2.43;proto=https, for=10.0.0.7;proto=http", "192.0.2.43, 10.0.0.7, 10.0.0.1 https own"),
            ("for=192.0.2.43, for=10.0.0.7;proto=https", "192.0.2.43, 10.0.0.7, 10.0.0.1 https own"),
            ("for=6.6.6.6;proto=https, for=192.0.2.43", "192.0.2.43, 10.0.0.1 http own"),
            // A proxy that does not tell: the address nearest to the client is its own.
            ("for=6.6.6.6, for=unknown;proto=https", "10.0.0.1 https own"),
            ("for=6.6.6.6, for=_hidden, for=10.0.0.7", "10.0.0.7, 10.0.0.1 http own"),
            ("for=\"_gazonk:_5\"", "10.0.0.1 http own"),
            ("for=\"unknown:80\";host=a", "10.0.0.1 http a"),
            ("proto=https", "10.0.0.1 https own"),
            // Malformed.
            ("for=6.6.6.6, for=\"_hid den\", for=10.0.0.7", "10.0.0.7, 10.0.0.1 http own"),
            ("for=[2001:db8::17]", "10.0.0.1 http own"),
            ("for=\"2001:db8::17\"", "10.0.0.1 http own"),
            ("for=192.0.2.43:80", "10.0.0.1 http own"),
            ("for = 192.0.2.43", "10.0.0.1 http own"),
            ("for=192.0.2.43; proto=https", "10.0.0.1 http own"),
            ("for=192.0.2.43;for=192.0.2.43", "10.0.0.1 http own"),
            ("for=192.0.2.43;For=6.6.6.6", "10.0.0.1 http own"),
            ("for=192.0.2.43;proto=https;x", "10.0.0.1 http own"),
            ("for=\"192.0.2.43", "10.0.0.1 http own"),
            ("for=\"192.0.2.43\\\"", "10.0.0.1 http own"),
            ("for=\"192.0.2.43\"x", "10.0.0.1 http own"),
            ("192.0.2.43", "10.0.0.1 http own"),
            ("for=192.0.2.43,", "10.0.0.1 http own"),
            ("", "10.0.0.1 http own"),
        ] {
            assert_eq!(told(client(PEER, &[("forwarded", value)])), expected, "{value}");
        }
    }

    #[test]
    fn where_both_families_come_only_what_both_say_is_believed() {
        let both = |list: &str, scheme: &str, standard: &str| {
            told(client(PEER, &[("x-forwarded-for", list), ("x-forwarded-proto", scheme), ("forwarded", standard)]))
        };
        assert_eq!(both("203.0.113.9", "https", "for=203.0.113.9;proto=https"), "203.0.113.9, 10.0.0.1 https own");
        // The proxy sets one of the two, and the client has made up the other.
        assert_eq!(both("203.0.113.9", "http", "for=6.6.6.6;proto=https"), "10.0.0.1 http own");
        assert_eq!(both("6.6.6.6", "https", "for=203.0.113.9;proto=http"), "10.0.0.1 http own");
        assert_eq!(both("203.0.113.9", "https", "for=203.0.113.9"), "203.0.113.9, 10.0.0.1 http own");
        assert_eq!(both("203.0.113.9", "https", ""), "10.0.0.1 http own");
        // To be another's neighbour is not to be it: the ways differ, though they end in the same address.
        assert_eq!(both("203.0.113.9, 10.0.0.7", "http", "for=203.0.113.9"), "10.0.0.1 http own");
        let host = |standard| told(client(PEER, &[("x-forwarded-host", "Shop.example"), ("forwarded", standard)]));
        assert_eq!(host("host=shop.example"), "10.0.0.1 http Shop.example");
        assert_eq!(host("host=evil.example"), "10.0.0.1 http own");
        assert_eq!(host("for=6.6.6.6"), "10.0.0.1 http own");
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical());
        let proxy = (0_u32..256).prop_map(|last| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | last)));
        prop_oneof![v4, v6, proxy]
    }

    fn is_trusted(address: IpAddr) -> bool {
        Networks::parse(TRUSTED).unwrap().contains(address)
    }

    /// As a proxy writes an address into `Forwarded`.
    fn node_of(address: IpAddr, port: Option<u16>) -> String {
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        match address {
            IpAddr::V4(v4) if port.is_empty() => v4.to_string(),
            IpAddr::V4(v4) => format!("\"{v4}{port}\""),
            IpAddr::V6(v6) => format!("\"[{v6}]{port}\""),
        }
    }

    proptest! {
        /// Whatever a client sends, and however its proxies write it down: they append whom they got the request from, and the
        /// walk ends at the address that the first of them saw.
        #[test]
        fn a_client_can_not_say_who_it_is(
            sent in "[ -~]{0,80}",
            client_address in address(),
            proxies in proptest::collection::vec(0_u32..256, 0..9),
            port in proptest::option::of(any::<u16>()),
            separator in prop_oneof![Just(","), Just(", "), Just(" ,\t")],
        ) {
            prop_assume!(!is_trusted(client_address));
            let proxies: Vec<IpAddr> = proxies.iter().map(|last| Ipv4Addr::from_bits(0x0a00_0000 | last).into()).collect();
            let seen = || std::iter::once(&client_address).chain(&proxies);
            let list: Vec<String> = seen().map(ToString::to_string).collect();
            let list = format!("{sent}{separator}{}", list.join(separator));
            prop_assert_eq!(client(PEER, &[("x-forwarded-for", &list)]).address(), client_address);
            let elements: Vec<String> = seen().map(|address| format!("for={}", node_of(*address, port))).collect();
            let elements = format!("{sent}{separator}{}", elements.join(separator));
            prop_assert_eq!(client(PEER, &[("forwarded", &elements)]).address(), client_address);
        }

        /// The walk, told in another way: the believed addresses are the longest run of trusted ones at the right end, and the
        /// one before it.
        #[test]
        fn the_walk_goes_past_trusted_addresses_and_one_further(addresses in proptest::collection::vec(address(), 1..20)) {
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let run = addresses.iter().rev().take_while(|address| is_trusted(**address)).count();
            let expected: Vec<IpAddr> = addresses.iter().rev().take(run + 1).copied().collect();
            prop_assert_eq!(client(PEER, &[("x-forwarded-for", &list.join(", "))]).claims.before, expected);
        }

        /// Nothing from outside gets through but addresses, two schemes, and what could be a host.
        #[test]
        fn whatever_comes_what_is_told_is_well_formed(
            list in "[ -~]{0,60}", scheme in "[ -~]{0,9}", host in "[ -~]{0,30}", standard in "[ -~]{0,80}",
        ) {
            let lines = [
                ("x-forwarded-for", &*list), ("x-forwarded-proto", &*scheme), ("x-forwarded-host", &*host),
                ("forwarded", &*standard),
            ];
            for lines in [&lines[..3], &lines[3..], &lines[..]] {
                let told = told(client(PEER, lines));
                let (way, rest) = told.split_once(" http").unwrap();
                prop_assert!(way.split(", ").all(|address| address.parse::<IpAddr>().is_ok()), "{}", told);
                let (_, host) = rest.split_once(' ').unwrap();
                prop_assert!(super::host(host.as_bytes()).is_some(), "{}", told);
            }
        }
    }
}
