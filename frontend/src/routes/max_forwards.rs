//! How many more hops a request may make: `Max-Forwards` of RFC 9110, section 7.6.2.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue, MAX_FORWARDS};
use service::message::problem::Problem;

/// Whether a request of `method` with `headers` must go no further, so that its answer is to come from here. Where it goes
/// on, its number of hops is one less.
///
/// That is for OPTIONS. TRACE, of which the section speaks as well, goes no further in any case; of other methods the header
/// may be ignored, and is passed on.
///
/// # Errors
/// 400 where the number is none, or there are two: the next hop could count otherwise.
pub(crate) fn is_spent(method: &Method, headers: &mut HeaderMap) -> Result<bool, Problem> {
    if method != Method::OPTIONS {
        return Ok(false);
    }
    let mut values = headers.get_all(MAX_FORWARDS).iter();
    let Some(value) = values.next() else { return Ok(false) };
    let digits = value.as_bytes();
    if values.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Problem::bad("Max-Forwards is not one number"));
    }
    // More than fits is more than any way has.
    let left =
        digits.iter().fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    let Some(left) = left.checked_sub(1) else { return Ok(true) };
    headers.insert(MAX_FORWARDS, HeaderValue::from(left));
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of these values: `here`, `bad`, or what is passed on.
    fn outcome(method: &Method, values: &[&'static str]) -> String {
        let mut headers: HeaderMap =
            values.iter().map(|value| (MAX_FORWARDS, HeaderValue::from_static(value))).collect();
        match is_spent(method, &mut headers) {
            Ok(true) => "here".into(),
            Ok(false) => {
                headers.get_all(MAX_FORWARDS).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join(" ")
            }
            Err(problem) => problem.status().as_str().into(),
        }
    }

    #[test]
    fn hops_by_the_table() {
        for (method, values, expected) in [
            (Method::OPTIONS, &[][..], ""),
            (Method::OPTIONS, &["0"], "here"),
            (Method::OPTIONS, &["000"], "here"),
            (Method::OPTIONS, &["1"], "0"),
            (Method::OPTIONS, &["10"], "9"),
            (Method::OPTIONS, &["99999999999999999999"], "4294967294"),
            (Method::OPTIONS, &["-1"], "400"),
            (Method::OPTIONS, &["+1"], "400"),
            (Method::OPTIONS, &["1, 0"], "400"),
            (Method::OPTIONS, &[""], "400"),
            (Method::OPTIONS, &["5", "0"], "400"),
            (Method::GET, &["0"], "0"),
            (Method::GET, &["x"], "x"),
        ] {
            assert_eq!(outcome(&method, values), expected, "{method} {values:?}");
        }
    }
}
