//! A table of routes: which paths exist, and which methods each takes.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::body::Body;
use crate::problem::Problem;

/// A path and what answers it.
#[derive(Debug)]
pub struct Route<E> {
    /// The path. `{name}` as a whole segment matches one segment that is not empty; `{*name}` as the last segment matches
    /// the rest of the path, if not empty. The text is also the route's label in metrics.
    pub path: &'static str,
    /// Methods taken.
    pub methods: Methods,
    /// What answers.
    pub endpoint: E,
}

/// The methods that a route takes. `OPTIONS` is answered by the table itself unless the route takes any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// `GET` and `HEAD`.
    Get,
    /// Every method: the endpoint passes them on.
    Any,
}

impl Methods {
    const GET: &'static str = "GET, HEAD, OPTIONS";

    fn contain(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET || method == Method::HEAD,
            Self::Any => true,
        }
    }
}

/// What a table says to a request.
pub enum Resolution<'t, 'p, E> {
    /// The route, and the segment or rest that its `{name}` matched, still percent-encoded (empty without one).
    Found(&'t Route<E>, &'p str),
    /// The table answers by itself: no such path, another method, or `OPTIONS`. With the label of the route.
    Answered(&'static str, Result<Response<Body>, Problem>),
}

/// Looks `path` up. The first route that matches wins.
pub fn resolve<'t, 'p, E>(table: &'t [Route<E>], method: &Method, path: &'p str) -> Resolution<'t, 'p, E> {
    let found = table.iter().find_map(|route| captured(route.path, path).map(|capture| (route, capture)));
    let Some((route, capture)) = found else {
        return match (method, path) {
            // RFC 9110, section 9.3.7: a question about the server as a whole.
            (&Method::OPTIONS, "*") => Resolution::Answered("*", Ok(options())),
            _ => Resolution::Answered(UNKNOWN, Err(Problem::new(StatusCode::NOT_FOUND, "no such path"))),
        };
    };
    if route.methods.contain(method) {
        Resolution::Found(route, capture)
    } else if method == Method::OPTIONS {
        Resolution::Answered(route.path, Ok(options()))
    } else {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {}", Methods::GET));
        let problem = problem.header(ALLOW, HeaderValue::from_static(Methods::GET));
        Resolution::Answered(route.path, Err(problem))
    }
}

/// Label of requests that no route took.
pub const UNKNOWN: &str = "unknown";

fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(Methods::GET));
    response
}

/// What the placeholder of `pattern` matches in `path`, empty where it has none; `None` where the path does not match.
fn captured<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, placeholder)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let rest = path.strip_prefix(before)?;
    let whole = placeholder.starts_with('*') || !rest.contains('/');
    (whole && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Route<u8>] = &[
        Route { path: "/items", methods: Methods::Get, endpoint: 1 },
        Route { path: "/items/{id}", methods: Methods::Get, endpoint: 2 },
        Route { path: "/proxy/{*rest}", methods: Methods::Any, endpoint: 3 },
    ];

    fn outcome(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        match resolve(TABLE, &method, path) {
            Resolution::Found(route, capture) => format!("{} {capture}", route.endpoint),
            Resolution::Answered(label, Ok(response)) => {
                format!("{label} {}", response.status().as_u16())
            }
            Resolution::Answered(label, Err(problem)) => {
                format!("{label} {}", problem.status().as_u16())
            }
        }
    }

    #[test]
    fn resolutions_by_the_table() {
        let table = [
            ("GET", "/items", "1 "),
            ("HEAD", "/items", "1 "),
            ("POST", "/items", "/items 405"),
            ("OPTIONS", "/items", "/items 204"),
            ("OPTIONS", "*", "* 204"),
            ("GET", "*", "unknown 404"),
            ("GET", "/items/7", "2 7"),
            ("GET", "/items/", "unknown 404"),
            ("GET", "/items/7/x", "unknown 404"),
            ("GET", "/proxy/a/b/", "3 a/b/"),
            ("BREW", "/proxy/a", "3 a"),
            ("OPTIONS", "/proxy/a", "3 a"),
            ("GET", "/proxy/", "unknown 404"),
            ("GET", "/ITEMS", "unknown 404"),
        ];
        for (method, path, expected) in table {
            assert_eq!(outcome(method, path), expected, "{method} {path}");
        }
    }
}
