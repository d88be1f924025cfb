//! Reads `x-served-by`: who answered, hop by hop, as `service/version/pod, service/version/pod`.

use http::{HeaderMap, HeaderName};

/// The header's name.
pub(crate) const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
/// Hops that are read; a longer chain is none of ours.
const MAX_HOPS: usize = 8;
/// A DNS subdomain, which a pod's name is, has at most 253 characters.
const MAX_PART: usize = 253;

/// One process that had a hand in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop<'a> {
    /// The hop as it stood in the header; all else is a part of it.
    pub(crate) text: &'a str,
    /// Name of the service.
    pub(crate) service: &'a str,
    /// Its version.
    pub(crate) version: &'a str,
    /// The pod, or the host where there is no pod.
    pub(crate) pod: &'a str,
}

/// The hops of a reply, first answerer first; empty when the header is absent or is not of this form.
///
/// Parts are printable ASCII without spaces, so that they are safe to print.
pub(crate) fn hops(headers: &HeaderMap) -> Vec<Hop<'_>> {
    let mut hops = Vec::new();
    for value in headers.get_all(SERVED_BY) {
        let Ok(value) = value.to_str() else {
            return Vec::new();
        };
        for text in value.split(',') {
            match hop(text.trim()) {
                Some(hop) if hops.len() < MAX_HOPS => hops.push(hop),
                _ => return Vec::new(),
            }
        }
    }
    hops
}

fn hop(text: &str) -> Option<Hop<'_>> {
    let mut parts = text.split('/');
    let hop = Hop { text, service: parts.next()?, version: parts.next()?, pod: parts.next()? };
    let sound = |part: &str| (1..=MAX_PART).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_graphic());
    (parts.next().is_none() && sound(hop.service) && sound(hop.version) && sound(hop.pod)).then_some(hop)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SERVED_BY, HeaderValue::from_static(value));
        }
        hops(&headers).iter().map(|hop| format!("{}|{}|{}", hop.service, hop.version, hop.pod)).collect()
    }

    #[test]
    fn both_hops_of_a_reply_through_the_gateway() {
        let expected = ["backend|v1|b-1", "frontend|v2|f-1"];
        assert_eq!(read(&["backend/v1/b-1, frontend/v2/f-1"]), expected);
        assert_eq!(read(&["backend/v1/b-1", "frontend/v2/f-1"]), expected);
    }

    #[test]
    fn anything_else_is_nobody() {
        for value in ["", "nginx", "a/b", "a/b/c/d", "a//c", "a/b/c,", "a/b c/d"] {
            assert!(read(&[value]).is_empty(), "{value:?}");
        }
        assert!(read(&["a/b/c,a/b/c,a/b/c,a/b/c,a/b/c,a/b/c,a/b/c,a/b/c,a/b/c"]).is_empty());
        assert!(read(&[]).is_empty());
    }
}
