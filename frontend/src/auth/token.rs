//! JSON Web Tokens (RFC 7519), signed (RFC 7515), that say who a client is.
//!
//! What a token says of itself is believed in no point: it is verified with the one algorithm and the keys of the route, and
//! its own `alg` must be that one (RFC 8725, sections 3.1 and 3.2). Claims are read once the signature has been verified.

use std::fmt;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::HeaderValue;
use rsa::PublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use serde::Deserialize;
use sha2::Sha256;

/// The longest token that is looked at.
const MOST_BYTES: usize = 8 * 1024;
/// Of a secret for HS256: as many as the hash has (RFC 7518, section 3.2).
const LEAST_SECRET: usize = 32;
/// Bits of a key for RS256, at least (RFC 7518, section 3.3).
const LEAST_BITS: u32 = 2048;
/// The most keys for RS256: the one in use, and those before and after it.
const MOST_KEYS: usize = 4;
/// The longest `sub`: it becomes a header.
const MOST_SUBJECT: usize = 256;

/// How tokens are signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    /// HMAC with SHA-256: who can verify can also sign.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

/// What tokens are verified with; the log shows the algorithm.
#[derive(Clone)]
pub(crate) enum Key {
    /// The shared secret: as it is, and without a line end that ends it.
    Hs256(Vec<Hmac<Sha256>>),
    /// The public keys of the issuer: one of them is enough, so that it can change its own.
    Rs256(Vec<VerifyingKey<Sha256>>),
}

/// What a token must say besides being in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Its `iss`; any, or none, if none.
    pub(super) issuer: Option<String>,
    /// One of its `aud`. If none, a token must have none: it is meant for someone else (RFC 7519, section 4.1.3).
    pub(super) audience: Option<String>,
    /// How far the issuer's clock may be off.
    pub(super) leeway: Duration,
}

/// Why a token is not believed, for the client: it tells nothing that the token's owner does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw(pub(super) &'static str);

impl Flaw {
    const TOO_LONG: Self = Self("the token is longer than 8192 bytes");
    const MALFORMED: Self = Self("the token is no JSON Web Token in the compact form");
    const ALGORITHM: Self = Self("the token is signed in another way than this path asks for");
    const EXTENSION: Self = Self("the token asks for an extension (crit), and none is known");
    const SIGNATURE: Self = Self("the token's signature is not that of a key which is accepted");
    const UNLIMITED: Self = Self("the token has no exp: it must say when it expires");
    const EXPIRED: Self = Self("the token has expired (exp)");
    const NOT_YET: Self = Self("the token is not in force yet (nbf)");
    const ISSUER: Self = Self("the token is of another issuer (iss)");
    const AUDIENCE: Self = Self("the token is meant for another audience (aud)");
    const SUBJECT: Self = Self("the token names no client: sub must be 1 to 256 visible ASCII characters");
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    /// Seconds since 1970; a fraction is allowed.
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Verifies `token` at `now`, the time since 1970; the client that it stands for.
///
/// # Errors
/// The first reason against it.
pub(super) fn verify(token: &[u8], key: &Key, rules: &Rules, now: Duration) -> Result<HeaderValue, Flaw> {
    if token.len() > MOST_BYTES {
        return Err(Flaw::TOO_LONG);
    }
    let token = str::from_utf8(token).map_err(|_| Flaw::MALFORMED)?;
    let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(Flaw::MALFORMED)?;
    let [header, claims, signature] = [decode(header)?, decode(claims)?, decode(signature)?];

    let header: Header = object(&header)?;
    if header.alg != key.algorithm().name() {
        return Err(Flaw::ALGORITHM);
    }
    if header.crit.is_some() {
        return Err(Flaw::EXTENSION);
    }
    if !key.signed(signed.as_bytes(), &signature) {
        return Err(Flaw::SIGNATURE);
    }
    object::<Claims>(&claims)?.judge(rules, now)
}

/// Base64url without padding, in its one form: a token cannot be written in two ways.
fn decode(part: &str) -> Result<Vec<u8>, Flaw> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| Flaw::MALFORMED)
}

/// A JSON object: serde would read the values of an array as the members too.
fn object<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Flaw> {
    if json.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(json).map_err(|_| Flaw::MALFORMED);
    }
    Err(Flaw::MALFORMED)
}

impl Claims {
    fn judge(self, rules: &Rules, now: Duration) -> Result<HeaderValue, Flaw> {
        let (now, leeway) = (now.as_secs_f64(), rules.leeway.as_secs_f64());
        if now >= self.exp.ok_or(Flaw::UNLIMITED)? + leeway {
            return Err(Flaw::EXPIRED);
        }
        if self.nbf.is_some_and(|start| now + leeway < start) {
            return Err(Flaw::NOT_YET);
        }
        if rules.issuer.is_some() && self.iss != rules.issuer {
            return Err(Flaw::ISSUER);
        }
        let meant = match (&rules.audience, &self.aud) {
            (None, aud) => aud.is_none(),
            (Some(own), Some(Audience::One(aud))) => own == aud,
            (Some(own), Some(Audience::Several(aud))) => aud.contains(own),
            (Some(_), None) => false,
        };
        if !meant {
            return Err(Flaw::AUDIENCE);
        }
        let visible =
            |sub: &String| (1..=MOST_SUBJECT).contains(&sub.len()) && sub.bytes().all(|b| b.is_ascii_graphic());
        self.sub.filter(visible).and_then(|sub| HeaderValue::try_from(sub).ok()).ok_or(Flaw::SUBJECT)
    }
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl Key {
    /// Reads what a secret holds: for HS256 the shared secret, for RS256 public keys in PEM (RFC 7468, section 13). A shared
    /// secret that is a line of text and its line end is taken in both ways, with the line end and without: the issuer, who has
    /// the same Secret, may read it in either.
    ///
    /// # Errors
    /// What is wrong with it, and its mend; nothing of what is there.
    pub(super) fn parse(algorithm: Algorithm, content: &[u8]) -> Result<Self, String> {
        match algorithm {
            Algorithm::Hs256 => shared_secret(content),
            Algorithm::Rs256 => public_keys(content).map(Self::Rs256),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    fn signed(&self, content: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(keys) => {
                keys.iter().any(|key| key.clone().chain_update(content).verify_slice(signature).is_ok())
            }
            Self::Rs256(keys) => Signature::try_from(signature)
                .is_ok_and(|signature| keys.iter().any(|key| key.verify(content, &signature).is_ok())),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.algorithm().name())
    }
}

fn shared_secret(content: &[u8]) -> Result<Key, String> {
    let secret = match content.trim_ascii_end() {
        line if line.iter().all(u8::is_ascii_graphic) => line,
        _ => content,
    };
    if secret.starts_with(b"-----BEGIN") {
        return Err("it is a key in PEM, which is no shared secret: RS256 may be meant".into());
    }
    if secret.len() < LEAST_SECRET {
        let length = secret.len();
        return Err(format!(
            "it has {length} bytes, and {LEAST_SECRET} is the least, such as openssl rand -hex 32 makes"
        ));
    }
    let ways: &[&[u8]] = if secret.len() == content.len() { &[secret] } else { &[secret, content] };
    let keys: Result<Vec<_>, _> = ways.iter().map(|secret| Hmac::new_from_slice(secret)).collect();
    keys.map(Key::Hs256).map_err(|_| "it is no key".into())
}

fn public_keys(content: &[u8]) -> Result<Vec<VerifyingKey<Sha256>>, String> {
    const END: &str = "-----END PUBLIC KEY-----";
    let accepted = "accepted are RSA public keys in PEM (BEGIN PUBLIC KEY), such as openssl rsa -pubout makes";
    let text = str::from_utf8(content).map_err(|_| accepted)?.trim();
    let mut keys = Vec::new();
    for block in text.split_inclusive(END) {
        let key = PublicKey::from_public_key_pem(block.trim_start()).map_err(|_| accepted)?;
        let bits = key.n().bit_width();
        if bits < LEAST_BITS {
            return Err(format!("a key has {bits} bits, and {LEAST_BITS} is the least"));
        }
        keys.push(VerifyingKey::new(key));
    }
    match keys.len() {
        0 => Err(accepted.into()),
        count if count > MOST_KEYS => Err(format!("{count} keys, and {MOST_KEYS} are accepted")),
        _ => Ok(keys),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"a-shared-secret-of-32-bytes-or-more";
    const NOW: Duration = Duration::from_secs(1_000_000);
    const RULES: Rules = Rules { issuer: None, audience: None, leeway: Duration::from_secs(30) };

    fn key() -> Key {
        Key::parse(Algorithm::Hs256, SECRET).unwrap()
    }

    fn signed(header: &str, claims: &str) -> String {
        let text = format!(
            "{}.{}",
            Base64UrlUnpadded::encode_string(header.as_bytes()),
            Base64UrlUnpadded::encode_string(claims.as_bytes())
        );
        let tag = Hmac::<Sha256>::new_from_slice(SECRET).unwrap().chain_update(&text).finalize().into_bytes();
        format!("{text}.{}", Base64UrlUnpadded::encode_string(&tag))
    }

    fn judged(claims: &Value, rules: &Rules) -> Result<String, Flaw> {
        let token = signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string());
        verify(token.as_bytes(), &key(), rules, NOW).map(|client| client.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7515, appendix A.1: of "joe", in force until 1300819380, and without a subject.
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly\
                     9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let key = Key::parse(Algorithm::Hs256, &Base64UrlUnpadded::decode_vec(secret).unwrap()).unwrap();
        let at = |seconds| verify(token.as_bytes(), &key, &RULES, Duration::from_secs(seconds));
        assert_eq!(at(1_300_819_380 + 29), Err(Flaw::SUBJECT));
        assert_eq!(at(1_300_819_380 + 30), Err(Flaw::EXPIRED));
    }

    #[test]
    fn claims_by_the_table() {
        let strict = Rules { issuer: Some("me".into()), audience: Some("shop".into()), ..RULES };
        for (claims, rules, expected) in [
            (json!({"sub": "ann", "exp": 1_000_001}), &RULES, Ok("ann")),
            (json!({"sub": "ann", "exp": 999_970.5}), &RULES, Ok("ann")),
            (json!({"sub": "ann", "exp": 999_970}), &RULES, Err(Flaw::EXPIRED)),
            (json!({"sub": "ann", "exp": -1}), &RULES, Err(Flaw::EXPIRED)),
            (json!({"sub": "ann"}), &RULES, Err(Flaw::UNLIMITED)),
            (json!({"sub": "ann", "exp": "1000001"}), &RULES, Err(Flaw::MALFORMED)),
            (json!({"sub": "ann", "exp": 2e6, "nbf": 1_000_030}), &RULES, Ok("ann")),
            (json!({"sub": "ann", "exp": 2e6, "nbf": 1_000_031}), &RULES, Err(Flaw::NOT_YET)),
            (json!({"sub": "ann", "exp": 2e6, "iss": "anyone"}), &RULES, Ok("ann")),
            (json!({"sub": "ann", "exp": 2e6, "aud": "shop"}), &RULES, Err(Flaw::AUDIENCE)),
            (json!({"sub": "ann", "exp": 2e6, "iss": "me", "aud": "shop"}), &strict, Ok("ann")),
            (json!({"sub": "ann", "exp": 2e6, "iss": "me", "aud": ["bank", "shop"]}), &strict, Ok("ann")),
            (json!({"sub": "ann", "exp": 2e6, "iss": "me", "aud": ["bank"]}), &strict, Err(Flaw::AUDIENCE)),
            (json!({"sub": "ann", "exp": 2e6, "iss": "me", "aud": []}), &strict, Err(Flaw::AUDIENCE)),
            (json!({"sub": "ann", "exp": 2e6, "iss": "me"}), &strict, Err(Flaw::AUDIENCE)),
            (json!({"sub": "ann", "exp": 2e6, "iss": "Me", "aud": "shop"}), &strict, Err(Flaw::ISSUER)),
            (json!({"sub": "ann", "exp": 2e6, "aud": "shop"}), &strict, Err(Flaw::ISSUER)),
            (json!({"exp": 2e6}), &RULES, Err(Flaw::SUBJECT)),
            (json!({"sub": "", "exp": 2e6}), &RULES, Err(Flaw::SUBJECT)),
            (json!({"sub": "a b", "exp": 2e6}), &RULES, Err(Flaw::SUBJECT)),
            (json!({"sub": "a\r\nx: y", "exp": 2e6}), &RULES, Err(Flaw::SUBJECT)),
            (json!({"sub": "x".repeat(257), "exp": 2e6}), &RULES, Err(Flaw::SUBJECT)),
            (json!(["ann", null, null, 2e6, null]), &RULES, Err(Flaw::MALFORMED)),
        ] {
            assert_eq!(judged(&claims, rules), expected.map(str::to_owned), "{claims}");
        }
    }

    #[test]
    fn what_is_no_token_of_this_key_is_refused() {
        let claims = r#"{"sub":"ann","exp":2e6}"#;
        let good = signed(r#"{"alg":"HS256"}"#, claims);
        let verdict = |token: &str| verify(token.as_bytes(), &key(), &RULES, NOW);
        assert!(verdict(&good).is_ok());
        let unsigned = &good[..=good.rfind('.').unwrap()];
        let encoded = Base64UrlUnpadded::encode_string;
        let none = format!("{}.{}.", encoded(br#"{"alg":"none"}"#), encoded(claims.as_bytes()));
        let other = format!(
            "{}.{}",
            signed(r#"{"alg":"HS256"}"#, r#"{"sub":"bob","exp":2e6}"#).rsplit_once('.').unwrap().0,
            good.rsplit_once('.').unwrap().1
        );
        for (token, expected) in [
            (none.as_str(), Flaw::ALGORITHM),
            (&signed(r#"{"alg":"none"}"#, claims), Flaw::ALGORITHM),
            (&signed(r#"{"alg":"hs256"}"#, claims), Flaw::ALGORITHM),
            (&signed(r#"{"alg":"RS256"}"#, claims), Flaw::ALGORITHM),
            (&signed(r#"{"alg":"HS256","alg":"HS256"}"#, claims), Flaw::MALFORMED),
            (&signed(r#"{"alg":"HS256","crit":["exp"]}"#, claims), Flaw::EXTENSION),
            (&signed("{}", claims), Flaw::MALFORMED),
            (&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","exp":2e6,"sub":"bob"}"#), Flaw::MALFORMED),
            (&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","exp":2e6} x"#), Flaw::MALFORMED),
            (&signed(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","exp":1e999}"#), Flaw::MALFORMED),
            (&other, Flaw::SIGNATURE),
            (unsigned, Flaw::SIGNATURE),
            (&format!("{good}x"), Flaw::SIGNATURE),
            (&format!("{good}xx"), Flaw::MALFORMED),
            (&format!("{good}="), Flaw::MALFORMED),
            (&format!("{good}AAAA"), Flaw::SIGNATURE),
            (&format!("{good}.x"), Flaw::MALFORMED),
            (&format!("{good} "), Flaw::MALFORMED),
            ("", Flaw::MALFORMED),
            ("..", Flaw::MALFORMED),
            (&"a".repeat(MOST_BYTES), Flaw::MALFORMED),
            (&"a".repeat(MOST_BYTES + 1), Flaw::TOO_LONG),
        ] {
            assert_eq!(verdict(token), Err(expected), "{token}");
        }
    }

    /// The issuer signs with its own reading of the Secret that both have.
    #[test]
    fn a_line_end_at_the_end_of_a_shared_secret_parts_nobody() {
        let line = &[SECRET, b"\n"].concat();
        let bytes = &[&[0; 32][..], b"\n"].concat();
        for (content, signed_with, expected) in [
            (line, SECRET, true),
            (line, line, true),
            (line, &[SECRET, b"\r\n"].concat(), false),
            (&SECRET.to_vec(), line, false),
            (bytes, bytes, true),
            (bytes, &[0; 32], false),
        ] {
            let tag = Hmac::<Sha256>::new_from_slice(signed_with).unwrap().chain_update("text").finalize().into_bytes();
            let key = Key::parse(Algorithm::Hs256, content).unwrap();
            assert_eq!(key.signed(b"text", &tag), expected, "{content:?} {signed_with:?}");
        }
    }

    #[test]
    fn keys_that_are_too_weak_or_of_the_wrong_kind_are_refused_and_not_shown() {
        let hs256 = |content: &[u8]| Key::parse(Algorithm::Hs256, content).map(|key| format!("{key:?}"));
        assert_eq!(hs256(&[b's'; 32]), Ok("Key(HS256)".into()));
        assert!(hs256(&[b's'; 31]).unwrap_err().starts_with("it has 31 bytes"));
        assert!(hs256(&[&[b's'; 31][..], b"\n"].concat()).is_err(), "a line end is no part of a text");
        assert!(hs256(&[&[0; 31][..], b"\n"].concat()).is_ok(), "of bytes, it is");
        assert!(hs256(b"-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap_err().contains("RS256"));
        for content in
            [&b""[..], b"\xff", b"SECRET", b"-----BEGIN RSA PUBLIC KEY-----\nU0VDUkVU\n-----END RSA PUBLIC KEY-----"]
        {
            let mistake = Key::parse(Algorithm::Rs256, content).unwrap_err();
            assert!(mistake.starts_with("accepted are RSA public keys"), "{mistake}");
        }
    }

    proptest! {
        /// Whatever the bytes: no panic, and nobody gets in.
        #[test]
        fn any_bytes_are_refused(token in proptest::collection::vec(any::<u8>(), 0..200), text in r"[A-Za-z0-9_.-]{0,120}") {
            prop_assert!(verify(&token, &key(), &RULES, NOW).is_err());
            prop_assert!(verify(text.as_bytes(), &key(), &RULES, NOW).is_err());
        }

        /// Whatever one character of a token becomes: it holds no more.
        #[test]
        fn one_changed_character_is_enough(place in any::<proptest::sample::Index>(), to in r"[A-Za-z0-9_.-]") {
            let good = signed(r#"{"alg":"HS256"}"#, r#"{"sub":"ann","exp":2e6}"#);
            let place = place.index(good.len());
            let changed = format!("{}{to}{}", &good[..place], &good[place + 1..]);
            prop_assert_eq!(verify(changed.as_bytes(), &key(), &RULES, NOW).is_ok(), changed == good);
        }
    }
}
