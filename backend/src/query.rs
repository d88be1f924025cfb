//! Query parameters, read strictly: a misspelt parameter must not be taken for its default.

use hyper::StatusCode;
use service::problem::Problem;

/// The values of the `known` parameters, in their order. Values are taken as they are: none of them needs percent-encoding.
///
/// # Errors
/// 400 where a parameter is unknown or given twice.
pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Vec<Option<String>>, Problem> {
    let mut values = vec![None; known.len()];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(at) = known.iter().position(|known| *known == name) else {
            return Err(bad(&unknown(name, known)));
        };
        if values[at].replace(value.to_owned()).is_some() {
            return Err(bad(&format!("the query parameter {name} is given twice")));
        }
    }
    Ok(values)
}

fn unknown(name: &str, known: &[&str]) -> String {
    let shown: String = name.chars().take(40).collect();
    match known {
        [] => format!("this path takes no query parameters, but {shown:?} is given"),
        known => format!("the query parameter {shown:?} is unknown; known: {}", known.join(", ")),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_by_the_table() {
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
            let value = parse(query, &["ms"]).ok().map(|values| values[0].clone());
            let expected = expected.map(|value| value.map(str::to_owned));
            assert_eq!(value, expected, "{query}");
        }
    }
}
