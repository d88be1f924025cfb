//! Who may use a route: what a request has to bring, and which client it is then.
//!
//! The upstream learns the client's name from `x-auth-client`, which comes from nowhere but here, and does not get what the
//! client has proved it with. Nothing in here knows of routes or upstreams.

mod api_key;
mod credentials;
mod token;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use serde_json::{Value, json};
use service::message::problem::Problem;

use crate::headers;
use crate::mistakes::Section;
use api_key::ApiKeys;
pub(crate) use credentials::Fingerprints;
pub use credentials::{Credentials, Reading};
use token::{Algorithm, Key, Rules};

/// The longest name of a token's issuer or audience, in bytes.
const MOST_NAME: usize = 1024;
/// How far the clock of a token's issuer may be off, in seconds.
const LEEWAYS: RangeInclusive<f64> = 0.0..=300.0;
/// How far it may be off where the table says nothing, in seconds.
const USUAL_LEEWAY: f64 = 30.0;

/// What a route asks of requests.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// A key that is a client's.
    ApiKey {
        /// Name of the secret that has the keys.
        secret: String,
        header: HeaderName,
        keys: Arc<ApiKeys>,
    },
    /// A token that somebody else has issued (RFC 6750).
    Jwt {
        /// Name of the secret that tokens are verified with.
        secret: String,
        /// What a token must say.
        rules: Rules,
        /// What it is verified with.
        key: Arc<Key>,
    },
}

/// Equal if they ask for the same. What the secrets hold is not compared: a route stays the same one when its keys change.
impl PartialEq for Guard {
    fn eq(&self, other: &Self) -> bool {
        self.document() == other.document()
    }
}

impl Guard {
    /// The client that a request with `headers` is of, at `now`, the time since 1970.
    ///
    /// # Errors
    /// The reply that says what is missing or wrong: 401, or 400 where there are two credentials.
    pub(crate) fn admit(&self, headers: &HeaderMap, now: Duration) -> Result<HeaderValue, Problem> {
        let mut values = headers.get_all(self.credential()).iter();
        let value = values.next();
        if values.next().is_some() {
            // RFC 6750, section 3.1. Which of them an upstream or a log would take is anyone's guess.
            let detail = format!("more than one {} header", self.credential());
            return Err(self.refuse(StatusCode::BAD_REQUEST, &detail, Some("invalid_request")));
        }
        match self {
            Self::ApiKey { header, keys, .. } => {
                let key = value.ok_or_else(|| self.missing(&format!("a key in the header {header}")))?;
                let client = keys.client(key.as_bytes()).cloned();
                client.ok_or_else(|| self.wrong(&format!("the key in the header {header} is nobody's")))
            }
            Self::Jwt { rules, key, .. } => {
                let token = value.and_then(|value| bearer(value.as_bytes()));
                let token = token.ok_or_else(|| self.missing("a token, as Authorization: Bearer TOKEN"))?;
                token::verify(token, key, rules, now).map_err(|flaw| self.wrong(flaw.0))
            }
        }
    }

    /// The header with what the client proves itself with: nobody else's business.
    pub(crate) fn credential(&self) -> &HeaderName {
        match self {
            Self::ApiKey { header, .. } => header,
            Self::Jwt { .. } => &AUTHORIZATION,
        }
    }

    pub(crate) fn document(&self) -> Value {
        match self {
            Self::ApiKey { secret, header, keys: _ } => {
                json!({"apiKey": {"secret": secret, "header": header.as_str()}})
            }
            Self::Jwt { secret, rules, key } => {
                let mut jwt = json!({
                    "secret": secret,
                    "algorithm": key.algorithm().name(),
                    "leewaySeconds": rules.leeway.as_secs_f64(),
                });
                for (name, value) in [("issuer", &rules.issuer), ("audience", &rules.audience)] {
                    if let Some(value) = value {
                        jwt[name] = value.as_str().into();
                    }
                }
                json!({"jwt": jwt})
            }
        }
    }

    /// Without an error code: the client may just not know yet (RFC 6750, section 3.1).
    fn missing(&self, what: &str) -> Problem {
        self.refuse(StatusCode::UNAUTHORIZED, &format!("this path asks for {what}"), None)
    }

    fn wrong(&self, what: &str) -> Problem {
        self.refuse(StatusCode::UNAUTHORIZED, what, Some("invalid_token"))
    }

    /// A problem with a challenge (RFC 9110, section 11.6.1; for tokens RFC 6750, section 3). There is no registered scheme
    /// for keys; this one tells where they go.
    fn refuse(&self, status: StatusCode, detail: &str, error: Option<&str>) -> Problem {
        let challenge = match (self, error) {
            (Self::ApiKey { header, .. }, _) => format!("ApiKey realm=\"gateway\", header=\"{header}\""),
            (Self::Jwt { .. }, None) => "Bearer realm=\"gateway\"".to_owned(),
            (Self::Jwt { .. }, Some(error)) => {
                format!("Bearer realm=\"gateway\", error=\"{error}\", error_description=\"{detail}\"")
            }
        };
        let problem = Problem::new(status, detail);
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        }
    }
}

/// The token of an Authorization header, if that has one; names of schemes are of any case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Entry {
    api_key: Option<ApiKeyEntry>,
    jwt: Option<JwtEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ApiKeyEntry {
    secret: String,
    header: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct JwtEntry {
    secret: String,
    algorithm: Algorithm,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: Option<f64>,
}

impl Entry {
    pub(crate) fn check(self, section: &mut Section, secrets: &mut Reading) -> Option<Guard> {
        match (self.api_key, self.jwt) {
            (Some(entry), None) => entry.check(section, secrets),
            (None, Some(entry)) => entry.check(section, secrets),
            (None, None) | (Some(_), Some(_)) => {
                section.mistake("auth: accepted is either apiKey or jwt");
                None
            }
        }
    }
}

impl ApiKeyEntry {
    fn check(self, section: &mut Section, secrets: &mut Reading) -> Option<Guard> {
        let header = self.header.as_deref().unwrap_or("x-api-key");
        let header = headers::read(section, "auth.apiKey.header", header, "").map(|(name, _)| name);
        let keys = secret(section, "auth.apiKey.secret", &self.secret, secrets, ApiKeys::parse);
        Some(Guard::ApiKey { secret: self.secret, header: header?, keys: keys?.into() })
    }
}

impl JwtEntry {
    fn check(self, section: &mut Section, secrets: &mut Reading) -> Option<Guard> {
        for (key, name) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if name.as_ref().is_some_and(|name| !(1..=MOST_NAME).contains(&name.len())) {
                section.mistake(format!("auth.jwt.{key}: accepted are 1 to {MOST_NAME} bytes, or leave it out"));
            }
        }
        let leeway = section.seconds("auth.jwt.leewaySeconds", self.leeway_seconds.or(Some(USUAL_LEEWAY)), LEEWAYS);
        let key = |content: &[u8]| Key::parse(self.algorithm, content);
        let key = secret(section, "auth.jwt.secret", &self.secret, secrets, key);
        let rules = Rules { issuer: self.issuer, audience: self.audience, leeway: leeway? };
        Some(Guard::Jwt { secret: self.secret, rules, key: key?.into() })
    }
}

/// What `parse` makes of the secret called `name`.
fn secret<T>(
    section: &mut Section,
    key: &str,
    name: &str,
    secrets: &mut Reading,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Option<T> {
    let parsed = secrets.secret(name).and_then(parse);
    parsed.map_err(|mistake| section.mistake(format!("{key} {name:?}: {mistake}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_key() -> Guard {
        let keys = Arc::new(ApiKeys::parse(b"shop:0123456789abcdef").unwrap());
        Guard::ApiKey { secret: "partners".into(), header: HeaderName::from_static("x-api-key"), keys }
    }

    fn by_token(secret: &[u8]) -> Guard {
        let key = Arc::new(Key::parse(Algorithm::Hs256, secret).unwrap());
        let rules = Rules { issuer: None, audience: None, leeway: Duration::ZERO };
        Guard::Jwt { secret: "issuer".into(), rules, key }
    }

    fn refused(guard: &Guard, headers: &[(&'static str, &'static str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let response = guard.admit(&map, Duration::ZERO).unwrap_err().into_response("/", "");
        format!("{} {}", response.status().as_u16(), response.headers()[WWW_AUTHENTICATE].to_str().unwrap())
    }

    #[test]
    fn a_refusal_says_what_to_bring_and_nothing_of_what_was_brought() {
        let guard = by_key();
        for headers in [&[][..], &[("x-api-key", "0123456789abcdeF")], &[("authorization", "0123456789abcdef")]] {
            assert_eq!(refused(&guard, headers), "401 ApiKey realm=\"gateway\", header=\"x-api-key\"");
        }
        let twice = [("x-api-key", "0123456789abcdef"), ("x-api-key", "0123456789abcdef")];
        assert!(refused(&guard, &twice).starts_with("400 ApiKey "));

        let guard = by_token(&[b'k'; 32]);
        for headers in [
            &[][..],
            &[("authorization", "Basic dTpw")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer,")],
            &[("x-api-key", "x")],
        ] {
            assert_eq!(refused(&guard, headers), "401 Bearer realm=\"gateway\"", "{headers:?}");
        }
        let malformed = "401 Bearer realm=\"gateway\", error=\"invalid_token\", \
                         error_description=\"the token is no JSON Web Token in the compact form\"";
        for value in ["Bearer x", "bearer   x.y", "BEARER x.y.z.a", "Bearer "] {
            assert_eq!(refused(&guard, &[("authorization", value)]), malformed, "{value}");
        }
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        assert!(refused(&guard, &twice).contains("400 Bearer realm=\"gateway\", error=\"invalid_request\""));
    }

    #[test]
    fn the_client_is_the_keys_owner() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-api-key"),
            HeaderValue::from_static("0123456789abcdef"),
        )]);
        assert_eq!(by_key().admit(&headers, Duration::ZERO).unwrap(), "shop");
    }

    #[test]
    fn what_is_shown_of_a_guard_is_no_secret_and_new_keys_leave_it_the_same() {
        let shown = format!("{:?} {:?}", by_key(), by_token(&[b'k'; 32]));
        assert!(!shown.contains("0123456789abcdef") && !shown.contains("kkkk") && !shown.contains("107"), "{shown}");
        assert_eq!(by_token(&[b'k'; 32]), by_token(&[b'l'; 32]));
        assert_ne!(by_key(), by_token(&[b'k'; 32]));
    }
}
