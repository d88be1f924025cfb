//! A table of routes: which paths exist, and which methods each takes.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::body::Body;
use crate::exchange::Reply;
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
#[derive(Debug)]
pub enum Resolution<'t, 'p, E> {
    /// The route, and the segment or rest that its `{name}` matched, still percent-encoded (empty without one).
    Found(&'t Route<E>, &'p str),
    /// No route answers; the table does.
    Unrouted(Unrouted),
}

/// A request that the table answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// The path does not exist.
    NotFound,
    /// The path, a route's template, takes other methods.
    NotAllowed(&'static str),
    /// The methods of a path, a route's template, or of the server (`*`) are asked for.
    Options(&'static str),
}

/// Looks `path` up. The first route that matches wins.
pub fn resolve<'t, 'p, E>(table: &'t [Route<E>], method: &Method, path: &'p str) -> Resolution<'t, 'p, E> {
    let mut matches = table.iter().filter_map(|route| captured(route.path, path).map(|capture| (route, capture)));
    let unrouted = match matches.next() {
        Some((route, capture)) if route.methods.contain(method) => return Resolution::Found(route, capture),
        Some((route, _)) if method == Method::OPTIONS => Unrouted::Options(route.path),
        Some((route, _)) => Unrouted::NotAllowed(route.path),
        // RFC 9110, section 9.3.7: a question about the server as a whole.
        None if method == Method::OPTIONS && path == "*" => Unrouted::Options("*"),
        None => Unrouted::NotFound,
    };
    Resolution::Unrouted(unrouted)
}

impl Unrouted {
    /// The reply: 404, 405 with `Allow`, or 204 with `Allow`.
    #[must_use]
    pub fn reply(self) -> Reply {
        let allow = HeaderValue::from_static(Methods::GET);
        match self {
            Self::NotFound => {
                Reply { route: UNKNOWN, result: Err(Problem::new(StatusCode::NOT_FOUND, "no such path")) }
            }
            Self::NotAllowed(route) => {
                let detail = format!("this path takes {}", Methods::GET);
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
                Reply { route, result: Err(problem.header(ALLOW, allow)) }
            }
            Self::Options(route) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, allow);
                Reply { route, result: Ok(response) }
            }
        }
    }
}

/// Label of requests that no route took.
pub const UNKNOWN: &str = "unknown";

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
        let unrouted = match resolve(TABLE, &method, path) {
            Resolution::Found(route, capture) => return format!("{} {capture}", route.endpoint),
            Resolution::Unrouted(unrouted) => unrouted.reply(),
        };
        let status = unrouted.result.map_or_else(|problem| problem.status(), |response| response.status());
        format!("{} {}", unrouted.route, status.as_u16())
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
