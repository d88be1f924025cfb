//! The opening handshake of a WebSocket (RFC 6455, section 4), as a gateway passes it on: the request is the client's, the
//! reply 101 the upstream's, and only if both are beyond doubt do the bytes behind them belong to the two.
//!
//! Otherwise one of the three could go on in HTTP while the others don't, and what the client sends would be a request to one
//! of them that the gateway has not seen. So a reply counts as 101 only with the answer to this very request's key, which an
//! upstream that was made to say 101 by other means does not have.

use base64ct::{Base64, Encoding as _};
use hyper::body::Body;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use service::message::correlation::only;
use service::message::problem::Problem;
use sha1::{Digest as _, Sha1};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADES: HeaderValue = HeaderValue::from_static("Upgrade");
/// The version that RFC 6455 describes, and the only one there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");
/// What a key is followed by before it is hashed (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How the fields begin that are the handshake's.
const OWN: &[u8] = b"sec-websocket-";

/// A handshake that a client has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// What the upstream must answer.
    accept: String,
}

impl Handshake {
    /// The handshake that `request` begins, if it does. One that asks for something else is a request as any other, in which
    /// `Upgrade` means nothing (RFC 9110, section 7.8).
    ///
    /// # Errors
    /// 400 where it begins one and is malformed, or has a body; 426 where it asks for another version.
    pub(crate) fn of<B: Body>(request: &Request<B>) -> Result<Option<Self>, Problem> {
        let headers = request.headers();
        let asks = request.version() == Version::HTTP_11
            && request.method() == Method::GET
            && lists(headers, &CONNECTION, |option| option.eq_ignore_ascii_case(b"upgrade"))
            && lists(headers, &UPGRADE, |protocol| protocol.eq_ignore_ascii_case(b"websocket"));
        if !asks {
            return Ok(None);
        }
        if !request.body().is_end_stream() {
            return Err(Problem::bad("a WebSocket's request has no body"));
        }
        if nominates_own(headers) {
            return Err(Problem::bad("Connection names a field of the WebSocket's handshake"));
        }
        let key =
            only(headers, &SEC_WEBSOCKET_KEY).ok_or_else(|| Problem::bad("a WebSocket needs one Sec-WebSocket-Key"))?;
        if !is_key(key.as_bytes()) {
            return Err(Problem::bad("the Sec-WebSocket-Key is not 16 bytes in base64"));
        }
        if only(headers, &SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "the only version of WebSocket here is 13");
            return Err(problem
                .header(SEC_WEBSOCKET_VERSION, VERSION)
                .header(UPGRADE, WEBSOCKET)
                .header(CONNECTION, UPGRADES));
        }
        Ok(Some(Self { accept: accept(key.as_bytes()) }))
    }

    /// What is wrong with an upstream's `reply` 101, if something is. HTTP/1.0 has none (RFC 9110, section 15.2).
    ///
    /// # Errors
    /// What, for logs.
    pub(crate) fn check<B>(&self, reply: &Response<B>) -> Result<(), &'static str> {
        if reply.version() != Version::HTTP_11 {
            return Err("it is not in HTTP/1.1");
        }
        let headers = reply.headers();
        let is = |name: &HeaderName, value: &[u8]| {
            only(headers, name).is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(value))
        };
        if !is(&UPGRADE, b"websocket") {
            return Err("it switches to another protocol than websocket");
        }
        if !lists(headers, &CONNECTION, |option| option.eq_ignore_ascii_case(b"upgrade")) {
            return Err("its Connection does not say upgrade");
        }
        if nominates_own(headers) {
            return Err("its Connection names a field of the handshake");
        }
        if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
            return Err("it claims to have a body");
        }
        if only(headers, &SEC_WEBSOCKET_ACCEPT).is_none_or(|given| given.as_bytes() != self.accept.as_bytes()) {
            return Err("its Sec-WebSocket-Accept is not that of the request's key");
        }
        Ok(())
    }
}

/// Makes `headers`, from which those of the hop have gone, those of a message that switches.
pub(crate) fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, UPGRADES);
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Whether `condition` holds for an entry of the list that the fields called `name` make.
fn lists(headers: &HeaderMap, name: &HeaderName, condition: impl Fn(&[u8]) -> bool) -> bool {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(|entry| condition(entry.trim_ascii()))
}

/// Whether `Connection` would have a field of the handshake go with the hop: one of the two ends would be without it.
fn nominates_own(headers: &HeaderMap) -> bool {
    lists(headers, &CONNECTION, |option| option.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN)))
}

/// 16 bytes in base64 (section 4.1).
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    Base64::decode(key, &mut nonce).is_ok_and(|nonce| nonce.len() == 16)
}

/// The answer to `key` (section 4.2.2).
fn accept(key: &[u8]) -> String {
    Base64::encode_string(&Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Empty, Full};
    use hyper::body::Bytes;

    /// The example of section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    const ASKED: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
    ];
    const ANSWERED: [(&str, &str); 3] =
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT)];

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// `pairs` with the field `name` as often as it has values.
    fn with<'a>(pairs: &[(&'a str, &'a str)], name: &'a str, values: &[&'a str]) -> Vec<(&'a str, &'a str)> {
        let others = pairs.iter().copied().filter(|(other, _)| *other != name);
        others.chain(values.iter().map(|value| (name, *value))).collect()
    }

    fn request(pairs: &[(&str, &str)]) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = headers(pairs);
        request
    }

    fn reply(pairs: &[(&str, &str)]) -> Response<()> {
        let mut reply = Response::new(());
        *reply.headers_mut() = headers(pairs);
        reply
    }

    /// What becomes of a request with these fields: the answer that is waited for, or the status of the refusal.
    fn asked(request: &Request<impl Body>) -> String {
        match Handshake::of(request) {
            Ok(Some(handshake)) => handshake.accept,
            Ok(None) => "no handshake".into(),
            Err(problem) => problem.status().as_str().to_owned(),
        }
    }

    #[test]
    fn a_handshake_is_what_the_standard_says() {
        assert_eq!(asked(&request(&ASKED)), ACCEPT);
        assert_eq!(asked(&request(&with(&ASKED, "connection", &["close", ",upgrade,"]))), ACCEPT);
        assert_eq!(asked(&request(&with(&ASKED, "upgrade", &["h2c, websocket"]))), ACCEPT);
    }

    #[test]
    fn what_asks_for_something_else_is_a_request_as_any_other() {
        for (name, values) in [
            ("connection", &["close"][..]),
            ("connection", &[]),
            ("connection", &["upgrades"]),
            ("upgrade", &["h2c"]),
            ("upgrade", &["websocket/13"]),
            ("upgrade", &["\"websocket\""]),
            ("upgrade", &[]),
        ] {
            assert_eq!(asked(&request(&with(&ASKED, name, values))), "no handshake", "{name}: {values:?}");
        }
        for method in [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS] {
            let mut request = request(&ASKED);
            *request.method_mut() = method;
            assert_eq!(asked(&request), "no handshake");
        }
        let mut old = request(&ASKED);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(asked(&old), "no handshake");
    }

    #[test]
    fn a_malformed_handshake_is_refused() {
        for (name, values, expected) in [
            ("sec-websocket-key", &[][..], "400"),
            ("sec-websocket-key", &[KEY, KEY], "400"),
            ("sec-websocket-key", &[""], "400"),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25j"], "400"),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ"], "400"),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ==,"], "400"),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZXM="], "400"),
            ("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZSBub25j"], "400"),
            ("sec-websocket-version", &[], "426"),
            ("sec-websocket-version", &["8"], "426"),
            ("sec-websocket-version", &["1337"], "426"),
            ("sec-websocket-version", &["13, 8"], "426"),
            ("sec-websocket-version", &["13", "13"], "426"),
            ("connection", &["upgrade, Sec-WebSocket-Key"], "400"),
            ("connection", &["upgrade", "sec-websocket-extensions"], "400"),
        ] {
            assert_eq!(asked(&request(&with(&ASKED, name, values))), expected, "{name}: {values:?}");
        }
        let with_body = request(&ASKED).map(|_| Full::new(Bytes::from_static(b"GET /smuggled HTTP/1.1\r\n\r\n")));
        assert_eq!(asked(&with_body), "400");
    }

    #[test]
    fn only_the_answer_to_this_very_handshake_is_one() {
        let handshake = Handshake::of(&request(&ASKED)).unwrap().unwrap();
        assert_eq!(handshake.check(&reply(&ANSWERED)), Ok(()));
        let mut old = reply(&ANSWERED);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(handshake.check(&old), Err("it is not in HTTP/1.1"));
        for (name, values) in [
            ("upgrade", &[][..]),
            ("upgrade", &["h2c"]),
            ("upgrade", &["websocket, h2c"]),
            ("upgrade", &["websocket", "websocket"]),
            ("connection", &[]),
            ("connection", &["close"]),
            ("connection", &["upgrade, sec-websocket-accept"]),
            ("sec-websocket-accept", &[]),
            ("sec-websocket-accept", &[KEY]),
            ("sec-websocket-accept", &["S3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
            ("sec-websocket-accept", &[ACCEPT, ACCEPT]),
            ("content-length", &["0"]),
            ("transfer-encoding", &["chunked"]),
        ] {
            assert!(handshake.check(&reply(&with(&ANSWERED, name, values))).is_err(), "{name}: {values:?}");
        }
    }
}
