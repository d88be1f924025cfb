//! Who answered: the hops of `x-served-by` in a reply.

use contract::served_by::{self, Hop, NAME};
use http::{HeaderMap, HeaderName};

const SERVED_BY: HeaderName = HeaderName::from_static(NAME);

/// The hops of a reply, first answerer first; empty when the header is absent or can't be read whole.
pub(crate) fn hops(headers: &HeaderMap) -> Vec<Hop<'_>> {
    // A field that is not ASCII is no hop, as this is none.
    served_by::hops(headers.get_all(SERVED_BY).iter().map(|field| field.to_str().unwrap_or("?")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        fields: Vec<String>,
        hops: Vec<[String; 3]>,
    }

    fn read(fields: impl IntoIterator<Item = HeaderValue>) -> Vec<[String; 3]> {
        let headers = fields.into_iter().map(|field| (SERVED_BY, field)).collect();
        hops(&headers).iter().map(|hop| [hop.service, hop.version, hop.pod].map(str::to_owned)).collect()
    }

    #[test]
    fn hops_by_the_shared_cases() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../../../contract/served-by.json")).unwrap();
        for Case { fields, hops } in cases {
            assert_eq!(read(fields.iter().map(|field| field.try_into().unwrap())), hops, "{fields:?}");
        }
        let not_ascii = HeaderValue::from_bytes(b"a/v1/p\xf6d").unwrap();
        assert!(read([HeaderValue::from_static("a/v1/b"), not_ascii]).is_empty());
    }
}
