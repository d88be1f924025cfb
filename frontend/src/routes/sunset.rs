//! What replies of an old version of an API say about its end: `Deprecation` since when it should not be used (RFC 9745),
//! `Sunset` from when it may be gone (RFC 8594).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderName, HeaderValue};

/// What is wrong with those of `headers`, each mistake with its mend.
pub(super) fn mistakes(headers: &[(HeaderName, HeaderValue)]) -> Vec<String> {
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let (deprecation, sunset) = (value("deprecation"), value("sunset"));
    let mut mistakes = Vec::new();
    let since = deprecation.and_then(deprecated_since);
    if let Some(value) = deprecation.filter(|_| since.is_none()) {
        mistakes.push(format!("deprecation {value:?}: accepted is @ and seconds since 1970, such as @1767225600"));
    }
    let from = sunset.and_then(gone_from);
    if let Some(value) = sunset.filter(|_| from.is_none()) {
        let accepted = "accepted is a date such as Fri, 01 Jan 2027 00:00:00 GMT";
        mistakes.push(format!("sunset {value:?}: {accepted}"));
    }
    if let (Some(since), Some(from)) = (since, from)
        && from < since
    {
        // RFC 9745, section 4.
        mistakes.push("sunset is before deprecation: make it the same time or later".into());
    }
    mistakes
}

/// A Date of RFC 9651, section 3.3.7, from 1970 on and within its 15 digits.
fn deprecated_since(value: &HeaderValue) -> Option<SystemTime> {
    let seconds = value.to_str().ok()?.strip_prefix('@')?;
    let plain = (1..=15).contains(&seconds.len()) && seconds.bytes().all(|b| b.is_ascii_digit());
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok().filter(|_| plain)?))
}

/// An HTTP-date in the form that is to be sent (RFC 9110, section 5.6.7), which is not all that is understood.
fn gone_from(value: &HeaderValue) -> Option<SystemTime> {
    let text = value.to_str().ok()?;
    httpdate::parse_http_date(text).ok().filter(|date| httpdate::fmt_http_date(*date) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> Vec<(HeaderName, HeaderValue)> {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn dates_by_the_table() {
        for value in ["@0", "@1688169599", "@999999999999999"] {
            assert!(mistakes(&headers(&[("deprecation", value)])).is_empty(), "{value}");
        }
        for value in ["", "@", "true", "1688169599", "@-1", "@+1", "@1.5", "@1 ", "@1000000000000000", "@1;a=b"] {
            assert!(mistakes(&headers(&[("deprecation", value)]))[0].contains("accepted is @"), "{value}");
        }
        assert!(mistakes(&headers(&[("sunset", "Sun, 06 Nov 1994 08:49:37 GMT"), ("link", "<x>")])).is_empty());
        for value in [
            "",
            "@1688169599",
            "2027-01-01",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert!(mistakes(&headers(&[("sunset", value)]))[0].contains("accepted is a date"), "{value}");
        }
    }

    #[test]
    fn the_end_is_not_before_the_warning() {
        let with = |sunset| mistakes(&headers(&[("deprecation", "@1798761600"), ("sunset", sunset)]));
        assert!(with("Fri, 01 Jan 2027 00:00:00 GMT").is_empty());
        assert_eq!(with("Thu, 31 Dec 2026 23:59:59 GMT").len(), 1);
    }
}
