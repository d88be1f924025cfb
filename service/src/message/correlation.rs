//! What ties the log lines and hops of one exchange together: the request id and the W3C trace context.
//!
//! `traceparent` follows <https://www.w3.org/TR/trace-context/>. These services record no spans of their own, so a valid
//! one is passed on as it came; an absent or invalid one is started anew, and the `tracestate` that belonged to an invalid
//! one is dropped. So is one that is invalid itself or longer than what everybody must pass on.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// The header of the request id, on requests and replies.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(contract::REQUEST_ID);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest request id that is kept, in bytes.
const LONGEST_ID: usize = 128;
/// The longest `tracestate` that is passed on, in bytes, and the most members of one: what sections 3.3.1.5 and 3.3.1.1 of the
/// recommendation ask for.
const LONGEST_STATE: usize = 512;
const MOST_STATES: usize = 32;

/// The identifiers of one exchange. Both values are ASCII text, checked on the way in.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// Value of [`REQUEST_ID`].
    pub request_id: HeaderValue,
    /// Value of [`TRACEPARENT`].
    pub traceparent: HeaderValue,
    /// The trace context was started here, so an incoming `tracestate` means nothing.
    pub trace_started: bool,
}

impl Correlation {
    /// Keeps the valid identifiers of a request, and makes those that are absent, repeated or invalid.
    pub fn of(headers: &HeaderMap) -> Self {
        let request_id = only(headers, &REQUEST_ID).filter(|value| is_request_id(value.as_bytes()));
        let traceparent = only(headers, &TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
        Self {
            request_id: request_id.cloned().unwrap_or_else(new_request_id),
            trace_started: traceparent.is_none(),
            traceparent: traceparent.cloned().unwrap_or_else(new_traceparent),
        }
    }

    /// The request id as text.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The trace id, the second field of the traceparent: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        let text = self.traceparent.to_str().unwrap_or_default();
        text.get(3..35).unwrap_or_default()
    }

    /// Puts the identifiers on a request to the next hop.
    pub fn pass_on(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.request_id.clone());
        headers.insert(TRACEPARENT, self.traceparent.clone());
        if self.trace_started || !is_tracestate(headers) {
            headers.remove(TRACESTATE);
        }
    }
}

/// The value of a header that there is once.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_request_id(value: &[u8]) -> bool {
    (1..=LONGEST_ID).contains(&value.len())
        && value.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:/+=@".contains(b))
}

/// `version-traceid-parentid-flags`. Version ff is invalid; a version after 00 may carry more fields (section 3.2.2).
fn is_traceparent(value: &[u8]) -> bool {
    let lower_hex = |part: &[u8]| part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    let (Some(head), rest) = (value.get(..55), value.get(55..).unwrap_or_default()) else {
        return false;
    };
    let (version, trace, parent, flags) = (&head[..2], &head[3..35], &head[36..52], &head[53..55]);
    let dashes = [2, 35, 52].into_iter().all(|at| head[at] == b'-');
    let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    let length = rest.is_empty() || (version != b"00" && rest[0] == b'-' && value.len() <= 256);
    dashes
        && length
        && [version, trace, parent, flags].into_iter().all(lower_hex)
        && version != b"ff"
        && !zero(trace)
        && !zero(parent)
}

/// Members `key=value`, which may be empty, separated by commas; in several headers, they count as one list.
fn is_tracestate(headers: &HeaderMap) -> bool {
    let (mut bytes, mut states) = (0, 0);
    for value in headers.get_all(TRACESTATE) {
        bytes += value.len();
        for member in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()) {
            states += 1;
            let ascii = member.iter().all(|b| (b' '..=b'~').contains(b));
            let named = member.iter().position(|b| *b == b'=').is_some_and(|at| at > 0);
            if !ascii || !named {
                return false;
            }
        }
    }
    bytes <= LONGEST_STATE && states <= MOST_STATES
}

fn new_request_id() -> HeaderValue {
    let mut text = [0; 32];
    write_hex(&mut text[..16], random());
    write_hex(&mut text[16..], random());
    HeaderValue::from_bytes(&text).expect("hexadecimal digits")
}

/// Flags 00: nothing here records the trace. Ids must not be zero.
fn new_traceparent() -> HeaderValue {
    let mut text = *b"00-................................-................-00";
    write_hex(&mut text[3..19], random());
    write_hex(&mut text[19..35], random().max(1));
    write_hex(&mut text[36..52], random().max(1));
    HeaderValue::from_bytes(&text).expect("hexadecimal digits and dashes")
}

/// Fills `text` with the last digits of `number`. Every request without ids needs 80, so without the machinery of `format!`.
fn write_hex(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// A number that is unique to this process and cannot be guessed: a counter under `SipHash` with keys from the operating
/// system. It spares a dependency on a generator of random numbers.
pub fn random() -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    KEYS.hash_one(NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn valid_identifiers_are_kept() {
        let map = headers(&[(REQUEST_ID, "a-1.b_2:c"), (TRACEPARENT, VALID)]);
        let correlation = Correlation::of(&map);
        assert_eq!(correlation.request_id(), "a-1.b_2:c");
        assert_eq!(correlation.traceparent, VALID);
        assert_eq!(correlation.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(!correlation.trace_started);
    }

    #[test]
    fn absent_repeated_or_invalid_ones_are_made() {
        let long = "x".repeat(LONGEST_ID + 1);
        for map in [
            headers(&[]),
            headers(&[(REQUEST_ID, "a"), (REQUEST_ID, "b")]),
            headers(&[(REQUEST_ID, "a b")]),
            headers(&[(REQUEST_ID, "a\"b")]),
            headers(&[(REQUEST_ID, &long)]),
        ] {
            let made = Correlation::of(&map);
            assert_eq!(made.request_id().len(), 32, "{map:?}");
            assert!(made.trace_started);
            assert!(is_traceparent(made.traceparent.as_bytes()));
        }
    }

    #[test]
    fn traceparent_by_the_table() {
        let cases = [
            (VALID.to_owned(), true),
            (VALID.to_uppercase(), false),
            (VALID.replace("00-4", "ff-4"), false),
            (VALID.replace("00-4", "01-4"), true),
            (VALID.replace("00-4", "01-4") + "-more", true),
            (VALID.replace("00-4", "01-4") + "more", false),
            (VALID.to_owned() + "-more", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(), false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(), false),
            (VALID[..54].to_owned(), false),
            (VALID.replace('-', "_"), false),
            (String::new(), false),
        ];
        for (text, valid) in cases {
            assert_eq!(is_traceparent(text.as_bytes()), valid, "{text}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_those_of_format() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = [0; 16];
            write_hex(&mut text, number);
            assert_eq!(text, format!("{number:016x}").as_bytes());
        }
    }

    #[test]
    fn tracestate_by_the_table() {
        let cases = [
            ("a=1".to_owned(), true),
            ("a=1, b=2,,c=3=4 ,".into(), true),
            (String::new(), true),
            (vec!["k=v"; MOST_STATES].join(","), true),
            (vec!["k=v"; MOST_STATES + 1].join(","), false),
            (format!("k={}", "v".repeat(LONGEST_STATE - 2)), true),
            (format!("k={}", "v".repeat(LONGEST_STATE - 1)), false),
            ("a".into(), false),
            ("=1".into(), false),
            ("a=\u{e9}".into(), false),
        ];
        for (state, valid) in cases {
            let mut map = headers(&[(TRACEPARENT, VALID), (TRACESTATE, &state)]);
            Correlation::of(&map).pass_on(&mut map);
            assert_eq!(map.contains_key(TRACESTATE), valid, "{state}");
        }
        let half = format!("k={}", "v".repeat(LONGEST_STATE / 2));
        let mut map = headers(&[(TRACEPARENT, VALID), (TRACESTATE, &half), (TRACESTATE, &half)]);
        Correlation::of(&map).pass_on(&mut map);
        assert!(!map.contains_key(TRACESTATE), "two headers are one list");
    }

    #[test]
    fn a_started_trace_drops_the_state_of_another() {
        let mut map = headers(&[(TRACEPARENT, "broken"), (TRACESTATE, "a=1")]);
        Correlation::of(&map).pass_on(&mut map);
        assert!(!map.contains_key(TRACESTATE));
        assert!(is_traceparent(map[TRACEPARENT].as_bytes()));
    }
}
