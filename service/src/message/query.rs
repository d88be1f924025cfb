//! Query parameters, read strictly: a misspelt parameter must not be taken for its default.

use std::ops::RangeInclusive;

use crate::message::problem::Problem;

/// Checks that there are no parameters.
///
/// # Errors
/// 400 where there is one.
pub fn none(query: &str) -> Result<(), Problem> {
    match pairs(query).next() {
        None => Ok(()),
        Some((name, _)) => {
            Err(Problem::bad(format!("this path takes no query parameters, but {:?} is given", shown(name))))
        }
    }
}

/// The value of the parameter `known`, which is the only one taken. Taken as it is, without percent-decoding: what is asked
/// for here is a number.
///
/// # Errors
/// 400 where another parameter is given, or this one twice.
pub fn only<'q>(known: &str, query: &'q str) -> Result<Option<&'q str>, Problem> {
    let mut found = None;
    for (name, value) in pairs(query) {
        if name != known {
            return Err(Problem::bad(format!("the query parameter {:?} is unknown; known: {known}", shown(name))));
        }
        if found.replace(value).is_some() {
            return Err(Problem::bad(format!("the query parameter {known} is given twice")));
        }
    }
    Ok(found)
}

/// A number in digits alone, in the range `known`: `str::parse` would also take a sign.
pub fn number(text: &str, known: RangeInclusive<u64>) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && known.contains(number))
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// As much of a name as a message repeats.
fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_by_the_table() {
        let table: [(&str, Option<Option<&str>>); 8] = [
            ("", Some(None)),
            ("&", Some(None)),
            ("ms=5", Some(Some("5"))),
            ("ms=", Some(Some(""))),
            ("ms", Some(Some(""))),
            ("ms=5&ms=6", None),
            ("sec=5", None),
            ("ms=5&x=1", None),
        ];
        for (query, expected) in table {
            assert_eq!(only("ms", query).ok(), expected, "{query}");
        }
    }

    #[test]
    fn no_parameter_is_none_at_all() {
        assert!(none("").is_ok() && none("&&").is_ok());
        assert!(none("x").is_err() && none("=").is_err());
    }
}
