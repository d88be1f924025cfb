//! Keys that clients are known by.
//!
//! A secret with keys has one a line, as `CLIENT:KEY`; lines that are empty or start with `#` are left out. A client may
//! have several: while a key is replaced, the old and the new one both hold.

use std::fmt;

use ctutils::{CtAssign as _, CtEq as _};
use hyper::header::HeaderValue;
use sha2::{Digest as _, Sha256};

/// The most keys of one secret: all of them are compared for each request.
const MOST_KEYS: usize = 1000;
/// The shortest key that is accepted, in characters: 96 bits if they are drawn from 64.
const LEAST_KEY: usize = 16;
/// The longest key that is accepted, and that is looked at in a request, in bytes.
const MOST_KEY: usize = 256;
/// The longest name of a client, in bytes.
const MOST_CLIENT: usize = 64;

/// The keys of a secret. The keys themselves are not kept, and the log shows how many they are.
#[derive(Clone)]
pub(crate) struct ApiKeys(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// Of equal length for all keys, and nothing that a client can choose byte by byte.
    digest: [u8; 32],
    client: HeaderValue,
}

impl ApiKeys {
    /// Reads what a secret holds. One without a key lets nobody in.
    ///
    /// # Errors
    /// The first mistake, with its line and its mend; nothing of what is there.
    pub(super) fn parse(content: &[u8]) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in (1..).zip(content.split(|b| *b == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let entry = Entry::parse(line).map_err(|mistake| format!("line {number}: {mistake}"))?;
            if entries.iter().any(|other| other.digest == entry.digest) {
                return Err(format!("line {number}: this key is there already: give each client its own"));
            }
            if entries.len() == MOST_KEYS {
                return Err(format!("more than {MOST_KEYS} keys: take some out"));
            }
            entries.push(entry);
        }
        Ok(Self(entries))
    }

    /// Whose key this is. How long it takes says nothing of the keys: it is that of comparing with all of them.
    pub(super) fn client(&self, key: &[u8]) -> Option<&HeaderValue> {
        if key.len() > MOST_KEY {
            return None;
        }
        let asked: [u8; 32] = Sha256::digest(key).into();
        let mut found = u32::MAX;
        for (place, entry) in (0_u32..).zip(&self.0) {
            found.ct_assign(&place, entry.digest.ct_eq(&asked));
        }
        Some(&self.0.get(found as usize)?.client)
    }
}

impl Entry {
    fn parse(line: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(line).ok().and_then(|line| line.split_once(':'));
        let (client, key) = text.ok_or("accepted is CLIENT:KEY")?;
        let named = client.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        let client = HeaderValue::from_str(client)
            .ok()
            .filter(|client| named && (1..=MOST_CLIENT).contains(&client.len()))
            .ok_or_else(|| format!("accepted as CLIENT are 1 to {MOST_CLIENT} of A-Z a-z 0-9 . _ -"))?;
        if !(LEAST_KEY..=MOST_KEY).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("accepted as KEY are {LEAST_KEY} to {MOST_KEY} visible ASCII characters"));
        }
        Ok(Self { digest: Sha256::digest(key).into(), client })
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn each_key_is_its_clients_and_no_other_is_anybodys() {
        let text = format!("# partners\r\nshop:{KEY}\r\n\n  bank:{KEY}:with:colons\nshop:the-next-key-of-shop");
        let keys = ApiKeys::parse(text.as_bytes()).unwrap();
        for (key, client) in [
            (KEY, Some("shop")),
            ("the-next-key-of-shop", Some("shop")),
            ("0123456789abcdef:with:colons", Some("bank")),
            ("0123456789abcdeF", None),
            ("0123456789abcde", None),
            ("shop:0123456789abcdef", None),
            ("", None),
            (&"x".repeat(MOST_KEY + 1), None),
        ] {
            assert_eq!(keys.client(key.as_bytes()).map(|client| client.to_str().unwrap()), client, "{key}");
        }
        assert_eq!(format!("{keys:?}"), "ApiKeys(3)");
        assert!(ApiKeys::parse(b"# none yet\n").unwrap().client(b"").is_none());
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_shows_nothing_of_the_key() {
        for (text, expected) in [
            ("a:SECRETSECRETSECRET\nno colon", "line 2: accepted is CLIENT:KEY"),
            ("\n\nSECRETSECRETSECRET", "line 3: accepted is CLIENT:KEY"),
            ("a b:SECRETSECRETSECRET", "line 1: accepted as CLIENT are 1 to 64 of"),
            (":SECRETSECRETSECRET", "line 1: accepted as CLIENT"),
            ("a:SECRETSECRET", "line 1: accepted as KEY are 16 to 256 visible"),
            ("a:SECRETSECRET SECRET", "line 1: accepted as KEY"),
            ("a:SECRETSECRET\u{e9}SECRET", "line 1: accepted as KEY"),
            ("a:SECRETSECRETSECRET\nb:SECRETSECRETSECRET", "line 2: this key is there already"),
        ] {
            let mistake = ApiKeys::parse(text.as_bytes()).unwrap_err();
            assert!(mistake.starts_with(expected) && !mistake.contains("SECRET"), "{text}: {mistake}");
        }
        assert!(ApiKeys::parse(b"a:\xff\xfe").unwrap_err().starts_with("line 1"));
        let many = |count: usize| (0..count).map(|i| format!("a:key-number-{i:08}")).collect::<Vec<_>>().join("\n");
        assert!(ApiKeys::parse(many(MOST_KEYS).as_bytes()).is_ok());
        assert!(ApiKeys::parse(many(MOST_KEYS + 1).as_bytes()).unwrap_err().contains("1000 keys"));
    }

    proptest! {
        /// Whatever the bytes: keys or a refusal; and a key that is read is found, and only as it is.
        #[test]
        fn any_bytes_are_keys_or_refused(content in proptest::collection::vec(any::<u8>(), 0..200), key in "[!-~]{16,40}") {
            let _ = ApiKeys::parse(&content);
            let keys = ApiKeys::parse(format!("it:{key}").as_bytes()).unwrap();
            prop_assert!(keys.client(key.as_bytes()).is_some());
            prop_assert!(keys.client(&content).is_none() || content == key.as_bytes());
            prop_assert!(keys.client(&key.as_bytes()[1..]).is_none());
        }
    }
}
