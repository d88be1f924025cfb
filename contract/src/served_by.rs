//! The header that names who answered: `service/version/pod` for each hop, that of the farthest first, separated by commas or in
//! a field each. Every service writes it; `client load` and the page read it, all by the cases of `served-by.json`.

/// The header's name.
pub const NAME: &str = "x-served-by";

/// Hops that are read; a longer chain is none of ours.
const MAX_HOPS: usize = 8;
/// The longest part, in bytes: a DNS subdomain, which a pod's name is, has at most 253 characters.
const MAX_PART: usize = 253;
/// What a part of a hop may be, in words.
pub const PART: &str = "1 to 253 visible ASCII characters other than '/', ',' and '\"'";

/// What a process adds to the header: its hop.
pub fn entry(service: &str, version: &str, pod: &str) -> String {
    format!("{service}/{version}/{pod}")
}

/// One process that had a hand in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The hop as it stood in the header; all else is a part of it.
    pub text: &'a str,
    /// Name of the service.
    pub service: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The pod, or the host where there is no pod.
    pub pod: &'a str,
}

impl<'a> Hop<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split('/');
        let hop = Self { text, service: parts.next()?, version: parts.next()?, pod: parts.next()? };
        (parts.next().is_none() && [hop.service, hop.version, hop.pod].into_iter().all(is_part)).then_some(hop)
    }
}

/// Whether `text` can be a part of a hop: see [`PART`]. It is then safe to print, and to put into a quoted string.
pub fn is_part(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b',' | b'"');
    (1..=MAX_PART).contains(&text.len()) && text.bytes().all(sound)
}

/// The hops in the header's fields, in their order; empty where there is none, where one is not of the form, or where there are
/// more than eight: a ledger counts only what it can read whole. The page shows what it can read.
pub fn hops<'a>(fields: impl IntoIterator<Item = &'a str>) -> Vec<Hop<'a>> {
    let entries = fields.into_iter().flat_map(|field| field.split(','));
    let hops: Option<Vec<_>> = entries.take(MAX_HOPS + 1).map(|entry| Hop::read(entry.trim())).collect();
    hops.filter(|hops| hops.len() <= MAX_HOPS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        fields: Vec<String>,
        hops: Vec<[String; 3]>,
    }

    #[test]
    fn hops_by_the_shared_cases() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../served-by.json")).unwrap();
        for Case { fields, hops: expected } in cases {
            let read = hops(fields.iter().map(String::as_str));
            let parts: Vec<_> = read.iter().map(|hop| [hop.service, hop.version, hop.pod]).collect();
            assert_eq!(parts, expected, "{fields:?}");
            if let ([field], false) = (&fields[..], read.is_empty()) {
                let written: Vec<_> =
                    expected.iter().map(|[service, version, pod]| entry(service, version, pod)).collect();
                assert_eq!(written.join(", "), *field, "what is written is what was read");
            }
        }
    }

    #[test]
    fn a_part_is_bounded() {
        assert!(is_part(&"x".repeat(MAX_PART)) && !is_part(&"x".repeat(MAX_PART + 1)));
    }
}
